// SPDX-License-Identifier: GPL-2.0-only
// Doubling a region array with memory from memblock itself (specs/memblock.md §2.5).
//
// In Linux's order: find, move, free the old array, reserve the new one. Two traps follow, and are kept. Freeing the
// old array of `memory` before the new one is reserved can double `reserved`, which then finds the very same place. And
// the second search, below the range to avoid, ends at that range's start: if this is 0 (or 1), the bound means "up
// to the limit", and the new array can land on what is being reserved. In scratch-only mode the array comes from
// scratch too.
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
    if (&t != &mb.reserved) avoid = {};
    auto found = find_page_block(mb, bytes, avoid.end().value, mb.current_limit);
    if (!found && !avoid.empty()) found = find_page_block(mb, bytes, 0, std::min(avoid.start.value, mb.current_limit));
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

/// In Memblock::arrays_in_slab.
u32 slab_bit(const Memblock& mb, const MemblockType& t) {
    if (&t == &mb.memory) return 1;
    return &t == &mb.reserved ? 2 : 4;
}

bool is_static(const Memblock& mb, PhysAddr array) {
    for (const MemblockRegion* initial : {mb.memory_initial, mb.reserved_initial, mb.physmem_initial})
        if (array == platform::virt_to_phys(initial)) return true;
    return false;
}

}  // namespace

Status double_array(Memblock& mb, MemblockType& t, PhysRange avoid) {
    if (mb.can_resize == 0) platform::panic(Log::kPanicNoResize, t.max);
    const u64 page = shl(1, mb.page_shift);
    const PhysRange old{t.regions.phys(), align_up(t.max * sizeof(MemblockRegion), page)};
    const u64 bytes = align_up(2 * t.max * sizeof(MemblockRegion), page);
    const bool late = mb.slab_ready != 0;
    const bool too_many = 2 * t.max > kEntriesMax;
    std::optional<PhysAddr> found;
    if (!too_many) found = late ? late_array(mb, bytes) : find_new_array(mb, t, bytes, avoid);
    if (!found) {
        platform::log(LogLevel::kError, Log::kMemblockFull, 2 * t.max);
        return fail(Errno::kENOMEM);
    }
    const PhysRange block{*found, bytes};
    if (late) {
        const u32 bit = slab_bit(mb, t);
        const bool was_late = (mb.arrays_in_slab & bit) != 0;
        move_entries(t, block.start);
        mb.arrays_in_slab |= bit;
        if (!is_static(mb, old.start)) release_late_array(mb, old, was_late);
        return {};
    }
    platform::own(block, Owner::kNobody, Owner::kKernel);
    move_entries(t, block.start);
    if (!is_static(mb, old.start)) {
        // Failing to give the old array back loses its memory, nothing else.
        (void)release(mb, old);
        platform::own(old, Owner::kKernel, Owner::kNobody);
    }
    // An array in use that is not reserved will be handed out: Linux dies here (BUG) rather than go on.
    const Status reserved = reserve_kern(mb, block);
    BATON_ASSERT(reserved.has_value());
    return {};
}

}  // namespace baton::memblock::internal
