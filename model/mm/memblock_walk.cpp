// SPDX-License-Identifier: GPL-2.0-only
// The double walk: memory minus reserved, in both directions, without a third array (specs/memblock.md §3.4).
//
// Gap g of `reserved` is what lies between its regions g - 1 and g; gap 0 begins at 0, gap cnt ends at 2^64 - 1. A step
// yields the overlap of one memory region with one gap and advances whichever of the two ends first. A full walk looks
// at every region and every gap once. Between touching reserved regions of different flags lies an empty gap: upstream
// yields it as an empty range, here it is passed over.
#include <algorithm>

#include "model/mm/memblock_internal.hpp"

namespace baton::memblock {

using namespace internal;

namespace {

// The filter of §3: which memory regions a walk that asks for `nid` and `flags` passes over.
bool skip(const Memblock& mb, const MemblockRegion& m, NodeId nid, u32 flags) {
    const auto asked = [flags](u32 f) { return (flags & f) != 0; };
    const auto has = [&m](u32 f) { return (m.flags & f) != 0; };
    if (nid != kNoNode && m.nid != nid.value) return true;
    if (has(kMemblockHotplug) && mb.movable_node != 0 && !asked(kMemblockHotplug)) return true;
    if (asked(kMemblockMirror) && !has(kMemblockMirror)) return true;
    if (has(kMemblockNomap) && !asked(kMemblockNomap)) return true;
    if (has(kMemblockDriverManaged) && !asked(kMemblockDriverManaged)) return true;
    return asked(kMemblockKhoScratch) && !has(kMemblockKhoScratch);
}

struct Gap {
    PhysAddr start;
    PhysAddr end;
};

Gap gap(const MemblockRegion* reserved, u64 cnt, u64 g) {
    return {g == 0 ? PhysAddr{0} : reserved[g - 1].end(), g == cnt ? PhysAddr{~u64{0}} : reserved[g].base};
}

// Empty when they do not meet.
FreeRange overlap_of(const MemblockRegion& m, const Gap& g) {
    const PhysAddr start = std::max(m.base, g.start);
    const PhysAddr end = std::min(m.end(), g.end);
    return {{start, start < end ? end - start : 0}, {m.nid}};
}

}  // namespace

bool next_free(const Memblock& mb, FreeCursor& c, FreeRange& out, NodeId nid, u32 flags) {
    const MemblockRegion* memory = entries(mb.memory);
    const MemblockRegion* reserved = entries(mb.reserved);
    const u64 gaps = mb.reserved.cnt;
    u64 looked_at = 0;
    bool found = false;
    while (!found && c.memory_index < mb.memory.cnt && c.gap_index <= gaps) {
        const MemblockRegion& m = memory[c.memory_index];
        const Gap g = gap(reserved, gaps, c.gap_index);
        ++looked_at;
        if (skip(mb, m, nid, flags) || g.start >= m.end()) {
            ++c.memory_index;
            continue;
        }
        out = overlap_of(m, g);
        found = !out.range.empty();
        if (m.end() <= g.end)
            ++c.memory_index;
        else
            ++c.gap_index;
    }
    platform::charge(Work::kMemblockScans, looked_at);
    return found;
}

FreeCursor last_free_cursor(const Memblock& mb) { return {mb.memory.cnt, mb.reserved.cnt + 1}; }

// Both fields of a descending cursor count what is left: the next region is memory_index - 1, the next gap gap_index
// - 1.
bool previous_free(const Memblock& mb, FreeCursor& c, FreeRange& out, NodeId nid, u32 flags) {
    const MemblockRegion* memory = entries(mb.memory);
    const MemblockRegion* reserved = entries(mb.reserved);
    const u64 gaps = mb.reserved.cnt;
    BATON_ASSERT(c.memory_index <= mb.memory.cnt && c.gap_index <= gaps + 1);
    u64 looked_at = 0;
    bool found = false;
    while (!found && c.memory_index != 0 && c.gap_index != 0) {
        const MemblockRegion& m = memory[c.memory_index - 1];
        const Gap g = gap(reserved, gaps, c.gap_index - 1);
        ++looked_at;
        if (skip(mb, m, nid, flags) || g.end <= m.base) {
            --c.memory_index;
            continue;
        }
        out = overlap_of(m, g);
        found = !out.range.empty();
        if (m.base >= g.start)
            --c.memory_index;
        else
            --c.gap_index;
    }
    platform::charge(Work::kMemblockScans, looked_at);
    return found;
}

}  // namespace baton::memblock
