// SPDX-License-Identifier: GPL-2.0-only
// Bitmaps per order, found by radix trees of small nodes: insertion, ordered search, teardown (see bitmaps.hpp).
//
// A node is 64 physical addresses, 0 = absent; nodes of level 0 hold bitmaps. The tree lies in RAM that a stray device
// may write, so depth comes from the checked height, never from what a node contains; a wrong link ends as an access
// outside RAM or a bad free, both verdicts.
#include "model/kho/bitmaps.hpp"

#include "model/kho/metadata.hpp"

namespace baton::kho::bitmaps {
namespace {

inline constexpr u32 kFanoutShift = 6;
inline constexpr u64 kFanout = u64{1} << kFanoutShift;
inline constexpr u64 kNodeBytes = kFanout * sizeof(u64);
inline constexpr u32 kHeightMax = 9;  // 54 index bits: more than any pfn has

constexpr u64 child_slot(u64 index, u32 level) { return shr(index, level * kFanoutShift) % kFanout; }
constexpr bool covers(u32 height, u64 index) { return shr(index, height * kFanoutShift) == 0; }

PhysAddr slot_address(PhysAddr node, u64 slot) { return node + slot * sizeof(u64); }

PhysAddr child(PhysAddr node, u64 slot) {
    platform::charge(Work::kListLinks, 1);
    return ram::load<PhysAddr>(slot_address(node, slot));
}

Result<PhysAddr> alloc_node(Kernel& k) { return mm::small_alloc(k, kNodeBytes, kAllocZero, AllocSite::kKhoNode); }

/// Adds levels at the top until `index` fits. A failure leaves a valid, taller tree.
Status grow(Kernel& k, u32 order, u64 index) {
    KhoTracker& t = k.kho.tracker;
    while (t.height[order] == 0 || !covers(t.height[order], index)) {
        const auto node = alloc_node(k);
        if (!node) return fail(node.error());
        if (t.height[order] != 0) ram::store(slot_address(*node, 0), t.root[order]);
        t.root[order] = *node;
        ++t.height[order];
        BATON_ASSERT(t.height[order] <= kHeightMax);
        platform::charge(Work::kListLinks, 1);
    }
    return {};
}

/// The address of the slot that holds bitmap `index`, with the nodes down to it made.
Result<PhysAddr> make_slot(Kernel& k, u32 order, u64 index) {
    if (const auto grown = grow(k, order, index); !grown) return fail(grown.error());
    PhysAddr node = k.kho.tracker.root[order];
    for (u32 level = k.kho.tracker.height[order] - 1; level != 0; --level) {
        const u64 slot = child_slot(index, level);
        PhysAddr next = child(node, slot);
        if (next.value == 0) {
            const auto made = alloc_node(k);
            if (!made) return fail(made.error());
            next = *made;
            ram::store(slot_address(node, slot), next);
        }
        node = next;
    }
    return slot_address(node, child_slot(index, 0));
}

PhysAddr find(const Kernel& k, u32 order, u64 index) {
    const KhoTracker& t = k.kho.tracker;
    BATON_ASSERT(t.height[order] <= kHeightMax);
    if (t.height[order] == 0 || !covers(t.height[order], index)) return {};
    PhysAddr at = t.root[order];
    for (u32 level = t.height[order]; level != 0 && at.value != 0; --level)
        at = child(at, child_slot(index, level - 1));
    return at;
}

/// In-order search below a node whose slots are of `level`; `from` is relative to the node's first index.
std::optional<Bitmap> first_below(PhysAddr node, u32 level, u64 from) {
    const u32 shift = level * kFanoutShift;
    platform::charge(Work::kListLinks, 1);
    for (u64 slot = shr(from, shift); slot < kFanout; ++slot) {
        const auto next = ram::load<PhysAddr>(slot_address(node, slot));
        const u64 base = shl(slot, shift);
        if (next.value == 0) continue;
        if (level == 0) return Bitmap{slot, next};
        const auto found = first_below(next, level - 1, from > base ? from - base : 0);
        if (found) return Bitmap{base + found->index, found->bits};
    }
    return {};
}

Result<PhysAddr> alloc_bitmap(Kernel& k) {
    const u64 bytes = bitmap_bytes(k);
    const bool page = k.rules().bitmap_bytes == 0;
    u32 flags = kAllocZero | kAllocUnfenced;
    // B08: bitmaps were objects like any other. KFENCE may serve those out of scratch, which the next kexec overwrites.
    if (k.defect(Defect::kB08)) [[unlikely]]
        flags = kAllocZero;
    if (!page) return mm::small_alloc(k, bytes, flags, AllocSite::kKhoBitmap);
    if ((flags & kAllocUnfenced) == 0) {
        if (const auto fenced = mm::fence::take(k, bytes)) {
            ram::zero(*fenced, bytes);
            return *fenced;
        }
    }
    return alloc_metadata_page(k, AllocSite::kKhoBitmap);
}

void free_bitmap(Kernel& k, PhysAddr bits) {
    if (k.rules().bitmap_bytes == 0 && !mm::fence::holds(k, bits))
        free_metadata_page(k, bits);
    else
        mm::small_free(k, bits);
}

void free_below(Kernel& k, PhysAddr node, u32 level) {
    platform::charge(Work::kListLinks, 1);
    for (u64 slot = 0; slot < kFanout; ++slot) {
        const auto next = ram::load<PhysAddr>(slot_address(node, slot));
        if (next.value == 0) continue;
        if (level == 0)
            free_bitmap(k, next);
        else
            free_below(k, next, level - 1);
    }
    mm::small_free(k, node);
}

Result<PhysAddr> find_or_make(Kernel& k, Order order, u64 index) {
    if (const PhysAddr bits = find(k, order.value, index); bits.value != 0) return bits;
    const auto bits = alloc_bitmap(k);
    if (!bits) return bits;
    const auto slot = make_slot(k, order.value, index);
    if (!slot) {
        free_bitmap(k, *bits);
        return slot;
    }
    BATON_ASSERT(ram::load<u64>(*slot) == 0);
    ram::store(*slot, *bits);
    return bits;
}

}  // namespace

u64 bitmap_bytes(const Kernel& k) {
    const u32 bytes = k.rules().bitmap_bytes;
    return bytes != 0 ? bytes : geometry(k).page_size();
}

Result<bool> set(Kernel& k, Pfn pfn, Order order) {
    BATON_ASSERT(order.value < kKhoOrders && is_aligned(pfn.value, order.pages()));
    const Place place = place_of(pfn, order, bitmap_bytes(k) * 8);
    const auto bits = find_or_make(k, order, place.index);
    if (!bits) return fail(bits.error());
    platform::charge(Work::kBitOps, 1);
    const PhysAddr at = *bits + place.bit / 8;
    const u8 mask = static_cast<u8>(1u << place.bit % 8);
    const u8 old = ram::load<u8>(at);
    if ((old & mask) != 0) return false;
    ram::store<u8>(at, old | mask);
    return true;
}

tracker::Cleared clear(Kernel& k, Pfn pfn, Order order) {
    BATON_ASSERT(order.value < kKhoOrders);
    const Place place = place_of(pfn, order, bitmap_bytes(k) * 8);
    const PhysAddr bits = find(k, order.value, place.index);
    platform::charge(Work::kBitOps, 1);
    if (bits.value == 0) return tracker::Cleared::kNoBitmap;
    const PhysAddr at = bits + place.bit / 8;
    const u8 mask = static_cast<u8>(1u << place.bit % 8);
    const u8 old = ram::load<u8>(at);
    if ((old & mask) == 0) return tracker::Cleared::kWasClear;
    ram::store<u8>(at, static_cast<u8>(old & ~mask));
    return tracker::Cleared::kYes;
}

std::optional<Bitmap> next_bitmap(const Kernel& k, Order order, u64 from) {
    BATON_ASSERT(order.value < kKhoOrders);
    const u32 height = k.kho.tracker.height[order.value];
    BATON_ASSERT(height <= kHeightMax);
    if (height == 0 || !covers(height, from)) return {};
    return first_below(k.kho.tracker.root[order.value], height - 1, from);
}

void for_each_block(const Kernel& k, FunctionRef<void(const Block&)> f) {
    const u64 bits = bitmap_bytes(k) * 8;
    const u32 page_shift = geometry(k).page_shift;
    for (u32 o = 0; o < kKhoOrders; ++o) {
        const Order order{o};
        for (auto map = next_bitmap(k, order, 0); map; map = next_bitmap(k, order, map->index + 1)) {
            platform::charge(Work::kBitmapWords, bits / 64);
            const PhysAddr start = window_start(map->index, order, bits, page_shift);
            for (u64 bit = tracker::next_bit(map->bits, bits, 0); bit < bits;
                 bit = tracker::next_bit(map->bits, bits, bit + 1))
                f(Block{start + shl(bit, o + page_shift), order});
        }
    }
}

void destroy(Kernel& k) {
    KhoTracker& t = k.kho.tracker;
    for (u32 o = 0; o < kKhoOrders; ++o) {
        BATON_ASSERT(t.height[o] <= kHeightMax);
        if (t.height[o] != 0) free_below(k, t.root[o], t.height[o] - 1);
        t.root[o] = {};
        t.height[o] = 0;
    }
}

}  // namespace baton::kho::bitmaps
