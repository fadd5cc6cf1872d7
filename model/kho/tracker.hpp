// SPDX-License-Identifier: GPL-2.0-only
// The runtime tracker: which blocks this kernel preserves (specs/kho.md §2.2, "runtime side").
//
// A block is (order, pfn). Per order, blocks are bits of bitmaps; a bitmap's number is its index. The bitmaps are the
// handover format's own, so serialising copies nothing. What finds them is private to this kernel: a radix tree per
// order with 64 children a node (512-byte objects), grown at the top as the largest index asks, like Linux's xarray.
// Looking up one of a million bitmaps is four links; iteration is in ascending index. Empty bitmaps are not freed.
#pragma once

#include <optional>

#include "model/bits.hpp"
#include "model/kernel.hpp"

namespace baton::kho::tracker {

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

/// Sets a block's bit: true if it was clear. ENOMEM; EINVAL when a bitmap would lie in scratch with kOptionKhoDebug.
Result<bool> set(Kernel& k, Pfn pfn, Order order);

enum class Cleared { kYes, kWasClear, kNoBitmap };
Cleared clear(Kernel& k, Pfn pfn, Order order);

struct Bitmap {
    u64 index;
    PhysAddr bits;
};
/// The first bitmap of `order` with an index of at least `from`.
std::optional<Bitmap> next_bitmap(const Kernel& k, Order order, u64 from);

/// First set bit at or after `from` of the bitmap at `bits`; `count` if there is none. Reads RAM anew at each call.
u64 next_bit(PhysAddr bits, u64 count, u64 from);

/// Frees every bitmap and node: nothing is preserved any more.
void destroy(Kernel& k);

/// Calls f(Block) for every block, by ascending order, then address. `f` must not change the tracker.
template <class F>
void for_each_block(const Kernel& k, F&& f) {
    const u64 bits = bitmap_bytes(k) * 8;
    const u32 page_shift = geometry(k).page_shift;
    for (u32 o = 0; o < kKhoOrders; ++o) {
        const Order order{o};
        for (auto map = next_bitmap(k, order, 0); map; map = next_bitmap(k, order, map->index + 1)) {
            platform::charge(Work::kBitmapWords, bits / 64);
            const PhysAddr start = window_start(map->index, order, bits, page_shift);
            for (u64 bit = next_bit(map->bits, bits, 0); bit < bits; bit = next_bit(map->bits, bits, bit + 1))
                f(Block{start + shl(bit, o + page_shift), order});
        }
    }
}

}  // namespace baton::kho::tracker
