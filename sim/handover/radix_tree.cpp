// SPDX-License-Identifier: GPL-2.0-only
// The tracker of kho-v2 and later: a radix tree of one-page tables whose leaves are bitmaps (specs/kho.md §2.3).
#include <fmt/format.h>

#include <bit>
#include <cstring>
#include <unordered_set>

#include "sim/handover/tracker.hpp"

namespace baton::sim {
namespace {

class RadixWalk {
public:
    explicit RadixWalk(TrackerJob& job) : job_(job), shape_(job.page_shift) {}

    /// Everything below the node at `at`; false: a limit was reached. Depth is that of the shape, at most 6.
    bool node(PhysAddr at, u32 level, u64 prefix) {
        if (at.value % job_.page() != 0) {
            warn(WarningId::kNodeUnaligned, at,
                 fmt::format("level {} node at {:#x} does not begin a page", level, at.value));
            return true;
        }
        if (!seen_.insert(at.value).second) {
            warn(WarningId::kNodeShared, at, fmt::format("level {} node at {:#x} was met before", level, at.value));
            return true;
        }
        std::vector<u8> page(job_.page());
        if (!job_.read(at, page)) {
            warn(WarningId::kNodeAbsent, at, fmt::format("level {} node at {:#x} is not in memory", level, at.value));
            return true;
        }
        const u64 index = job_.out.tracker.size();
        if (!job_.keep(at, std::move(page))) return false;
        return level == 0 ? leaf(index, prefix) : table(index, level, prefix);
    }

private:
    void warn(WarningId id, PhysAddr at, std::string text) { job_.warnings.add(id, at, std::move(text)); }
    /// The bytes stay where they are while the list of pieces grows.
    WordScan words(u64 index) const { return WordScan(job_.out.tracker[index].bytes); }

    bool table(u64 index, u32 level, u64 prefix) {
        const u32 shift = (level - 1) * shape_.table_bits + shape_.leaf_bits;
        bool empty = true;
        const WordScan entries = words(index);
        for (u64 i = entries.next(0); i < entries.size(); i = entries.next(i + 1)) {
            empty = false;
            if (!node({entries.at(i)}, level - 1, prefix | i << shift)) return false;
        }
        if (empty) note_empty(index, level);
        return true;
    }

    bool leaf(u64 index, u64 prefix) {
        const PhysAddr at = job_.out.tracker[index].phys;
        HandoverBitmap found{at, job_.page(), {}, {}, job_.out.blocks.size(), 0};
        bool more = true;
        bool any = false;
        const WordScan bitmap = words(index);
        for (u64 i = bitmap.next(0); i < bitmap.size() && more; i = bitmap.next(i + 1)) {
            for (u64 bits = bitmap.at(i); bits != 0 && more; bits &= bits - 1) {
                any = true;
                more = block(at, prefix | (i * 64 + static_cast<u64>(std::countr_zero(bits))));
            }
        }
        found.blocks = job_.out.blocks.size() - found.first_block;
        if (found.blocks != 0) found.order = job_.out.blocks[found.first_block].order;
        job_.out.bitmaps.push_back(found);
        if (!any) note_empty(index, 0);
        return more;
    }

    bool block(PhysAddr leaf, u64 key) {
        const u32 top = key != 0 ? 63 - static_cast<u32>(std::countl_zero(key)) : 0;
        const u32 order = shape_.width - top;
        if (key == 0 || top > shape_.width || order > order_max(job_.page_shift)) {
            warn(WarningId::kKeyBroken, leaf, fmt::format("key {:#x} in the leaf at {:#x}", key, leaf.value));
            return true;
        }
        const u64 unit = key ^ u64 { 1 } << top;
        const u32 shift = order + job_.page_shift;
        if (unit >= kPhysEnd >> shift) {
            warn(WarningId::kBlockAddress, leaf,
                 fmt::format("key {:#x} in the leaf at {:#x} is above physical memory", key, leaf.value));
            return true;
        }
        return job_.add({unit << shift}, order);
    }

    void note_empty(u64 index, u32 level) {
        const PhysAddr at = job_.out.tracker[index].phys;
        warn(WarningId::kNodeEmpty, at, fmt::format("level {} node at {:#x} is empty", level, at.value));
    }

    TrackerJob& job_;
    const RadixShape shape_;
    std::unordered_set<u64> seen_;
};

}  // namespace

void walk_radix_tree(TrackerJob& job, PhysAddr root) {
    RadixWalk walk(job);
    walk.node(root, RadixShape(job.page_shift).depth - 1, 0);
}

}  // namespace baton::sim
