// SPDX-License-Identifier: GPL-2.0-only
#include "sim/handover/vmalloc.hpp"

#include <fmt/format.h>

#include <cstring>
#include <unordered_set>

namespace baton::sim {
namespace {

inline constexpr u16 kKnownFlags = 0b11;       // plain; huge mappings allowed
inline constexpr u64 kRunsMax = u64{1} << 22;  // 16 GiB of single pages

struct Descriptor {
    u64 first;
    u32 total_pages;
    u16 flags;
    u16 order;
};
static_assert(sizeof(Descriptor) == kVmallocDescriptorBytes);

/// Chunk after chunk. False: it could not be followed to its end.
bool walk_chunks(VmallocArea& area, u64 page, const Coverage& preserved, const RamReader& read, WarningSink& warnings) {
    std::unordered_set<u64> seen;
    std::vector<u64> words(page / 8);
    for (PhysAddr at = area.first; at.value != 0; at = {words[0]}) {
        if (!seen.insert(at.value).second) {
            warnings.add(WarningId::kVmallocLoop, at, fmt::format("vmalloc chunk at {:#x} comes again", at.value));
            return false;
        }
        if (at.value % page != 0 || !preserved.covers({at, page}))
            warnings.add(WarningId::kVmallocNotPreserved, at,
                         fmt::format("vmalloc chunk at {:#x} is not a preserved page", at.value));
        if (!read(at, {reinterpret_cast<u8*>(words.data()), page})) {
            warnings.add(WarningId::kVmallocAbsent, at,
                         fmt::format("no memory at {:#x} for a vmalloc chunk", at.value));
            return false;
        }
        area.chunks.push_back(at);
        u64 i = 1;
        for (; i < words.size() && words[i] != 0; ++i) {
            if (area.runs.size() == kRunsMax) return false;
            area.runs.push_back({words[i]});
        }
        // A chunk ends at its first zero, and only the last one does before it is full.
        for (; i < words.size(); ++i) {
            if (words[i] == 0) continue;
            warnings.add(WarningId::kVmallocJunk, at + i * 8,
                         fmt::format("vmalloc chunk at {:#x} goes on behind its end", at.value));
            break;
        }
    }
    return true;
}

}  // namespace

VmallocArea read_vmalloc(std::span<const u8> descriptor, PhysAddr at, u32 page_shift, const Coverage& preserved,
                         const RamReader& read, WarningSink& warnings) {
    Descriptor d{};
    if (descriptor.size() == sizeof(d)) std::memcpy(&d, descriptor.data(), sizeof(d));
    VmallocArea area{{d.first}, d.total_pages, d.flags, d.order, {}, {}, false};
    if ((d.flags & ~kKnownFlags) != 0 || (d.flags & 1) == 0)
        warnings.add(WarningId::kVmallocFlags, at, fmt::format("vmalloc area has flags {:#x}", d.flags));
    if (d.order > order_max(page_shift)) {
        warnings.add(WarningId::kVmallocOrder, at, fmt::format("vmalloc area has order {}", d.order));
        return area;
    }
    const u64 page = u64{1} << page_shift;
    if (!walk_chunks(area, page, preserved, read, warnings)) return area;
    const u64 runs = (u64{d.total_pages} + (u64{1} << d.order) - 1) >> d.order;
    if (runs != area.runs.size())
        warnings.add(WarningId::kVmallocTotal, at,
                     fmt::format("vmalloc area has {} pages, its chunks list {} runs of order {}", d.total_pages,
                                 area.runs.size(), d.order));
    for (PhysAddr run : area.runs)
        if (run.value % page != 0 || !preserved.covers({run, page << d.order}))
            warnings.add(WarningId::kVmallocNotPreserved, run,
                         fmt::format("run at {:#x} of a vmalloc area is not preserved", run.value));
    area.whole = runs == area.runs.size();
    return area;
}

}  // namespace baton::sim
