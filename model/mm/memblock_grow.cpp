// SPDX-License-Identifier: GPL-2.0-only
// Doubling a region array with memory from memblock itself (specs/memblock.md §2.5).
//
// The traps: the new array must not land on the range that is about to be reserved; reserving the new array is itself
// an insertion into `reserved`, which may be the array that is full; in scratch-only mode the array comes from scratch
// too. Upstream frees the old array before it reserves the new one, so that when `memory` and `reserved` are full at
// once both new arrays can get the same memory. Here the new array of `memory` is reserved first.
#include <algorithm>

#include "model/mm/memblock_internal.hpp"

namespace baton::memblock::internal {
namespace {

std::optional<PhysAddr> find_page_block(const Memblock& mb, u64 size, u64 start, u64 end) {
    const u32 flags = preferred_flags(mb);
    const Wish wish{.size = size, .align = shl(1, mb.page_shift), .start = start, .end = end, .flags = flags};
    auto found = find(mb, wish);
    if (!found && (flags & kMemblockMirror) != 0) {
        Wish anywhere = wish;
        anywhere.flags = kMemblockNone;
        found = find(mb, anywhere);
    }
    return found;
}

std::optional<PhysAddr> find_new_array(const Memblock& mb, const MemblockType& t, u64 bytes, PhysRange avoid) {
    if (&t != &mb.reserved) return find_page_block(mb, bytes, 0, mb.current_limit);
    auto found = find_page_block(mb, bytes, avoid.end().value, mb.current_limit);
    if (!found && avoid.start.value != 0)
        found = find_page_block(mb, bytes, 0, std::min(avoid.start.value, mb.current_limit));
    return found;
}

// Only what is in use is copied: the rest was never written, or is stale.
void move_entries(MemblockType& t, PhysAddr to) {
    const u64 used = t.cnt * sizeof(MemblockRegion);
    ram::copy(to, t.regions.phys(), used);
    ram::zero(to + used, 2 * t.max * sizeof(MemblockRegion) - used);
    t.regions = PhysPtr<MemblockRegion>(to);
    t.max *= 2;
    platform::charge(Work::kMemblockMoves, t.cnt);
}

}  // namespace

Status double_array(Memblock& mb, MemblockType& t, PhysRange avoid) {
    if (mb.can_resize == 0) platform::panic(Log::kPanicNoResize, t.max);
    const u64 page = shl(1, mb.page_shift);
    const PhysRange old{t.regions.phys(), align_up(t.max * sizeof(MemblockRegion), page)};
    const bool was_static = old.start == platform::virt_to_phys(t.initial);
    const u64 bytes = align_up(2 * t.max * sizeof(MemblockRegion), page);
    const auto found = find_new_array(mb, t, bytes, avoid);
    if (!found || 2 * t.max > kEntriesMax) {
        platform::log(LogLevel::kError, Log::kMemblockFull, 2 * t.max);
        return fail(Errno::kENOMEM);
    }
    const PhysRange block{*found, bytes};
    BATON_ASSERT(&t != &mb.reserved || !block.overlaps(avoid));
    if (&t == &mb.memory) {
        const Status reserved = reserve_kern(mb, block);
        if (!reserved) return reserved;
    }
    platform::own(block, Owner::kNobody, Owner::kKernel);
    move_entries(t, block.start);
    if (&t == &mb.reserved) {
        const Status reserved = reserve_kern(mb, block);  // cannot fail: there is room now
        BATON_ASSERT(reserved.has_value());
    }
    if (was_static) return {};
    // Failing to give the old array back loses its memory, nothing else.
    if (!release(mb, old)) BATON_WARN();
    platform::own(old, Owner::kKernel, Owner::kNobody);
    return {};
}

}  // namespace baton::memblock::internal
