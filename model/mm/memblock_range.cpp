// SPDX-License-Identifier: GPL-2.0-only
// The primitives of a sorted array of regions: add, isolate, merge, remove (specs/memblock.md §2.1 … §2.4).
//
// Invariants outside of these functions: sorted, disjoint, no empty region, and no two touching neighbours with equal
// node and flags but those that isolate has just made. Adding never changes the attributes of bytes already covered.
#include <algorithm>

#include "model/mm/memblock_internal.hpp"

namespace baton::memblock::internal {
namespace {

struct Addition {
    PhysRange range;
    NodeId nid;
    u32 flags;
};

struct Pieces {
    u64 count = 0;
    Interval inserted;  // from the first to one past the last
};

enum class Pass { kCount, kInsert, kInsertCounted };

void take_piece(MemblockType& t, u64& index, PhysRange piece, const Addition& a, Pass pass, Pieces& p) {
    ++p.count;
    if (pass == Pass::kCount) return;
    if (p.count == 1) p.inserted.first = index;
    p.inserted.last = index + 1;
    insert_region(t, index, {.base = piece.start, .size = piece.size, .flags = a.flags, .nid = a.nid.value});
    ++index;
}

// Walks the parts of the range that no region covers, ascending; each is a piece to insert.
Pieces add_pass(MemblockType& t, const Addition& a, Pass pass) {
    Pieces pieces;
    PhysAddr at = a.range.start;
    const PhysAddr end = a.range.end();
    const MemblockRegion* e = entries(t);
    u64 looked_at = 0;
    u64 i = 0;
    for (; i < t.cnt; ++i) {
        ++looked_at;
        const MemblockRegion here = e[i];
        if (here.base >= end) break;
        if (here.end() <= at) continue;
        if (here.base > at) take_piece(t, i, {at, here.base - at}, a, pass, pieces);
        // Covered bytes keep what they have. Asking for other flags is worth a warning (kho.md B29), asking for none
        // is normal: RAM is added again over areas already flagged as scratch.
        if (pass != Pass::kInsertCounted && a.flags != kMemblockNone && a.flags != here.flags) BATON_WARN();
        at = std::min(here.end(), end);
    }
    platform::charge(Work::kMemblockScans, looked_at);
    if (at < end) take_piece(t, i, {at, end - at}, a, pass, pieces);
    return pieces;
}

}  // namespace

void insert_region(MemblockType& t, u64 index, const MemblockRegion& r) {
    BATON_ASSERT(t.cnt < t.max && index <= t.cnt && r.size != 0);
    const u64 moved = t.cnt - index;
    MemblockRegion* e = claim(t, index, moved + 1);
    std::memmove(e + 1, e, moved * sizeof(MemblockRegion));
    *e = r;
    ++t.cnt;
    t.total_size += r.size;
    platform::charge(Work::kMemblockMoves, moved + 1);
}

void delete_region(MemblockType& t, u64 index) {
    BATON_ASSERT(index < t.cnt);
    const u64 moved = t.cnt - index - 1;
    MemblockRegion* e = claim(t, index, moved + 1);
    t.total_size -= e->size;
    std::memmove(e, e + 1, moved * sizeof(MemblockRegion));
    --t.cnt;
    if (is_empty(t)) {
        *claim(t, 0, 1) = {.base = {}, .size = 0, .flags = 0, .nid = kNoNode.value};
        t.total_size = 0;
    }
    platform::charge(Work::kMemblockMoves, moved);
}

void merge(MemblockType& t, u64 first, u64 last) {
    if (t.cnt < 2) return;
    const u64 begin = first == 0 ? 0 : first - 1;
    u64 stop = std::min(last, t.cnt - 1);
    if (begin >= stop) return;
    platform::charge(Work::kMemblockScans, stop - begin);
    MemblockRegion* here = claim(t, begin, t.cnt - begin);
    u64 moved = 0;
    for (u64 i = begin; i < stop;) {
        MemblockRegion* next = here + 1;
        if (here->end() != next->base || here->nid != next->nid || here->flags != next->flags) {
            BATON_ASSERT(here->end() <= next->base);
            ++i;
            ++here;
            continue;
        }
        here->size += next->size;
        const u64 behind = t.cnt - (i + 2);
        std::memmove(next, next + 1, behind * sizeof(MemblockRegion));
        moved += behind;
        --t.cnt;
        --stop;
    }
    platform::charge(Work::kMemblockMoves, moved);
}

Status add_range(Memblock& mb, MemblockType& t, PhysRange r, NodeId nid, u32 flags) {
    r.size = cap(r);
    if (r.empty()) return {};
    if (is_empty(t)) {
        BATON_ASSERT(t.total_size == 0);
        insert_region(t, 0, {.base = r.start, .size = r.size, .flags = flags, .nid = nid.value});
        return {};
    }
    // Worst case every gap gets a piece: with room for that, one pass does. Otherwise count first, and grow.
    const Addition addition{r, nid, flags};
    const bool has_room = t.cnt * 2 + 1 <= t.max;
    Pieces pieces = add_pass(t, addition, has_room ? Pass::kInsert : Pass::kCount);
    if (pieces.count == 0) return {};
    if (!has_room) {
        while (t.cnt + pieces.count > t.max) {
            const Status grown = double_array(mb, t, r);
            if (!grown) return grown;
        }
        pieces = add_pass(t, addition, Pass::kInsertCounted);
    }
    merge(t, pieces.inserted.first, pieces.inserted.last);
    return {};
}

Result<Interval> isolate(Memblock& mb, MemblockType& t, PhysRange r) {
    r.size = cap(r);
    if (r.empty()) return Interval{};
    while (t.cnt + 2 > t.max) {
        const Status grown = double_array(mb, t, r);
        if (!grown) return fail(grown.error());
    }
    Interval inside;
    u64 looked_at = 0;
    for (u64 i = 0; i < t.cnt; ++i) {
        const MemblockRegion here = entries(t)[i];
        ++looked_at;
        if (here.base >= r.end()) break;
        if (here.end() <= r.start) continue;
        const bool cut_below = here.base < r.start;
        const bool cut_above = !cut_below && here.end() > r.end();
        if (cut_below || cut_above) {
            const PhysAddr cut = cut_below ? r.start : r.end();
            MemblockRegion& upper = *claim(t, i, 1);
            upper.base = cut;
            upper.size = here.end() - cut;
            t.total_size -= cut - here.base;
            insert_region(t, i, {.base = here.base, .size = cut - here.base, .flags = here.flags, .nid = here.nid});
            if (cut_below) continue;  // the upper part is looked at next
        }
        if (inside.last == 0) inside.first = i;
        inside.last = i + 1;
    }
    platform::charge(Work::kMemblockScans, looked_at);
    return inside;
}

// Removing makes no new neighbours, so there is nothing to merge.
Status remove_range(Memblock& mb, MemblockType& t, PhysRange r) {
    const auto inside = isolate(mb, t, r);
    if (!inside) return fail(inside.error());
    for (u64 i = inside->last; i > inside->first; --i) delete_region(t, i - 1);
    return {};
}

}  // namespace baton::memblock::internal
