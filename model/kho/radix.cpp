// SPDX-License-Identifier: GPL-2.0-only
// The radix tree: insert, delete, walk (see radix.hpp).
//
// Depth comes from the page size, never from what a node holds, so recursion is bounded whatever a device wrote into
// the tree. A wrong link of the kernel's own tree ends as an access outside RAM; an incoming tree is checked link by
// link.
#include "model/kho/radix.hpp"

#include "model/kho/metadata.hpp"

namespace baton::kho::radix {
namespace {

using tracker::Cleared;
using tracker::WalkEnd;
using tracker::WalkResult;

PhysAddr slot_address(PhysAddr node, u64 slot) { return node + slot * sizeof(u64); }

PhysAddr child(PhysAddr node, u64 slot) {
    platform::charge(Work::kListLinks, 1);
    return ram::load<PhysAddr>(slot_address(node, slot));
}

/// The nodes that one insertion had to make, top down, and the slot that links the first of them.
struct Made {
    PhysAddr slot;
    PhysAddr nodes[8];
    u32 count = 0;
};

/// A failed insertion leaves no trace: the first new slot is cleared, the new pages go back (§3.3).
void undo(Kernel& k, const Made& made) {
    if (made.count == 0) return;
    ram::store(made.slot, PhysAddr{});
    for (u32 i = made.count; i-- != 0;) free_metadata_page(k, made.nodes[i]);
}

/// The leaf of a key, with the tables down to it made.
Result<PhysAddr> make_leaf(Kernel& k, const Shape& s, u64 key) {
    Made made;
    PhysAddr node = k.kho.tracker.radix_root;
    for (u32 level = s.depth - 1; level != 0; --level) {
        const u64 slot = table_index(s, key, level);
        PhysAddr next = child(node, slot);
        if (next.value == 0) {
            const auto page = alloc_metadata_page(k, AllocSite::kKhoRadix);
            if (!page) {
                undo(k, made);
                return page;
            }
            next = *page;
            if (made.count == 0) made.slot = slot_address(node, slot);
            BATON_ASSERT(made.count < 8);
            made.nodes[made.count++] = next;
            ram::store(slot_address(node, slot), next);
            platform::at(Site::kKhoRadixNode, next.value, level - 1);
        }
        node = next;
    }
    return node;
}

/// The leaf of a key, 0 if there is none.
PhysAddr find_leaf(const Kernel& k, const Shape& s, u64 key) {
    PhysAddr node = k.kho.tracker.radix_root;
    for (u32 level = s.depth - 1; level != 0 && node.value != 0; --level)
        node = child(node, table_index(s, key, level));
    return node;
}

struct Bit {
    PhysAddr byte;
    u8 mask;
};
Bit bit_of(const Shape& s, PhysAddr leaf, u64 key) {
    const u64 bit = leaf_bit(s, key);
    platform::charge(Work::kBitOps, 1);
    return {leaf + bit / 8, static_cast<u8>(1u << bit % 8)};
}

void free_below(Kernel& k, const Shape& s, PhysAddr node, u32 level) {
    platform::charge(Work::kListLinks, 1);
    for (u64 slot = 0; level != 0 && slot < s.table_slots(); ++slot) {
        const auto next = ram::load<PhysAddr>(slot_address(node, slot));
        if (next.value != 0) free_below(k, s, next, level - 1);
    }
    free_metadata_page(k, node);
}

/// Depth first, in ascending key.
struct Walk {
    const Kernel& k;
    const Shape shape;
    const tracker::Visitor& visitor;
    u64 nodes_left;

    WalkResult leaf(PhysAddr node, u64 prefix) const {
        platform::charge(Work::kBitmapWords, shape.leaf_slots() / 64);
        for (u64 bit = tracker::next_bit(node, shape.leaf_slots(), 0); bit < shape.leaf_slots();
             bit = tracker::next_bit(node, shape.leaf_slots(), bit + 1)) {
            const u64 key = prefix << shape.leaf_bits | bit;
            const auto block = block_of(shape, key);
            if (!block) return {WalkEnd::kBadOrder, node, key};
            if (!visitor.block(*block)) return {WalkEnd::kStopped, node, 0};
        }
        return {};
    }

    WalkResult subtree(PhysAddr node, u32 level, u64 prefix) {
        const u64 page = u64{1} << shape.page_shift;
        platform::charge(Work::kListLinks, 1);
        if (nodes_left-- == 0 || !is_memory(k, node, page)) return {WalkEnd::kNotMemory, node, page};
        visitor.node({node, Site::kKhoDeserialiseNode, level, 0, 0});
        if (level == 0) return leaf(node, prefix);
        platform::charge(Work::kBitmapWords, shape.table_slots());
        for (u64 slot = 0; slot < shape.table_slots(); ++slot) {
            const auto next = ram::load<PhysAddr>(slot_address(node, slot));
            if (next.value == 0) continue;
            const WalkResult below = subtree(next, level - 1, prefix << shape.table_bits | slot);
            if (below.end != WalkEnd::kDone) return below;
        }
        return {};
    }
};

}  // namespace

Shape shape_of(const Kernel& k) {
    const u32 page_shift = geometry(k).page_shift;
    // B25: the marker was forgotten, which is one level too few where the sum was tight.
    if (k.defect(Defect::kB25)) [[unlikely]]
        return shape_for(page_shift, 0);
    return shape_for(page_shift);
}

Status init(Kernel& k) {
    BATON_ASSERT(k.kho.tracker.radix_root.value == 0);
    const auto root = alloc_metadata_page(k, AllocSite::kKhoRadix);
    if (!root) return fail(root.error());
    k.kho.tracker.radix_root = *root;
    return {};
}

Result<bool> set(Kernel& k, Pfn pfn, Order order) {
    const Shape s = shape_of(k);
    const u64 key = key_of(s, pfn, order);
    const auto leaf = make_leaf(k, s, key);
    if (!leaf) return fail(leaf.error());
    const Bit bit = bit_of(s, *leaf, key);
    const u8 old = ram::load<u8>(bit.byte);
    if ((old & bit.mask) != 0) return false;
    ram::store<u8>(bit.byte, old | bit.mask);
    return true;
}

Cleared clear(Kernel& k, Pfn pfn, Order order) {
    const Shape s = shape_of(k);
    const u64 key = key_of(s, pfn, order);
    const PhysAddr leaf = find_leaf(k, s, key);
    if (leaf.value == 0) return Cleared::kNoBitmap;
    const Bit bit = bit_of(s, leaf, key);
    const u8 old = ram::load<u8>(bit.byte);
    if ((old & bit.mask) == 0) return Cleared::kWasClear;
    ram::store<u8>(bit.byte, static_cast<u8>(old & ~bit.mask));
    return Cleared::kYes;
}

void destroy(Kernel& k) {
    const PhysAddr root = k.kho.tracker.radix_root;
    const Shape s = shape_of(k);
    if (root.value != 0) free_below(k, s, root, s.depth - 1);
    k.kho.tracker.radix_root = {};
}

void for_each_block(const Kernel& k, FunctionRef<void(const Block&)> f) {
    if (k.kho.tracker.radix_root.value == 0) return;
    const auto each = [f](const Block& block) {
        f(block);
        return true;
    };
    const auto no_node = [](const tracker::Node&) {};
    const WalkResult end = walk(k, k.kho.tracker.radix_root, ~u64{0}, {each, no_node});
    if (end.end != WalkEnd::kDone) platform::page_fault(end.at, geometry(k).page_size());
}

WalkResult walk(const Kernel& k, PhysAddr root, u64 nodes_max, const tracker::Visitor& visitor) {
    Walk walk{k, shape_of(k), visitor, nodes_max};
    return walk.subtree(root, walk.shape.depth - 1, 0);
}

}  // namespace baton::kho::radix
