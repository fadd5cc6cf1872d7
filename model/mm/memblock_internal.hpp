// SPDX-License-Identifier: GPL-2.0-only
// What the files of memblock share: the region arrays and the primitives of specs/memblock.md §2. Nobody else includes
// it.
//
// An index into an array is only good until the next call that may double one (§2.5): doubling `reserved` changes
// `reserved` itself, under the caller's feet.
#pragma once

#include "model/bits.hpp"
#include "model/mm/memblock.hpp"

namespace baton::memblock::internal {

/// Limit on an array's length. Real ones stay far below; a larger count is overwritten memory.
inline constexpr u64 kEntriesMax = u64{1} << 26;

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

/// The last byte of the address space is never covered (§2): sizes are capped to end at 2^64 - 1.
inline u64 cap(PhysRange r) { return r.size < ~u64{0} - r.start.value ? r.size : ~u64{0} - r.start.value; }

/// Half-open interval of indices.
struct Interval {
    u64 first = 0;
    u64 last = 0;
};

Status add_range(Memblock& mb, MemblockType& t, PhysRange r, NodeId nid, u32 flags);
Status remove_range(Memblock& mb, MemblockType& t, PhysRange r);
Result<Interval> isolate(Memblock& mb, MemblockType& t, PhysRange r);
void merge(MemblockType& t, u64 first, u64 last);
void insert_region(MemblockType& t, u64 index, const MemblockRegion& r);
void delete_region(MemblockType& t, u64 index);

/// Doubles an array; the new one keeps out of `avoid` if the type is `reserved`. ENOMEM, or a panic while resizing is
/// not allowed yet.
Status double_array(Memblock& mb, MemblockType& t, PhysRange avoid);

/// What an allocation asks for when it has no wishes of its own (§3.2): scratch, mirrored memory, or anything.
inline u32 preferred_flags(const Memblock& mb) {
    if (mb.scratch_only != 0) return kMemblockKhoScratch;
    return mb.has_mirror != 0 ? kMemblockMirror : kMemblockNone;
}

/// A free block in [start, end), or nothing (§3.1). `align` is a power of two.
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
