// SPDX-License-Identifier: GPL-2.0-only
// The double walk: one list minus another, in both directions, without a third array (specs/memblock.md §3.4).
//
// A step yields the overlap of one region with one gap and advances whichever of the two ends first. Each turn of the
// loops moves exactly one of the two indices, so a full walk costs the sum of both lists, and what was looked at is how
// far the cursor has moved. A call is a few nanoseconds: the arrays are looked up, and the ledger is paid, rarely.
#include "model/mm/memblock_internal.hpp"

namespace baton::memblock {

using namespace internal;

namespace {

inline constexpr u64 kChargeEvery = 64;

struct Filter {
    const Memblock& mb;
    bool of_memory;
    NodeId nid;
    u32 flags;
    bool passes_over(const MemblockRegion& m) const { return of_memory && is_skipped(mb, m, nid, flags); }
};

// No second list is one that leaves a single gap: everything.
void begin(FreeCursor& c, const MemblockType& a, const MemblockType* b) {
    c.a = entries(a);
    c.b = b != nullptr ? entries(*b) : c.a;
    c.a_count = c.a_left = a.cnt;
    c.b_count = b != nullptr ? b->cnt : 0;
    c.b_left = c.b_count + 1;
    c.charged = 0;
}

inline void pay(FreeCursor& c, u64 least) {
    const u64 steps = (c.a_count - c.a_left) + (c.b_count + 1 - c.b_left);
    if (steps - c.charged < least) return;
    platform::charge(Work::kMemblockScans, steps - c.charged);
    c.charged = steps;
}

// Field by field: a FreeRange made elsewhere and copied waits for its own stores, which is most of a step.
inline void set_overlap(FreeRange& out, const MemblockRegion& m, const Gap& g) {
    const PhysAddr start = std::max(m.base, g.start);
    out.range.start = start;
    out.range.size = std::min(m.end(), g.end) - start;
    out.nid.value = m.nid;
}

inline bool step_up(const Filter& filter, FreeCursor& c, FreeRange& out) {
    for (; c.a_left != 0; --c.a_left) {
        const MemblockRegion& m = c.a[c.a_count - c.a_left];
        if (filter.passes_over(m)) continue;
        for (; c.b_left != 0; --c.b_left) {
            const Gap g = gap_of(c.b, c.b_count, c.b_count + 1 - c.b_left);
            if (g.start >= m.end()) break;
            if (m.base >= g.end) continue;
            set_overlap(out, m, g);
            const bool region_ends_first = m.end() <= g.end;
            c.a_left -= region_ends_first ? 1 : 0;
            c.b_left -= region_ends_first ? 0 : 1;
            return true;
        }
    }
    return false;
}

inline bool step_down(const Filter& filter, FreeCursor& c, FreeRange& out) {
    for (; c.a_left != 0; --c.a_left) {
        const MemblockRegion& m = c.a[c.a_left - 1];
        if (filter.passes_over(m)) continue;
        for (; c.b_left != 0; --c.b_left) {
            const Gap g = gap_of(c.b, c.b_count, c.b_left - 1);
            if (g.end <= m.base) break;
            if (m.end() <= g.start) continue;
            set_overlap(out, m, g);
            const bool region_ends_first = m.base >= g.start;
            c.a_left -= region_ends_first ? 1 : 0;
            c.b_left -= region_ends_first ? 0 : 1;
            return true;
        }
    }
    return false;
}

template <auto kStep>
inline bool step(const Filter& filter, const MemblockType& a, const MemblockType* b, FreeCursor& c, FreeRange& out) {
    if (c.a == nullptr) begin(c, a, b);
    const bool found = kStep(filter, c, out);
    pay(c, found ? kChargeEvery : 1);
    return found;
}

}  // namespace

bool next_range(const Memblock& mb, const Walk& w, FreeCursor& c, FreeRange& out) {
    return step<step_up>({mb, &w.a == &mb.memory, w.nid, w.flags}, w.a, w.b, c, out);
}

bool previous_range(const Memblock& mb, const Walk& w, FreeCursor& c, FreeRange& out) {
    return step<step_down>({mb, &w.a == &mb.memory, w.nid, w.flags}, w.a, w.b, c, out);
}

bool next_free(const Memblock& mb, FreeCursor& c, FreeRange& out, NodeId nid, u32 flags) {
    return step<step_up>({mb, true, nid, flags}, mb.memory, &mb.reserved, c, out);
}

bool previous_free(const Memblock& mb, FreeCursor& c, FreeRange& out, NodeId nid, u32 flags) {
    return step<step_down>({mb, true, nid, flags}, mb.memory, &mb.reserved, c, out);
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
    platform::charge(Work::kMemblockScans, index - from);
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
