// SPDX-License-Identifier: GPL-2.0-only
// memblock: what RAM there is and what of it is taken, before the page allocator exists (specs/memblock.md).
//
// Two sorted arrays of 24-byte regions in emulated RAM. Region 0 of an empty type is a dummy. The static arrays lie in
// the Kernel object; doubling moves an array to memory that memblock itself hands out. Flags and merge rules are
// mainline's (memblock.md §1, [ML]).
#pragma once

#include <optional>

#include "model/ram.hpp"
#include "model/types.hpp"

namespace baton {

enum MemblockFlag : u32 {
    kMemblockNone = 0,
    kMemblockHotplug = 0x1,
    kMemblockMirror = 0x2,
    kMemblockNomap = 0x4,
    kMemblockDriverManaged = 0x8,
    kMemblockReservedNoinit = 0x10,
    kMemblockReservedKern = 0x20,
    kMemblockKhoScratch = 0x40,
};

struct MemblockRegion {
    PhysAddr base;
    u64 size;
    u32 flags;
    i32 nid;
    constexpr PhysAddr end() const { return base + size; }
};
static_assert(sizeof(MemblockRegion) == 24);

inline constexpr u32 kMemblockInitRegions = 128;
inline constexpr u64 kMemblockAnywhere = ~u64{0};
inline constexpr u64 kMemblockAccessible = 0;  // as a limit: up to current_limit

struct MemblockType {
    u64 cnt;
    u64 max;
    u64 total_size;
    PhysPtr<MemblockRegion> regions;
    MemblockRegion initial[kMemblockInitRegions];
};

struct Memblock {
    u64 current_limit;
    u32 bottom_up;
    u32 can_resize;
    u32 scratch_only;  // allocate from KHO_SCRATCH regions only (kho.md §3.8)
    u32 movable_node;
    u32 has_mirror;
    u32 page_shift;
    MemblockType memory;
    MemblockType reserved;
};

/// One free range: memory minus reserved, inside one memory region.
struct FreeRange {
    PhysRange range;
    NodeId nid;
};

namespace memblock {

/// Empty types with the static arrays; `mb` must lie in emulated RAM.
void init(Memblock& mb, u32 page_shift);

// Sets. Errors: ENOMEM when an array cannot grow. Ranges are capped at 2^64 - 1 (memblock.md §2); size 0 is success.
Status add(Memblock& mb, PhysRange r, NodeId nid = kNoNode, u32 flags = kMemblockNone);
Status remove(Memblock& mb, PhysRange r);
Status reserve(Memblock& mb, PhysRange r, NodeId nid = kNoNode, u32 flags = kMemblockNone);
Status reserve_kern(Memblock& mb, PhysRange r);
Status release(Memblock& mb, PhysRange r);  // memblock_free
Status set_memory_flag(Memblock& mb, PhysRange r, u32 flag, bool on);
Status set_reserved_flag(Memblock& mb, PhysRange r, u32 flag, bool on);
Status set_node(Memblock& mb, MemblockType& type, PhysRange r, NodeId nid);
/// Drops partial pages at the ends of memory regions (memblock.md §2.4).
void trim_memory(Memblock& mb, u64 align);

// Queries.
const MemblockRegion& region(const MemblockType& type, u64 index);
std::optional<u64> search(const MemblockType& type, PhysAddr a);
bool is_memory(const Memblock& mb, PhysAddr a);
bool is_reserved(const Memblock& mb, PhysAddr a);
bool overlaps(const MemblockType& type, PhysRange r);
PhysAddr start_of_dram(const Memblock& mb);
PhysAddr end_of_dram(const Memblock& mb);
/// Sum of reserved regions flagged RSRV_KERN below `limit` (exclusive), on `nid` (kNoNode = all): kho.md §3.1.
u64 reserved_kern_size(const Memblock& mb, u64 limit, NodeId nid = kNoNode);

/// Finds and reserves (RSRV_KERN); `max` kMemblockAccessible = current_limit. Nothing when there is no room. With
/// `exact` false and a node given, falls back to any node (memblock.md §3.2). In scratch-only mode only scratch serves.
/// The memory is not cleared.
std::optional<PhysAddr> alloc(Memblock& mb, u64 size, u64 align, u64 min = 0, u64 max = kMemblockAccessible,
                              NodeId nid = kNoNode, bool exact = false);
/// The same, zeroed; a failure is a panic (kPanicEarlyAlloc).
PhysAddr alloc_or_panic(Memblock& mb, u64 size, u64 align, u64 min = 0, u64 max = kMemblockAccessible,
                        NodeId nid = kNoNode);

/// Double walk over memory minus reserved, ascending (memblock.md §3.4). Start with a default cursor; false at the end.
/// Changing the arrays invalidates the cursor. `flags` as in the filter of §3 (0 = no filter but NOMAP/driver rules).
struct FreeCursor {
    u64 memory_index = 0;
    u64 gap_index = 0;
};
bool next_free(const Memblock& mb, FreeCursor& cursor, FreeRange& out, NodeId nid = kNoNode, u32 flags = 0);
/// The same, descending; the cursor starts as `last_free_cursor(mb)`.
FreeCursor last_free_cursor(const Memblock& mb);
bool previous_free(const Memblock& mb, FreeCursor& cursor, FreeRange& out, NodeId nid = kNoNode, u32 flags = 0);

}  // namespace memblock
}  // namespace baton
