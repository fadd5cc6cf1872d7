// SPDX-License-Identifier: GPL-2.0-only
// The tracker of 6.16 … 7.0 (TrackerKind::kBitmaps, specs/kho.md §2.2, "runtime side"): bitmaps per order.
//
// Per order, blocks are bits of bitmaps; a bitmap's number is its index. The bitmaps are the handover format's own, so
// serialising (chunks.hpp) copies nothing. What finds them is private to this kernel: a radix tree per order with 64
// children a node (512-byte objects), grown at the top as the largest index asks, like Linux's xarray. Looking up one
// of a million bitmaps is four links; iteration is in ascending index. Empty bitmaps are not freed.
#pragma once

#include "model/kho/tracker.hpp"

namespace baton::kho::bitmaps {

/// Bytes of one bitmap: 512 or a page (Rules::bitmap_bytes).
u64 bitmap_bytes(const Kernel& k);

/// Which bitmap of its order, and which bit in it, stands for a block.
struct Place {
    u64 index;
    u64 bit;
};
constexpr Place place_of(Pfn pfn, Order order, u64 bits) {
    const u64 high = shr(pfn.value, order.value);
    return {high / bits, high % bits};
}
/// First byte that bitmap `index` stands for.
constexpr PhysAddr window_start(u64 index, Order order, u64 bits, u32 page_shift) {
    return {shl(index * bits, order.value + page_shift)};
}

struct Bitmap {
    u64 index;
    PhysAddr bits;
};
/// The first bitmap of `order` with an index of at least `from`.
std::optional<Bitmap> next_bitmap(const Kernel& k, Order order, u64 from);

// What tracker.hpp asks for; without its counting.
Result<bool> set(Kernel& k, Pfn pfn, Order order);
tracker::Cleared clear(Kernel& k, Pfn pfn, Order order);
void destroy(Kernel& k);
void for_each_block(const Kernel& k, FunctionRef<void(const Block&)> f);

}  // namespace baton::kho::bitmaps
