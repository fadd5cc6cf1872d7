// SPDX-License-Identifier: GPL-2.0-only
// The radix tree of 7.1 (TrackerKind::kRadix, specs/kho.md §2.3, §3.3): tracker and handover format in one.
//
// A block's key has a marker bit whose place tells the order; below it stands the block's number among its order. The
// key's upper bits lead through tables, one page of physical addresses each, to a one-page bitmap whose bit is set.
// Larger orders have smaller keys, so a walk in ascending order meets the largest blocks first. The next kernel reads
// the tree in place: there is nothing to serialise, and nothing that records a page of it but its parent's slot.
#pragma once

#include "model/kho/tracker.hpp"

namespace baton::kho::radix {

/// What follows from the page size.
struct Shape {
    u32 page_shift;
    u32 width;       // bits of a key below the marker of order 0
    u32 table_bits;  // index bits of a table
    u32 leaf_bits;   // index bits of a leaf bitmap
    u32 depth;       // levels: the root is level depth - 1, bitmaps are level 0
    constexpr u64 table_slots() const { return u64{1} << table_bits; }
    constexpr u64 leaf_slots() const { return u64{1} << leaf_bits; }
};
/// `marker_bits` is 1: the marker of order 0 needs a bit of its own (leaving it out is B25).
constexpr Shape shape_for(u32 page_shift, u32 marker_bits = 1) {
    const u32 width = 64 - page_shift;
    const u32 table = page_shift - 3;
    const u32 leaf = page_shift + 3;
    return {page_shift, width, table, leaf, (width - leaf + marker_bits + table - 1) / table + 1};
}

constexpr u64 key_of(const Shape& s, Pfn pfn, Order order) {
    return shl(1, s.width - order.value) | shr(pfn.value, order.value);
}
/// The block of a key; nothing for a key that no block has.
constexpr std::optional<Block> block_of(const Shape& s, u64 key) {
    if (key == 0 || floor_log2(key) > s.width) return {};
    const u32 order = s.width - floor_log2(key);
    return Block{{shl(key, s.page_shift + order)}, {order}};  // the marker falls off the top
}
/// Index into the table of `level`, 1 … depth - 1.
constexpr u64 table_index(const Shape& s, u64 key, u32 level) {
    return shr(key, (level - 1) * s.table_bits + s.leaf_bits) % s.table_slots();
}
constexpr u64 leaf_bit(const Shape& s, u64 key) { return key % s.leaf_slots(); }

/// The shape of this kernel's trees, and of those it reads.
Shape shape_of(const Kernel& k);

// What tracker.hpp asks for; without its counting. Nodes are metadata pages; deleting frees none (§2.3).
Status init(Kernel& k);
Result<bool> set(Kernel& k, Pfn pfn, Order order);
tracker::Cleared clear(Kernel& k, Pfn pfn, Order order);
void destroy(Kernel& k);
void for_each_block(const Kernel& k, FunctionRef<void(const Block&)> f);
tracker::WalkResult walk(const Kernel& k, PhysAddr root, u64 nodes_max, const tracker::Visitor& visitor);

}  // namespace baton::kho::radix
