// SPDX-License-Identifier: GPL-2.0-only
// The tracker of kho-v1: a list of one-page chunks, each naming bitmaps of one order (specs/kho.md §2.2).
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <unordered_set>

#include "sim/handover/tracker.hpp"

namespace baton::sim {
namespace {

struct Chunk {
    u64 next;
    u32 order;
    u32 count;
};
struct Entry {
    u64 window;
    u64 bitmap;
};
static_assert(sizeof(Chunk) == 16 && sizeof(Entry) == 16);

template <class T>
T load(std::span<const u8> bytes, u64 at) {
    T v;
    std::memcpy(&v, bytes.data() + at, sizeof(v));
    return v;
}

class ChunkWalk {
public:
    explicit ChunkWalk(TrackerJob& job) : job_(job), entries_max_((job.page() - sizeof(Chunk)) / sizeof(Entry)) {}

    void run(PhysAddr head) {
        for (PhysAddr at = head; at.value != 0;) {
            if (!seen_.insert(at.value).second) {
                warn(WarningId::kChunkLoop, at, fmt::format("the list comes back to the chunk at {:#x}", at.value));
                return;
            }
            if (at.value % job_.page() != 0)
                warn(WarningId::kChunkUnaligned, at, fmt::format("chunk at {:#x} does not begin a page", at.value));
            std::vector<u8> page(job_.page());
            if (!job_.read(at, page)) {
                warn(WarningId::kChunkAbsent, at, fmt::format("chunk at {:#x} is not in memory", at.value));
                return;
            }
            const Chunk chunk = load<Chunk>(page, 0);
            const std::span<const u8> entries(page);  // the bytes stay where they are
            if (!job_.keep(at, std::move(page)) || !read_chunk(at, chunk, entries)) return;
            at = {chunk.next};
        }
    }

private:
    void warn(WarningId id, PhysAddr at, std::string text) { job_.warnings.add(id, at, std::move(text)); }

    /// False: a limit was reached.
    bool read_chunk(PhysAddr at, const Chunk& chunk, std::span<const u8> page) {
        if (chunk.order > order_max(job_.page_shift)) {
            warn(WarningId::kChunkOrder, at + 8, fmt::format("chunk at {:#x} has order {}", at.value, chunk.order));
            return true;
        }
        if (chunk.count > entries_max_)
            warn(WarningId::kChunkCount, at + 12,
                 fmt::format("chunk at {:#x} has {} entries, a page holds {}", at.value, chunk.count, entries_max_));
        if (chunk.count == 0)
            warn(WarningId::kChunkEmpty, at + 12, fmt::format("chunk at {:#x} has no entries", at.value));
        if (any_chunk_ && chunk.order < order_)
            warn(WarningId::kChunkUnordered, at + 8,
                 fmt::format("chunk at {:#x} has order {} after order {}", at.value, chunk.order, order_));
        if (!any_chunk_ || chunk.order != order_) any_window_ = false;
        any_chunk_ = true;
        order_ = chunk.order;
        const u64 count = std::min<u64>(chunk.count, entries_max_);
        for (u64 i = 0; i < count; ++i) {
            const u64 offset = sizeof(Chunk) + i * sizeof(Entry);
            if (!read_entry(at + offset, load<Entry>(page, offset))) return false;
        }
        const WordScan words(page);
        const u64 junk = words.next((sizeof(Chunk) + count * sizeof(Entry)) / 8);
        if (junk < words.size())
            warn(WarningId::kChunkJunk, at + junk * 8,
                 fmt::format("chunk at {:#x} is not zero behind its {} entries", at.value, count));
        return true;
    }

    bool read_entry(PhysAddr at, const Entry& entry) {
        const PhysAddr bitmap{entry.bitmap};
        if (entry.bitmap % job_.bitmap_bytes != 0)
            warn(WarningId::kBitmapUnaligned, at,
                 fmt::format("bitmap at {:#x} is not aligned to its {} bytes", entry.bitmap, job_.bitmap_bytes));
        const u32 span_shift = static_cast<u32>(std::countr_zero(job_.bitmap_bytes)) + 3 + order_ + job_.page_shift;
        if (span_shift < 64 ? entry.window % (u64{1} << span_shift) != 0 : entry.window != 0)
            warn(WarningId::kBitmapWindow, at,
                 fmt::format("the window at {:#x} of order {} is no multiple of its span", entry.window, order_));
        if (any_window_ && entry.window <= window_)
            warn(WarningId::kChunkUnordered, at,
                 fmt::format("the window at {:#x} comes after the one at {:#x}", entry.window, window_));
        any_window_ = true;
        window_ = entry.window;
        // Its bits are told once: a page of entries that all name one bitmap would be millions of blocks.
        if (!bitmaps_.insert(entry.bitmap).second) {
            warn(WarningId::kBitmapShared, at, fmt::format("bitmap at {:#x} is named twice", entry.bitmap));
            return true;
        }
        std::vector<u8> bytes(job_.bitmap_bytes);
        if (entry.bitmap == 0 || !job_.read(bitmap, bytes)) {
            warn(WarningId::kBitmapAbsent, at, fmt::format("bitmap at {:#x} is not in memory", entry.bitmap));
            return true;
        }
        HandoverBitmap found{bitmap, job_.bitmap_bytes, {order_}, {entry.window}, job_.out.blocks.size(), 0};
        const bool more = read_bits(at, entry.window, bytes);
        found.blocks = job_.out.blocks.size() - found.first_block;
        if (found.blocks == 0 && more)
            warn(WarningId::kBitmapEmpty, bitmap, fmt::format("bitmap at {:#x} has no bit set", entry.bitmap));
        job_.out.bitmaps.push_back(found);
        return job_.keep(bitmap, std::move(bytes)) && more;
    }

    bool read_bits(PhysAddr at, u64 window, const std::vector<u8>& bytes) {
        const u32 shift = order_ + job_.page_shift;  // at most kPhysBits
        const WordScan words(bytes);
        for (u64 i = words.next(0); i < words.size(); i = words.next(i + 1)) {
            for (u64 word = words.at(i); word != 0; word &= word - 1) {
                const u64 bit = i * 64 + static_cast<u64>(std::countr_zero(word));
                // bit < 2^19, so this does not overflow before it is found too large
                if (window >= kPhysEnd || bit >= (kPhysEnd - window) >> shift) {
                    warn(WarningId::kBlockAddress, at,
                         fmt::format("bit {} of the window at {:#x} of order {} is above physical memory", bit, window,
                                     order_));
                    return true;
                }
                if (!job_.add({window + (bit << shift)}, order_)) return false;
            }
        }
        return true;
    }

    TrackerJob& job_;
    const u64 entries_max_;
    std::unordered_set<u64> seen_;
    std::unordered_set<u64> bitmaps_;
    bool any_chunk_ = false;
    bool any_window_ = false;
    u32 order_ = 0;
    u64 window_ = 0;
};

}  // namespace

void walk_chunk_list(TrackerJob& job, PhysAddr head) { ChunkWalk(job).run(head); }

bool TrackerJob::keep(PhysAddr phys, std::vector<u8> bytes) {
    tracker_bytes += bytes.size();
    if (tracker_bytes > kTrackerBytesMax) {
        warnings.add(WarningId::kMetadataTooMuch, phys,
                     fmt::format("more than {} MiB of metadata", kTrackerBytesMax / kMiB));
        return false;
    }
    out.tracker.push_back({phys, std::move(bytes)});
    return true;
}

bool TrackerJob::add(PhysAddr phys, u32 order) {
    if (out.blocks.size() == kBlocksMax) {
        warnings.add(WarningId::kBlocksTooMany, phys, fmt::format("more than {} blocks", kBlocksMax));
        return false;
    }
    out.blocks.push_back({phys, {order}});
    out.pages += u64{1} << order;  // at most 2^40 each, 2^24 of them: the sum of all fits but for hostile data
    return true;
}

}  // namespace baton::sim
