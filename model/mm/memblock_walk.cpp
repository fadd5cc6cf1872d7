// SPDX-License-Identifier: GPL-2.0-only
// The double walk: one list minus another, in both directions, without a third array (specs/memblock.md §3.4).
//
// A step yields the overlap of one region with one gap and advances whichever of the two ends first. Each turn of the
// loops moves exactly one of the two indices, so a full walk costs the sum of both lists, and what a call looked at is
// how far its cursor moved.
#include "model/mm/memblock_internal.hpp"

namespace baton::memblock {

using namespace internal;

namespace {

FreeRange overlap_of(const MemblockRegion& m, const Gap& g) {
    const PhysAddr start = std::max(m.base, g.start);
    return {{start, std::min(m.end(), g.end) - start}, {m.nid}};
}

bool passes_over(const Memblock& mb, const Walk& w, const MemblockRegion& m) {
    return &w.a == &mb.memory && is_skipped(mb, m, w.nid, w.flags);
}

void charge_steps(u64 a_steps, u64 b_steps) { platform::charge(Work::kMemblockScans, a_steps + b_steps); }

// Without a second list every region is yielded as a whole.
bool next_region(const Memblock& mb, const Walk& w, FreeCursor& c, FreeRange& out) {
    const MemblockRegion* a = entries(w.a);
    const u64 from = c.memory_index;
    bool found = false;
    while (!found && c.memory_index < w.a.cnt) {
        const MemblockRegion& m = a[c.memory_index++];
        if (passes_over(mb, w, m)) continue;
        out = {{m.base, m.size}, {m.nid}};
        found = true;
    }
    charge_steps(c.memory_index - from, 0);
    return found;
}

bool previous_region(const Memblock& mb, const Walk& w, FreeCursor& c, FreeRange& out) {
    const MemblockRegion* a = entries(w.a);
    BATON_ASSERT(c.memory_index <= w.a.cnt);
    const u64 from = c.memory_index;
    bool found = false;
    while (!found && c.memory_index != 0) {
        const MemblockRegion& m = a[--c.memory_index];
        if (passes_over(mb, w, m)) continue;
        out = {{m.base, m.size}, {m.nid}};
        found = true;
    }
    charge_steps(from - c.memory_index, 0);
    return found;
}

}  // namespace

bool next_range(const Memblock& mb, const Walk& w, FreeCursor& c, FreeRange& out) {
    if (w.b == nullptr) return next_region(mb, w, c, out);
    const MemblockRegion* a = entries(w.a);
    const MemblockRegion* b = entries(*w.b);
    const u64 gaps = w.b->cnt;
    const FreeCursor from = c;
    bool found = false;
    while (!found && c.memory_index < w.a.cnt && c.gap_index <= gaps) {
        const MemblockRegion& m = a[c.memory_index];
        const Gap g = gap_of(b, gaps, c.gap_index);
        if (passes_over(mb, w, m) || g.start >= m.end()) {
            ++c.memory_index;
            continue;
        }
        if (m.base < g.end) {
            out = overlap_of(m, g);
            found = true;
        }
        if (found && m.end() <= g.end)
            ++c.memory_index;
        else
            ++c.gap_index;
    }
    charge_steps(c.memory_index - from.memory_index, c.gap_index - from.gap_index);
    return found;
}

FreeCursor last_cursor(const Walk& w) { return {w.a.cnt, w.b != nullptr ? w.b->cnt + 1 : 0}; }

// Both fields of a descending cursor count what is left: the next region is memory_index - 1, the next gap gap_index
// - 1.
bool previous_range(const Memblock& mb, const Walk& w, FreeCursor& c, FreeRange& out) {
    if (w.b == nullptr) return previous_region(mb, w, c, out);
    const MemblockRegion* a = entries(w.a);
    const MemblockRegion* b = entries(*w.b);
    const u64 gaps = w.b->cnt;
    BATON_ASSERT(c.memory_index <= w.a.cnt && c.gap_index <= gaps + 1);
    const FreeCursor from = c;
    bool found = false;
    while (!found && c.memory_index != 0 && c.gap_index != 0) {
        const MemblockRegion& m = a[c.memory_index - 1];
        const Gap g = gap_of(b, gaps, c.gap_index - 1);
        if (passes_over(mb, w, m) || g.end <= m.base) {
            --c.memory_index;
            continue;
        }
        if (m.end() > g.start) {
            out = overlap_of(m, g);
            found = true;
        }
        if (found && m.base >= g.start)
            --c.memory_index;
        else
            --c.gap_index;
    }
    charge_steps(from.memory_index - c.memory_index, from.gap_index - c.gap_index);
    return found;
}

bool next_free(const Memblock& mb, FreeCursor& cursor, FreeRange& out, NodeId nid, u32 flags) {
    return next_range(mb, {.a = mb.memory, .b = &mb.reserved, .nid = nid, .flags = flags}, cursor, out);
}

FreeCursor last_free_cursor(const Memblock& mb) { return last_cursor({.a = mb.memory, .b = &mb.reserved}); }

bool previous_free(const Memblock& mb, FreeCursor& cursor, FreeRange& out, NodeId nid, u32 flags) {
    return previous_range(mb, {.a = mb.memory, .b = &mb.reserved, .nid = nid, .flags = flags}, cursor, out);
}

bool next_pfn_range(const Memblock& mb, u64& index, PfnRange& out, NodeId nid) {
    const MemblockRegion* e = entries(mb.memory);
    const u64 from = index;
    bool found = false;
    while (!found && index < mb.memory.cnt) {
        const MemblockRegion& m = e[index++];
        const Pfn start{align_up(m.base, shl(1, mb.page_shift)).value >> mb.page_shift};
        const Pfn end{m.end().value >> mb.page_shift};
        if (start >= end || (is_node(nid) && m.nid != nid.value)) continue;
        out = {start, end, {m.nid}};
        found = true;
    }
    charge_steps(index - from, 0);
    return found;
}

bool next_free_in_zone(const Memblock& mb, FreeCursor& cursor, const PfnRange& zone, PfnRange& out) {
    FreeRange free;
    while (next_free(mb, cursor, free, zone.nid)) {
        const Pfn start{align_up(free.range.start, shl(1, mb.page_shift)).value >> mb.page_shift};
        const Pfn end{free.range.end().value >> mb.page_shift};
        if (zone.start >= end || start >= end) continue;
        if (zone.end <= start) return false;
        out = {std::max(zone.start, start), std::min(zone.end, end), free.nid};
        return true;
    }
    return false;
}

}  // namespace baton::memblock
