// SPDX-License-Identifier: GPL-2.0-only
// The primitives of a sorted array of regions: add, isolate, merge, remove (specs/memblock.md §2.1 … §2.4).
//
// Invariants outside of these functions: sorted, disjoint, no empty region, and no two touching neighbours with equal
// node and flags but those that isolate has just made. Adding never changes the attributes of bytes already covered.
//
// Linux scans from the first region, and inserts, then merges, one region at a time. Here the place is found by binary
// search, a range that touches its neighbours extends them where they are, and several regions go in one move. Arrays
// and charges come out as if it had been done Linux's way.
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

bool joins(const MemblockRegion& lower, const MemblockRegion& upper) {
    return lower.end() == upper.base && lower.nid == upper.nid && lower.flags == upper.flags;
}

// Covered bytes keep what they have; asking for something else is worth a warning (§2.1, kho.md B29).
void compare(const MemblockRules& version, const Addition& a, const MemblockRegion& here) {
    if (version.overlap_compares_node && a.nid.value != here.nid) BATON_WARN();
    if (a.flags != here.flags && !(version.plain_overlap_is_quiet && a.flags == kMemblockNone)) BATON_WARN();
}

void take_piece(MemblockType& t, u64& index, PhysRange piece, const Addition& a, bool insert, Pieces& p) {
    ++p.count;
    if (!insert) return;
    if (p.count == 1) p.inserted.first = index;
    p.inserted.last = index + 1;
    insert_region(t, index, {.base = piece.start, .size = piece.size, .flags = a.flags, .nid = a.nid.value});
    ++index;
}

// Walks the parts of the range that no region covers, ascending; each is a piece, counted or inserted.
Pieces add_pass(const MemblockRules& version, MemblockType& t, const Addition& a, bool insert) {
    Pieces pieces;
    PhysAddr at = a.range.start;
    const PhysAddr end = a.range.end();
    const MemblockRegion* e = entries(t);
    u64 i = first_ending_above(t, at);
    u64 looked_at = i;
    for (; i < t.cnt; ++i) {
        ++looked_at;
        const MemblockRegion here = e[i];
        if (here.base >= end) break;
        if (here.base > at) {
            compare(version, a, here);
            take_piece(t, i, {at, here.base - at}, a, insert, pieces);
        }
        at = std::min(here.end(), end);
    }
    platform::charge(Work::kMemblockScans, looked_at);
    if (at < end) take_piece(t, i, {at, end - at}, a, insert, pieces);
    return pieces;
}

// A range that overlaps nothing becomes region `index`, or joins the neighbours it touches. Linux inserts, and merges
// afterwards: that is charged.
void insert_and_merge(MemblockType& t, u64 index, const MemblockRegion& r) {
    const MemblockRegion* e = entries(t);
    const u64 above = t.cnt - index;
    const bool joins_lower = index != 0 && joins(e[index - 1], r);
    const bool joins_upper = above != 0 && joins(r, e[index]);
    platform::charge(Work::kMemblockScans, (index != 0 ? 1 : 0) + (above != 0 ? 1 : 0));
    if (!joins_lower && !joins_upper) return insert_region(t, index, r);
    u64 moves = above + 1;
    if (joins_lower) {
        claim(t, index - 1, 1)->size += r.size;
        moves += above;
    } else {
        MemblockRegion& upper = *claim(t, index, 1);
        upper.base = r.base;
        upper.size += r.size;
        moves += above - 1;
    }
    t.total_size += r.size;
    platform::charge(Work::kMemblockMoves, moves);
    if (!joins_lower || !joins_upper) return;
    const u64 joined = e[index].size;
    claim(t, index - 1, 1)->size += joined;
    delete_regions(t, {index, index + 1});
    t.total_size += joined;
}

}  // namespace

void insert_region(MemblockType& t, u64 index, const MemblockRegion& r) {
    BATON_ASSERT(t.cnt < t.max && index <= t.cnt && r.size != 0);
    const u64 moved = t.cnt - index;
    MemblockRegion* e = claim(t, index, moved + 1);
    if (moved != 0) std::memmove(e + 1, e, moved * sizeof(MemblockRegion));
    *e = r;
    ++t.cnt;
    t.total_size += r.size;
    platform::charge(Work::kMemblockMoves, moved + 1);
}

// Linux deletes one by one, from the last: what lies above the interval moves once for each.
void delete_regions(MemblockType& t, Interval gone) {
    if (gone.first == gone.last) return;
    BATON_ASSERT(gone.first < gone.last && gone.last <= t.cnt);
    const u64 n = gone.last - gone.first;
    const u64 above = t.cnt - gone.last;
    const MemblockRegion* e = entries(t);
    for (u64 i = gone.first; i < gone.last; ++i) t.total_size -= e[i].size;
    MemblockRegion* to = claim(t, gone.first, above + 1);
    if (above != 0) std::memmove(to, e + gone.last, above * sizeof(MemblockRegion));
    t.cnt -= n;
    if (is_empty(t)) {
        if (t.total_size != 0) BATON_WARN();  // trim_memory's doing (§2.4); the next add starts afresh
        *claim(t, 0, 1) = kDummy;
    }
    platform::charge(Work::kMemblockMoves, n * above);
}

// One pass that closes the gaps as it goes. Linux moves everything above once for each pair it joins.
void merge(MemblockType& t, u64 first, u64 last) {
    if (t.cnt < 2) return;
    const u64 begin = first == 0 ? 0 : first - 1;
    const u64 stop = std::min(last, t.cnt - 1);
    if (begin >= stop) return;
    platform::charge(Work::kMemblockScans, stop - begin);
    const MemblockRegion* e = entries(t);
    u64 kept = begin;  // the region that the next one may join
    u64 moves = 0;
    MemblockRegion* to = nullptr;
    for (u64 i = begin + 1; i <= stop; ++i) {
        if (joins(e[kept], e[i])) {
            if (to == nullptr) to = claim(t, kept, t.cnt - kept) - kept;
            to[kept].size += e[i].size;
            moves += t.cnt - i - 1;
            continue;
        }
        BATON_ASSERT(e[kept].end() <= e[i].base);
        ++kept;
        if (kept != i) to[kept] = e[i];
    }
    if (to == nullptr) return;
    const u64 above = t.cnt - (stop + 1);
    if (above != 0) std::memmove(to + kept + 1, e + stop + 1, above * sizeof(MemblockRegion));
    t.cnt -= stop - kept;
    platform::charge(Work::kMemblockMoves, moves);
}

Status add_range(Memblock& mb, MemblockType& t, PhysRange r, NodeId nid, u32 flags) {
    r.size = cap(r);
    if (r.empty()) return {};
    const MemblockRegion whole{.base = r.start, .size = r.size, .flags = flags, .nid = nid.value};
    if (is_empty(t)) {
        if (t.total_size != 0) BATON_WARN();
        t.total_size = 0;
        insert_region(t, 0, whole);
        return {};
    }
    // Worst case every gap gets a piece: with room for that, one pass does. Otherwise count first, and grow.
    const bool has_room = t.cnt * 2 + 1 <= t.max;
    const u64 index = first_ending_above(t, r.start);
    if (t.cnt < t.max && (index == t.cnt || entries(t)[index].base >= r.end())) {
        platform::charge(Work::kMemblockScans, std::min(index + 1, t.cnt) * (has_room ? 1 : 2));
        insert_and_merge(t, index, whole);
        return {};
    }
    const Addition addition{r, nid, flags};
    Pieces pieces = add_pass(rules(mb), t, addition, has_room);
    if (pieces.count == 0) return {};
    if (!has_room) {
        while (t.cnt + pieces.count > t.max) {
            const Status grown = double_array(mb, t, r);
            if (!grown) return grown;
        }
        pieces = add_pass(rules(mb), t, addition, true);
        if (pieces.count == 0) return {};
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
    const MemblockRegion* e = entries(t);
    u64 i = first_ending_above(t, r.start);
    u64 looked_at = i;
    for (; i < t.cnt; ++i) {
        const MemblockRegion here = e[i];
        ++looked_at;
        if (here.base >= r.end()) break;
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
            ++looked_at;              // Linux looks again at the lower part
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
    delete_regions(t, *inside);
    return {};
}

}  // namespace baton::memblock::internal
