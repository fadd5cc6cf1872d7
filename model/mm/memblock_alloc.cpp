// SPDX-License-Identifier: GPL-2.0-only
// Finding and allocating (specs/memblock.md §3.1 … §3.3).
//
// First fit over the free ranges, from the top unless told otherwise. The upper bound of a request is hard; the node
// is a wish, and for `alloc` so is the lower bound. In scratch-only mode scratch is not a wish: that is what keeps
// early allocations off the memory that is to survive (kho.md §3.8).
//
// The searches are the double walk of memblock_walk.cpp with the test for a fit inside: an exhausting search over
// 100,000 ranges is what a nearly full KHO boot does for every allocation.
#include "model/mm/memblock_internal.hpp"

namespace baton::memblock {

using namespace internal;

namespace {

inline constexpr u64 kCacheLine = 64;

struct Bounds {
    u64 low;
    u64 high;
};
// A free range, clamped to the wish. Written without branches: it is the inner loop.
inline Bounds clamp_to(const Wish& w, u64 low, u64 high) {
    return {std::min(std::max(low, w.start), w.end), std::min(std::max(high, w.start), w.end)};
}

std::optional<PhysAddr> find_lowest(const Memblock& mb, const Wish& w) {
    const MemblockRegion* memory = entries(mb.memory);
    const MemblockRegion* reserved = entries(mb.reserved);
    const u64 gaps = mb.reserved.cnt;
    u64 g = 0;
    u64 gap_start = 0;
    std::optional<PhysAddr> found;
    u64 i = 0;
    for (; i < mb.memory.cnt && g <= gaps && !found; ++i) {
        const MemblockRegion& m = memory[i];
        if (is_skipped(mb, m, w.nid, w.flags)) continue;
        const u64 m_start = m.base.value;
        const u64 m_end = m.end().value;
        while (g <= gaps && gap_start < m_end) {
            const u64 gap_end = g < gaps ? reserved[g].base.value : ~u64{0};
            const Bounds b = clamp_to(w, std::max(m_start, gap_start), std::min(m_end, gap_end));
            const u64 at = align_up(b.low, w.align);
            if (m_start < gap_end && at < b.high && b.high - at >= w.size) [[unlikely]] {
                found = PhysAddr{at};
                break;
            }
            if (m_start < gap_end && m_end <= gap_end) break;
            gap_start = g < gaps ? reserved[g].end().value : gap_start;
            ++g;
        }
    }
    platform::charge(Work::kMemblockScans, i + g);
    return found;
}

std::optional<PhysAddr> find_highest(const Memblock& mb, const Wish& w) {
    const MemblockRegion* memory = entries(mb.memory);
    const MemblockRegion* reserved = entries(mb.reserved);
    const u64 gaps = mb.reserved.cnt;
    u64 left = gaps + 1;  // gaps 0 … left - 1 are still to come
    u64 gap_end = ~u64{0};
    std::optional<PhysAddr> found;
    u64 i = mb.memory.cnt;
    for (; i != 0 && left != 0 && !found; --i) {
        const MemblockRegion& m = memory[i - 1];
        if (is_skipped(mb, m, w.nid, w.flags)) continue;
        const u64 m_start = m.base.value;
        const u64 m_end = m.end().value;
        while (left != 0 && gap_end > m_start) {
            const u64 gap_start = left > 1 ? reserved[left - 2].end().value : 0;
            const Bounds b = clamp_to(w, std::max(m_start, gap_start), std::min(m_end, gap_end));
            const u64 at = align_down(b.high - w.size, w.align);
            if (m_end > gap_start && b.high >= w.size && at >= b.low) [[unlikely]] {
                found = PhysAddr{at};
                break;
            }
            if (m_end > gap_start && m_start >= gap_start) break;
            gap_end = left > 1 ? reserved[left - 2].base.value : gap_end;
            --left;
        }
    }
    platform::charge(Work::kMemblockScans, (mb.memory.cnt - i) + (gaps + 1 - left));
    return found;
}

// One request with fixed bounds: on the node, then on any node, then without preferring mirrored memory (§3.2). The
// reservation carries the node only when the node was what found it. An array that cannot grow counts as not found.
std::optional<PhysAddr> alloc_in(Memblock& mb, Wish w, bool exact) {
    w.flags = preferred_flags(mb);
    const NodeId nid = w.nid;
    for (;;) {
        w.nid = nid;
        auto found = find(mb, w);
        if (found && reserve_kern(mb, {*found, w.size}, nid)) return found;
        if (is_node(nid) && !exact) {
            w.nid = kNoNode;
            found = find(mb, w);
            if (found && reserve_kern(mb, {*found, w.size})) return found;
        }
        if ((w.flags & kMemblockMirror) == 0) return std::nullopt;
        w.flags &= ~kMemblockMirror;
    }
}

u64 checked_align(u64 align) {
    if (align != 0) return align;
    BATON_WARN();
    return kCacheLine;
}

}  // namespace

std::optional<PhysAddr> internal::find(const Memblock& mb, const Wish& wish) {
    BATON_ASSERT(is_power_of_two(wish.align));
    Wish w = wish;
    if (w.end == kMemblockAccessible || w.end == kMemblockNoLeakTrace) w.end = mb.current_limit;
    w.start = std::max(w.start, shl(1, mb.page_shift));  // page 0 is never handed out
    w.end = std::max(w.start, w.end);
    const auto found = mb.bottom_up != 0 ? find_lowest(mb, w) : find_highest(mb, w);
    if (found == PhysAddr{0}) return std::nullopt;  // Linux's "nothing": where aligning up wrapped
    return found;
}

std::optional<PhysAddr> phys_alloc_range(Memblock& mb, u64 size, u64 align, u64 start, u64 end, NodeId nid,
                                         bool exact) {
    return alloc_in(mb, {.size = size, .align = checked_align(align), .start = start, .end = end, .nid = nid}, exact);
}

std::optional<PhysAddr> alloc(Memblock& mb, u64 size, u64 align, u64 min, u64 max, NodeId nid, bool exact) {
    const u64 end = std::min(max, mb.current_limit);
    const u64 aligned = checked_align(align);
    auto found = phys_alloc_range(mb, size, aligned, min, end, nid, exact);
    if (!found && min != 0) found = phys_alloc_range(mb, size, aligned, 0, end, nid, exact);
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
