// SPDX-License-Identifier: GPL-2.0-only
// What the files of memblock share: the region arrays and the primitives of specs/memblock.md §2. Nobody else includes
// it.
//
// An index into an array is only good until the next call that may double one (§2.5): doubling `reserved` changes
// `reserved` itself, under the caller's feet.
#pragma once

#include <algorithm>

#include "model/bits.hpp"
#include "model/mm/memblock.hpp"

namespace baton::memblock::internal {

/// Limit on an array's length. Real ones stay far below; a larger count is overwritten memory.
inline constexpr u64 kEntriesMax = u64{1} << 26;

inline constexpr MemblockRegion kDummy{.base = {}, .size = 0, .flags = 0, .nid = kNoNode.value};

inline bool is_empty(const MemblockType& t) { return t.cnt == 0; }

/// The regions in use, or the dummy of an empty type.
inline const MemblockRegion* entries(const MemblockType& t) {
    BATON_ASSERT(t.cnt <= t.max && t.max <= kEntriesMax && t.max != 0);
    return t.regions.get(is_empty(t) ? 1 : t.cnt);
}
/// Claims entries [first, first + n); they need not be in use yet.
inline MemblockRegion* claim(MemblockType& t, u64 first, u64 n) {
    BATON_ASSERT(t.max <= kEntriesMax && n <= t.max && first <= t.max - n);
    return (t.regions + first).claim(n);
}

inline const MemblockRules& rules(const Memblock& mb) { return rules_for(mb.version); }

/// The last byte of the address space is never covered (§2): sizes are capped to end at 2^64 - 1.
inline u64 cap(PhysRange r) { return std::min(r.size, ~u64{0} - r.start.value); }

/// Half-open interval of indices.
struct Interval {
    u64 first = 0;
    u64 last = 0;
};

/// Index of the first region that ends above `a`: where a scan from the start would first have something to do. The
/// caller charges that scan.
u64 first_ending_above(const MemblockType& t, PhysAddr a);

Status add_range(Memblock& mb, MemblockType& t, PhysRange r, NodeId nid, u32 flags);
Status remove_range(Memblock& mb, MemblockType& t, PhysRange r);
/// Splits regions at the ends of `r`; indices of those inside, {0, 0} if none. The array must have room for two more.
Result<Interval> isolate(Memblock& mb, MemblockType& t, PhysRange r);
/// Joins equal neighbours among regions first - 1 … last.
void merge(MemblockType& t, u64 first, u64 last);
void insert_region(MemblockType& t, u64 index, const MemblockRegion& r);
void delete_regions(MemblockType& t, Interval gone);

/// Doubles an array; the new one keeps out of `avoid` if the type is `reserved`. ENOMEM, or a panic while resizing is
/// not allowed yet.
Status double_array(Memblock& mb, MemblockType& t, PhysRange avoid);

// Arrays of a memblock that outlives the page allocator's start, which is always a Kernel's (memblock_late.cpp).
std::optional<PhysAddr> late_array(Memblock& mb, u64 bytes);
/// Gives an array back: pages of the page allocator, or ones that boot had reserved.
void release_late_array(Memblock& mb, PhysRange array, bool from_page_allocator);

/// What an allocation asks for when it has no wishes of its own (§3.2): scratch, mirrored memory, or anything.
inline u32 preferred_flags(const Memblock& mb) {
    if (mb.scratch_only != 0) return kMemblockKhoScratch;
    return mb.has_mirror != 0 ? kMemblockMirror : kMemblockNone;
}

/// Which memory regions a walk that asks for `nid` and `flags` passes over (§3).
inline bool is_skipped(const Memblock& mb, const MemblockRegion& m, NodeId nid, u32 flags) {
    if (is_node(nid) && m.nid != nid.value) return true;
    const u32 unasked = m.flags & ~flags;
    if ((unasked & kMemblockHotplug) != 0 && mb.movable_node != 0) return true;
    if ((unasked & (kMemblockNomap | kMemblockDriverManaged)) != 0) return true;
    return (flags & ~m.flags & (kMemblockMirror | kMemblockKhoScratch)) != 0;
}

/// Gap g of an array is what lies between its regions g - 1 and g; gap 0 begins at 0, gap cnt ends at 2^64 - 1.
struct Gap {
    PhysAddr start;
    PhysAddr end;
};
inline Gap gap_of(const MemblockRegion* e, u64 cnt, u64 g) {
    return {g == 0 ? PhysAddr{0} : e[g - 1].end(), g == cnt ? PhysAddr{~u64{0}} : e[g].base};
}

/// A free block in [start, end), or nothing (§3.1). `align` is a power of two; `end` may be kMemblockAccessible.
struct Wish {
    u64 size;
    u64 align;
    u64 start;
    u64 end;
    NodeId nid = kNoNode;
    u32 flags = 0;
};
std::optional<PhysAddr> find(const Memblock& mb, const Wish& wish);

}  // namespace baton::memblock::internal
