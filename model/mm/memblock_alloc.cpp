// SPDX-License-Identifier: GPL-2.0-only
// Finding and allocating (specs/memblock.md §3.1 … §3.3).
//
// First fit over the free ranges, from the top unless told otherwise. The upper bound of a request is hard, the lower
// bound and the node are wishes. In scratch-only mode scratch is not a wish: that is what keeps early allocations off
// the memory that is to survive (kho.md §3.8).
#include <algorithm>

#include "model/mm/memblock_internal.hpp"

namespace baton::memblock {

using namespace internal;

namespace {

inline constexpr u64 kCacheLine = 64;

std::optional<PhysAddr> find_lowest(const Memblock& mb, const Wish& w) {
    FreeCursor cursor;
    FreeRange free;
    while (next_free(mb, cursor, free, w.nid, w.flags)) {
        const u64 low = std::clamp(free.range.start.value, w.start, w.end);
        const u64 high = std::clamp(free.range.end().value, w.start, w.end);
        const u64 at = align_up(low, w.align);
        if (at >= low && at < high && high - at >= w.size) return PhysAddr{at};
    }
    return std::nullopt;
}

std::optional<PhysAddr> find_highest(const Memblock& mb, const Wish& w) {
    FreeCursor cursor = last_free_cursor(mb);
    FreeRange free;
    while (previous_free(mb, cursor, free, w.nid, w.flags)) {
        const u64 low = std::clamp(free.range.start.value, w.start, w.end);
        const u64 high = std::clamp(free.range.end().value, w.start, w.end);
        if (high < w.size) continue;
        const u64 at = align_down(high - w.size, w.align);
        if (at >= low) return PhysAddr{at};
    }
    return std::nullopt;
}

// One request with fixed bounds: on the node, then on any node, then without preferring mirrored memory (§3.2). The
// reservation carries the node only when the node was what found it.
std::optional<PhysAddr> alloc_in(Memblock& mb, Wish w, bool exact) {
    w.flags = preferred_flags(mb);
    const NodeId nid = w.nid;
    for (;;) {
        w.nid = nid;
        auto found = find(mb, w);
        if (found && reserve(mb, {*found, w.size}, nid, kMemblockReservedKern)) return found;
        if (nid != kNoNode && !exact) {
            w.nid = kNoNode;
            found = find(mb, w);
            if (found && reserve_kern(mb, {*found, w.size})) return found;
        }
        if ((w.flags & kMemblockMirror) == 0) return std::nullopt;
        w.flags &= ~kMemblockMirror;
    }
}

}  // namespace

std::optional<PhysAddr> internal::find(const Memblock& mb, const Wish& wish) {
    BATON_ASSERT(is_power_of_two(wish.align));
    Wish w = wish;
    w.start = std::max(w.start, shl(1, mb.page_shift));  // page 0 is never handed out
    w.end = std::max(w.start, w.end);
    return mb.bottom_up != 0 ? find_lowest(mb, w) : find_highest(mb, w);
}

std::optional<PhysAddr> alloc(Memblock& mb, u64 size, u64 align, u64 min, u64 max, NodeId nid, bool exact) {
    if (align == 0) {
        BATON_WARN();
        align = kCacheLine;
    }
    const u64 end = max == kMemblockAccessible ? mb.current_limit : std::min(max, mb.current_limit);
    const Wish wish{.size = size, .align = align, .start = min, .end = end, .nid = nid};
    auto found = alloc_in(mb, wish, exact);
    if (!found && min != 0) {
        Wish lower = wish;
        lower.start = 0;
        found = alloc_in(mb, lower, exact);
    }
    return found;
}

PhysAddr alloc_or_panic(Memblock& mb, u64 size, u64 align, u64 min, u64 max, NodeId nid) {
    const auto found = alloc(mb, size, align, min, max, nid);
    if (!found) platform::panic(Log::kPanicEarlyAlloc, size, align, mb.scratch_only);
    ram::zero(*found, size);
    platform::charge(Work::kPagesZeroed, div_round_up(size, shl(1, mb.page_shift)));
    return *found;
}

}  // namespace baton::memblock
