// SPDX-License-Identifier: GPL-2.0-only
// The end of memblock's time: what it tells the page allocator, and in which order (specs/memblock.md §5).
//
// Shared by mm::free_all and by whoever wants to see the calls. A visitor has
//
//   NodeId node_of(PhysAddr a)                    the node of a page that is reserved, but not in memory with a node
//   void mark_reserved(PhysRange r, NodeId nid)   the struct pages of r become Reserved, on that node
//   void give(PhysRange r)                        r is free; its whole pages belong to the page allocator
//
// and must not change memblock.
#pragma once

#include "model/mm/memblock.hpp"

namespace baton::memblock {

/// NOMAP memory is reserved as far as struct pages go; what is reserved gets the nodes of the memory below it. Growing
/// the array in between adds a reservation that may lie below, so all is done again.
template <class Visitor>
void carry_nodes(Memblock& mb, Visitor& visitor) {
    u64 max = 0;
    do {
        max = mb.reserved.max;
        for (u64 i = 0; i < mb.memory.cnt; ++i) {
            const MemblockRegion m = region(mb.memory, i);
            if ((m.flags & kMemblockNomap) != 0) visitor.mark_reserved({m.base, m.size}, {m.nid});
            (void)set_node(mb, mb.reserved, {m.base, m.size}, {m.nid});
        }
    } while (mb.reserved.max != max);
}

template <class Visitor>
void hand_over(Memblock& mb, Visitor&& visitor) {
    mb.scratch_only = 0;
    (void)set_memory_flag(mb, {{0}, ~u64{0}}, kMemblockHotplug, false);
    carry_nodes(mb, visitor);
    FreeCursor cursor;
    FreeRange r;
    for (u64 i = 0; next_range(mb, {.a = mb.reserved}, cursor, r); ++i)
        if ((region(mb.reserved, i).flags & kMemblockReservedUntouched) == 0)
            visitor.mark_reserved(r.range, is_node(r.nid) ? r.nid : visitor.node_of(r.range.start));
    cursor = {};
    while (next_free(mb, cursor, r)) visitor.give(r.range);
}

}  // namespace baton::memblock
