// SPDX-License-Identifier: GPL-2.0-only
// The tracker's face: the choice of variant, and the counts that both keep (see tracker.hpp).
#include "model/kho/tracker.hpp"

#include "model/kho/bitmaps.hpp"
#include "model/kho/chunks.hpp"
#include "model/kho/radix.hpp"

namespace baton::kho::tracker {
namespace {

struct Variant {
    Status (*init)(Kernel&);
    Result<bool> (*set)(Kernel&, Pfn, Order);
    Cleared (*clear)(Kernel&, Pfn, Order);
    void (*destroy)(Kernel&);
    void (*for_each_block)(const Kernel&, FunctionRef<void(const Block&)>);
    WalkResult (*walk)(const Kernel&, PhysAddr map, u64 nodes_max, const Visitor&);
};

Status nothing_to_prepare(Kernel&) { return {}; }

constexpr Variant kBitmaps = {
    nothing_to_prepare, bitmaps::set, bitmaps::clear, bitmaps::destroy, bitmaps::for_each_block, chunks::walk,
};
constexpr Variant kRadix = {
    radix::init, radix::set, radix::clear, radix::destroy, radix::for_each_block, radix::walk,
};

const Variant& variant(const Kernel& k) {
    switch (k.rules().tracker) {
        case TrackerKind::kBitmaps: return kBitmaps;
        case TrackerKind::kRadix: return kRadix;
    }
    return kBitmaps;
}

}  // namespace

Status init(Kernel& k) { return variant(k).init(k); }

Result<bool> set(Kernel& k, Pfn pfn, Order order) {
    BATON_ASSERT(order.value < kKhoOrders && is_aligned(pfn.value, order.pages()));
    const auto fresh = variant(k).set(k, pfn, order);
    if (fresh && *fresh) {
        ++k.kho.tracker.blocks;
        k.kho.tracker.pages += order.pages();
    }
    return fresh;
}

Cleared clear(Kernel& k, Pfn pfn, Order order) {
    BATON_ASSERT(order.value < kKhoOrders);
    const Cleared cleared = variant(k).clear(k, pfn, order);
    if (cleared == Cleared::kYes) {
        --k.kho.tracker.blocks;
        k.kho.tracker.pages -= order.pages();
    }
    return cleared;
}

void destroy(Kernel& k) {
    variant(k).destroy(k);
    k.kho.tracker.blocks = 0;
    k.kho.tracker.pages = 0;
}

void for_each_block(const Kernel& k, FunctionRef<void(const Block&)> f) { variant(k).for_each_block(k, f); }

WalkResult walk(const Kernel& k, PhysAddr map, u64 nodes_max, const Visitor& visitor) {
    return variant(k).walk(k, map, nodes_max, visitor);
}

u64 next_bit(PhysAddr bits, u64 count, u64 from) {
    BATON_ASSERT(count % 64 == 0);
    if (from >= count) return count;
    const u8* bytes = ram::read<u8>(bits, count / 8);  // hostile addresses need not be aligned
    u64 word = 0;
    for (u64 w = from / 64; w < count / 64; ++w) {
        std::memcpy(&word, bytes + w * sizeof word, sizeof word);
        if (w == from / 64) word &= shl(~u64{0}, from % 64);
        if (word != 0) return w * 64 + ctz(word);
    }
    return count;
}

}  // namespace baton::kho::tracker
