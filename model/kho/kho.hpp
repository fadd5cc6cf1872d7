// SPDX-License-Identifier: GPL-2.0-only
// Kexec HandOver, generations 6.16 to 7.1 (specs/kho.md): what a kernel keeps for its successor and how it finds it.
//
// Outgoing: scratch areas, a tracker of preserved blocks, a root FDT with one child a subsystem, finalise (until 7.0).
// Incoming: populate (early), scratch-only memblock, deserialise, restore. State lives in the Kernel object.
#pragma once

#include <string_view>

#include "model/kho/abi.hpp"
#include "model/ram.hpp"
#include "model/types.hpp"

namespace baton {
struct Kernel;
struct KernelConfig;

inline constexpr u32 kKhoOrders = 53;  // 64 - 12 + 1: any order a 64-bit address allows
inline constexpr u32 kReserveMemMax = 8;
inline constexpr u32 kReserveMemNameMax = 16;  // with NUL
inline constexpr u32 kSubtreesMax = 128;       // more than a root FDT page holds, whatever their names

/// The tracker (tracker.hpp). Bitmaps are found by trees that are no ABI, one an order; the radix tree is itself ABI.
struct KhoTracker {
    PhysAddr root[kKhoOrders];  // kBitmaps: top node, 0 = nothing of this order was ever preserved
    u32 height[kKhoOrders];     // kBitmaps: levels of nodes above the bitmaps
    u32 padding;
    PhysAddr radix_root;  // kRadix: fixed from kho_init on
    u64 blocks;           // bits set
    u64 pages;            // pages they cover
};

/// What the boot protocol handed over; all zero on a cold boot or after a reject.
struct KhoIncoming {
    PhysAddr fdt;
    u64 fdt_size;
    PhysAddr scratch;
    u64 scratch_bytes;
};

struct KhoSubtree {
    char name[32];
    PhysAddr blob;
};

/// A vmalloc area this kernel hands over by name (vmalloc.hpp).
struct VmallocBlob {
    char name[32];
    PhysAddr page;  // begins with the descriptor; 0 = unused
};
inline constexpr u32 kVmallocBlobsMax = 8;

struct KhoState {
    u32 enabled;      // kho= and everything needed for the outgoing side worked
    u32 is_kho_boot;  // an incoming handover was accepted, and its tracker could be read
    u32 finalised;    // OutgoingKind::kSerialised: at least once
    u32 scratch_inherited;
    u32 scale_percent;  // kho_scratch=N%; 0 = explicit sizes
    u32 kexec_count;    // kexecs before this kernel, where the handover tells (§2.10)
    u64 explicit_low;
    u64 explicit_global;
    u64 explicit_node;
    KhoIncoming incoming;
    PhysAddr fdt;      // outgoing root FDT page
    PhysAddr scratch;  // live descriptor array
    u64 scratch_count;
    PhysAddr first_chunk;    // after finalise; 0 = none
    PhysAddr metadata_blob;  // `kexec-metadata` page, 0 = none
    KhoTracker tracker;
    u32 subtree_count;
    u32 padding;
    VmallocBlob vmalloc_blobs[kVmallocBlobsMax];
    KhoSubtree subtrees[kSubtreesMax];  // OutgoingKind::kFinalised: in order of addition
};

struct ReserveMemEntry {
    char name[kReserveMemNameMax];
    PhysAddr start;
    u64 size;
    u64 align;
    u32 revived;
    u32 padding;
};
struct ReserveMem {
    u32 count;
    u32 padding;
    PhysAddr blob;  // outgoing FDT page, 0 = none; not 0: blob and regions are preserved
    ReserveMemEntry entries[kReserveMemMax];
};

namespace kho {

// --- boot, in the order a kernel calls them -----------------------------------------------------------------------

/// Checks and adopts what the boot protocol handed over: scratch areas become memblock memory flagged KHO_SCRATCH, the
/// array is reserved, memblock goes scratch-only (kho.md §3.7). A reject logs why and leaves a cold boot. Does not look
/// at kho= (§1.2). RAM is known from memblock, from boot.memory_map, or not at all: then the addresses are tried.
void populate(Kernel& k, const KhoIncoming& incoming);
/// Whether this kernel has KHO at all: not with deferred struct pages, unless it can live with them (B03).
bool is_built(const KernelConfig& config);
/// kho= and kho_scratch= (kho.md §2.12); the generation's parser quirks apply.
void parse_early_options(Kernel& k, std::string_view command_line);
/// Inside mm set-up, before free_all: cold boot reserves scratch (§3.1), KHO boot releases it and deserialises (§3.9).
void memory_init(Kernel& k);
/// Initcall: root FDT page, scratch to CMA (§1.2). Disables KHO on failure.
void init(Kernel& k);

// --- outgoing (§3.2, §3.4) ------------------------------------------------------------------------------------------

/// EBUSY once finalised, ENOMEM, EINVAL inside scratch with kOptionKhoDebug, EOPNOTSUPP when disabled; EINVAL for what
/// is not page aligned, not memory, or (folio) not a head. Preserving twice is preserving once. Unpreserving what was
/// not preserved warns and succeeds.
Status preserve_folio(Kernel& k, PhysAddr folio);
Status preserve_pages(Kernel& k, PhysAddr start, u64 pages);
Status unpreserve_folio(Kernel& k, PhysAddr folio);
Status unpreserve_pages(Kernel& k, PhysAddr start, u64 pages);
/// The split of a run into blocks (§3.2): order = min(ctz(pfn), floor_log2(pages left)).
Order block_order(Pfn pfn, u64 pages_left);
/// What a subtree names. The size is told to the next kernel from kho-v3 on; before, it is not used and comes back as
/// 0.
struct Blob {
    PhysAddr phys;
    u64 bytes;
};
/// A child of the root FDT: EEXIST, ENOMEM (no room in the page; until 6.18 also a name longer than 31), EINVAL (empty,
/// or not a node name), EBUSY, EOPNOTSUPP. Until 6.18 it is written by finalise, from 7.0 on at once. The blob's memory
/// is not preserved by this.
Status add_subtree(Kernel& k, std::string_view name, const Blob& blob);
/// Takes back the subtree with this blob; no such subtree is no error (§2.1). Until 6.18 only for the kernel's own
/// users.
void remove_subtree(Kernel& k, PhysAddr blob);
/// Until 6.18: EEXIST when finalised already; EOPNOTSUPP; ENOMEM (also: the root FDT page is full). An error also
/// aborts. 7.0: serialises, again whenever asked; on ENOMEM the last result stays. 7.1: EOPNOTSUPP.
Status finalise(Kernel& k);
/// Takes finalise back, and with B16 every preservation. Subtrees stay, except the one of reserve_mem, which every
/// finalise adds. ENOENT when not finalised; EOPNOTSUPP when disabled, and from 7.0 on.
Status abort(Kernel& k);
/// The addresses a kexec image passes on, or zeros (§3.5: fill).
struct Fill {
    PhysAddr fdt;
    PhysAddr scratch;
    u64 scratch_bytes;
};
Fill fill(const Kernel& k);
/// Scratch area `index`, from the live array.
ScratchArea scratch_area(const Kernel& k, u64 index);
bool in_scratch(const Kernel& k, PhysRange r);

// --- incoming (§3.10) -----------------------------------------------------------------------------------------------

/// A subtree's blob: ENOENT, EINVAL (§2.1).
Result<Blob> retrieve_subtree(const Kernel& k, std::string_view name);
/// Hands a preserved block back as a folio; its order. EINVAL: not preserved (or restored already), or its order is
/// refused.
Result<Order> restore_folio(Kernel& k, PhysAddr a);
/// Hands a run back as single pages (§3.10). EINVAL at the first block that was not preserved.
Status restore_pages(Kernel& k, PhysAddr start, u64 pages);
struct Block {
    PhysAddr phys;
    Order order;
    constexpr bool operator==(const Block&) const = default;
};
/// Walks the incoming tracker in its own order: block `index`; ENOENT past the end, EFAULT when the walk is broken. The
/// tracker's pages are free memory once boot is over (§2.2): what this returns is right until they are used again.
Result<Block> incoming_block(const Kernel& k, u64 index);

}  // namespace kho

namespace reserve_mem {
/// Every reserve_mem= of the command line: revived from the handover, or allocated (kho.md §3.12; memblock.md §6).
/// Runs when memblock serves (after paging, before memory_init).
void parse_options(Kernel& k, std::string_view command_line);
/// late_initcall: offers the regions, in generations that do not do so inside finalise (kho.md §3.12).
void init(Kernel& k);
/// Builds the `memblock` blob, preserves it and every region, adds the subtree. EINVAL for a region that is not whole
/// pages; else the errors of what it calls. A failure is logged and leaves nothing behind.
Status offer(Kernel& k);
/// Takes the offer back, if there is one.
void withdraw(Kernel& k);
/// The same when the tracker was emptied before (B16): only subtree and blob go.
void drop_blob(Kernel& k);
const ReserveMemEntry* find(const Kernel& k, std::string_view name);
}  // namespace reserve_mem

}  // namespace baton
