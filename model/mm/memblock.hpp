// SPDX-License-Identifier: GPL-2.0-only
// memblock: what RAM there is and what of it is taken, before the page allocator exists (specs/memblock.md).
//
// Two sorted arrays of 24-byte regions in emulated RAM (three, with `physmem`). Region 0 of an empty type is a dummy.
// The static arrays lie in the Kernel object; doubling moves an array to memory that memblock itself hands out. What
// 6.12 and mainline do differently is MemblockRules. Results are Linux's on every operation, its traps included
// (docs/memblock.md lists them); only the look-ups are faster, and the ledger is charged what Linux's scans cost.
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
    kMemblockReservedPreserved = 0x80,  // PRSRV of the kstate RFC, on a free bit: its own is RSRV_KERN's (§1)
};

/// Reserved regions whose struct pages the reserved pass leaves as they are.
inline constexpr u32 kMemblockReservedUntouched = kMemblockReservedNoinit | kMemblockReservedPreserved;

struct MemblockRegion {
    PhysAddr base;
    u64 size;
    u32 flags;
    i32 nid;
    constexpr PhysAddr end() const { return base + size; }
};
static_assert(sizeof(MemblockRegion) == 24);

inline constexpr u32 kMemblockInitRegions = 128;
inline constexpr u32 kMemblockInitPhysmem = 4;
inline constexpr u64 kMemblockAnywhere = ~u64{0};
inline constexpr u64 kMemblockAccessible = 0;   // as a limit: up to current_limit
inline constexpr u64 kMemblockNoLeakTrace = 1;  // the same; kmemleak does not exist here
/// Nodes are 0 … kMemblockNodesMax - 1; any other number is "no node" to every operation, but is stored as given.
/// Plain `add` and `reserve` store kNoNode where Linux stores MAX_NUMNODES.
inline constexpr i32 kMemblockNodesMax = kNodesMax;

struct MemblockType {
    u64 cnt;
    u64 max;
    u64 total_size;  // sum of sizes; trim_memory leaves it alone (§2.4, §8.3)
    PhysPtr<MemblockRegion> regions;
};

/// Which kernel's memblock this is; rules_for() says what that changes.
enum class MemblockVersion : u32 { kMainline, k6_12 };

struct MemblockRules {
    bool alloc_marks_kern;        // what is allocated is reserved with RSRV_KERN, arrays included
    bool alloc_stores_node;       // … and with the node asked for, if it was found there
    bool plain_overlap_is_quiet;  // adding with no flags over a region that has some is no warning
    bool overlap_compares_node;   // adding over a region of another node is a warning
};

struct Memblock {
    u64 current_limit;
    MemblockVersion version;
    u32 bottom_up;
    u32 can_resize;
    u32 scratch_only;  // allocate from KHO_SCRATCH regions only (kho.md §3.8)
    u32 movable_node;
    u32 mirrored_kernelcore;  // kernelcore=mirror was given; without it mark_mirror does nothing
    u32 has_mirror;
    u32 page_shift;
    u32 slab_ready;      // the page allocator is up: arrays grow into its pages, not into memblock's
    u32 arrays_in_slab;  // bit 0 memory, 1 reserved, 2 physmem
    MemblockType memory;
    MemblockType reserved;
    MemblockType physmem;  // only some architectures fill it; no operation but the walk looks at it
    MemblockRegion memory_initial[kMemblockInitRegions];
    MemblockRegion reserved_initial[kMemblockInitRegions];
    MemblockRegion physmem_initial[kMemblockInitPhysmem];
};

/// A part of one region; of memory minus reserved, for most walks.
struct FreeRange {
    PhysRange range;
    NodeId nid;
};
struct PfnRange {
    Pfn start;
    Pfn end;
    NodeId nid;
};

namespace memblock {

const MemblockRules& rules_for(MemblockVersion version);
constexpr bool is_node(NodeId nid) { return nid.value >= 0 && nid.value < kMemblockNodesMax; }

/// Empty types with the static arrays; `mb` must lie in emulated RAM.
void init(Memblock& mb, u32 page_shift, MemblockVersion version = MemblockVersion::kMainline);

// Sets. Errors: ENOMEM when an array cannot grow; covered bytes are then as before. Ranges are capped at 2^64 - 1 (§2);
// size 0 is success. A full array while `can_resize` is 0 is a panic (kPanicNoResize).
Status add(Memblock& mb, PhysRange r, NodeId nid = kNoNode, u32 flags = kMemblockNone);
Status remove(Memblock& mb, PhysRange r);
Status reserve(Memblock& mb, PhysRange r, NodeId nid = kNoNode, u32 flags = kMemblockNone);
/// For the kernel's own use: flagged RSRV_KERN where the version does that.
Status reserve_kern(Memblock& mb, PhysRange r, NodeId nid = kNoNode);
Status release(Memblock& mb, PhysRange r);  // memblock_phys_free
Status physmem_add(Memblock& mb, PhysRange r);
Status set_memory_flag(Memblock& mb, PhysRange r, u32 flag, bool on);
Status set_reserved_flag(Memblock& mb, PhysRange r, u32 flag, bool on);
/// Nothing happens without mirrored_kernelcore.
Status mark_mirror(Memblock& mb, PhysRange r);
Status set_node(Memblock& mb, MemblockType& type, PhysRange r, NodeId nid);

// Limits (memblock_limit.cpp).
/// Drops partial pages at the ends of memory regions; `align` is a power of two. total_size is not updated for a region
/// that only shrinks.
void trim_memory(Memblock& mb, u64 align);
/// Keeps the lowest `bytes` of memory (mem=) and what is reserved below that point; 0 and too much change nothing.
void enforce_memory_limit(Memblock& mb, u64 bytes);
/// Keeps memory and reservations inside `r`, and NOMAP memory anywhere (crash kernels, usable-memory-range).
void cap_memory_range(Memblock& mb, PhysRange r);
/// As enforce_memory_limit, but NOMAP memory stays.
void limit_memory_keep_nomap(Memblock& mb, u64 bytes);

// Queries (memblock_query.cpp).
const MemblockRegion& region(const MemblockType& type, u64 index);
/// Index of the region that holds `a`.
std::optional<u64> search(const MemblockType& type, PhysAddr a);
bool is_memory(const Memblock& mb, PhysAddr a);
bool is_reserved(const Memblock& mb, PhysAddr a);
bool is_map_memory(const Memblock& mb, PhysAddr a);  // memory and not NOMAP
/// One region covers all of `r`: two touching ones of different flags do not.
bool is_region_memory(const Memblock& mb, PhysRange r);
bool is_region_reserved(const Memblock& mb, PhysRange r);  // any overlap
bool overlaps(const MemblockType& type, PhysRange r);
PhysAddr start_of_dram(const Memblock& mb);
PhysAddr end_of_dram(const Memblock& mb);
/// Sum of reserved regions flagged RSRV_KERN below `limit` (exclusive), on `nid` (kNoNode = all): kho.md §3.1.
u64 reserved_kern_size(const Memblock& mb, u64 limit, NodeId nid = kNoNode);

// Allocation (memblock_alloc.cpp). Reserves what it finds; the memory is not cleared unless said. Nothing when there is
// no room. Without `exact` a node is a wish (§3.2). In scratch-only mode only scratch serves. Alignment 0 is warned
// about and means a cache line; others must be powers of two.
/// Both bounds are hard. `end` kMemblockAccessible = current_limit, which a larger `end` overrides.
std::optional<PhysAddr> phys_alloc_range(Memblock& mb, u64 size, u64 align, u64 start, u64 end, NodeId nid = kNoNode,
                                         bool exact = false);
/// `max` is hard and at most current_limit; `min` is a wish.
std::optional<PhysAddr> alloc(Memblock& mb, u64 size, u64 align, u64 min = 0, u64 max = kMemblockAccessible,
                              NodeId nid = kNoNode, bool exact = false);
/// The same, zeroed; a failure is a panic (kPanicEarlyAlloc).
PhysAddr alloc_or_panic(Memblock& mb, u64 size, u64 align, u64 min = 0, u64 max = kMemblockAccessible,
                        NodeId nid = kNoNode);

/// The double walk: the parts of `a` that no region of `b` covers (all of `a` without one), false at the end (§3.4).
/// Between touching regions of `b` lies an empty range, which is yielded. `nid` and `flags` filter only if `a` is
/// memory (§3): NOMAP, DRIVER_MANAGED and, with movable_node, HOTPLUG regions are passed over unless asked for; asking
/// for MIRROR or KHO_SCRATCH passes over the others.
struct Walk {
    const MemblockType& a;
    const MemblockType* b = nullptr;
    NodeId nid = kNoNode;
    u32 flags = 0;
};
/// Where a walk stands; {} starts one in either direction, and another walk needs another. Changing an array
/// invalidates cursors. What was looked at is charged every 64 entries and at the end: a walk that is given up owes up
/// to 63.
struct FreeCursor {
    const MemblockRegion* a = nullptr;  // the arrays, once the walk has begun
    const MemblockRegion* b = nullptr;
    u64 a_count = 0;
    u64 b_count = 0;
    u64 a_left = 0;  // regions still to come, the present one included
    u64 b_left = 0;  // gaps still to come, likewise
    u64 charged = 0;
};
bool next_range(const Memblock& mb, const Walk& walk, FreeCursor& cursor, FreeRange& out);
/// Descending.
bool previous_range(const Memblock& mb, const Walk& walk, FreeCursor& cursor, FreeRange& out);

// The usual walks. All mapped memory: {.a = mb.memory, .flags = kMemblockMapped}.
inline constexpr u32 kMemblockMapped = kMemblockHotplug | kMemblockDriverManaged;
bool next_free(const Memblock& mb, FreeCursor& cursor, FreeRange& out, NodeId nid = kNoNode, u32 flags = 0);
bool previous_free(const Memblock& mb, FreeCursor& cursor, FreeRange& out, NodeId nid = kNoNode, u32 flags = 0);
/// Whole pages of memory regions, of any flags; those without one are passed over. `index` starts at 0.
bool next_pfn_range(const Memblock& mb, u64& index, PfnRange& out, NodeId nid = kNoNode);
/// Whole free pages of a zone [zone.start, zone.end) on node zone.nid: what deferred initialisation walks.
bool next_free_in_zone(const Memblock& mb, FreeCursor& cursor, const PfnRange& zone, PfnRange& out);

}  // namespace memblock
}  // namespace baton
