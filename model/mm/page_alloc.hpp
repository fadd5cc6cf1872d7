// SPDX-License-Identifier: GPL-2.0-only
// struct page, the memory map, and the buddy allocator (specs/boot.md §8, §9; specs/memblock.md §5; decision D12).
//
// struct page is 64 bytes at Linux's field places in emulated RAM, and all-zero means "nothing was ever said about this
// page", so that memory nobody uses is never touched. What such a page is follows from elsewhere: free if a free block
// (or an untouched section) covers it, else as memmap initialisation leaves it in Linux: refcount 1, and Reserved
// unless memblock holds it NOINIT. model/mm/memmap.cpp explains. The full cost of initialising is charged when Linux
// would pay. Free-list order is our own and deterministic: last in, first out per (zone, order, migrate type).
#pragma once

#include "model/ram.hpp"
#include "model/types.hpp"

namespace baton {
struct Kernel;

/// 64 bytes, little-endian, Linux's offsets on 64-bit. Link fields hold pfn + 1 (0 = none), never virtual addresses.
struct Page {
    u64 flags;         // 0x00 PageFlag bits
    u64 next;          // 0x08 lru.next / compound head (bit 0 set = tail, then (head pfn << 1 | 1))
    u64 prev;          // 0x10
    u64 mapping;       // 0x18
    u64 index;         // 0x20
    u64 private_data;  // 0x28 buddy order; KHO stamp (kho.md §2.6)
    u32 page_type;     // 0x30 biased by one: 0 = idle (-1 in Linux)
    i32 refcount;      // 0x34 biased by one: 0 = nothing said; see page_refcount()
    u64 memcg;         // 0x38
};
static_assert(sizeof(Page) == 64);

enum PageFlag : u64 {
    kPgLocked = 1ull << 0,
    kPgUptodate = 1ull << 3,
    kPgDirty = 1ull << 4,
    kPgLru = 1ull << 5,
    kPgHead = 1ull << 6,
    kPgReserved = 1ull << 13,
    kPgPrivate = 1ull << 14,
    kPgSwapBacked = 1ull << 17,  // memory of userspace
    kPgBuddy = 1ull << 24,       // in Linux a page_type; free block of `private_data` order
};

enum class MigrateType : u8 { kUnmovable, kMovable, kReclaimable, kHighAtomic, kCma, kIsolate };
inline constexpr u32 kMigrateTypes = 6;
inline constexpr u32 kZones = 3;       // DMA, DMA32, Normal (AArch64: DMA, unused, Normal)
inline constexpr u32 kOrdersMax = 14;  // 0 … 13 (64K pages)

struct FreeArea {
    u64 head[kMigrateTypes];   // pfn + 1 of the first free block, 0 = none
    u64 count[kMigrateTypes];  // blocks on the list
};

struct Zone {
    Pfn start;
    Pfn end;             // exclusive; start == end: the zone does not exist
    Pfn first_deferred;  // until init_deferred: struct pages from here on are not initialised; `end` = all are
    u64 managed_pages;
    u64 free_pages;          // on the lists and in untouched sections
    u64 cma_free_pages;      // of these, on CMA lists
    u64 untouched_sections;  // free as a whole, movable, their blocks not yet on the lists
    u64 frontier;            // index one past the highest section that may be untouched
    FreeArea areas[kOrdersMax];
};

/// Page-allocator state in the Kernel object.
struct PageAllocator {
    Zone zones[kZones];
    PhysAddr sections;  // table of 32-byte MemSection, index = phys >> section_shift, less first_section
    u64 first_section;
    u64 section_count;
    u64 total_pages;  // pages of RAM known to the memmap
    u32 ready;        // free_all has run
    u32 padding;
};

enum class SectionState : u32 { kListed, kUntouched };

/// One memmap section (decision D12).
struct MemSection {
    PhysAddr memmap;      // pages-per-section struct pages; 0 = no memory here
    PhysAddr pageblocks;  // one MigrateType byte a pageblock, then one bit a memmap page: set once it was cleared
    i32 nid;
    SectionState state;
    u64 memmap_pages;  // memmap pages in use: how much of the memmap was ever touched
};
static_assert(sizeof(MemSection) == 32);

enum AllocFlag : u32 {
    kAllocMovable = 1,  // may use CMA, so may lie inside scratch
    kAllocZero = 2,
    kAllocDma = 4,       // zones DMA32 and DMA only
    kAllocCompound = 8,  // a folio: head and tails
    kAllocUser = 16,     // owned by userspace in the ownership map
};

namespace mm {

/// Allocates the section table and the memmap of every section from memblock, charges the memmap initialisation.
void init_memmap(Kernel& k);
/// memblock_free_all: hands every free range to the buddy allocator, marks reserved pages (those without NOINIT),
/// ends memblock's scratch-only mode (kho.md §3.8).
void free_all(Kernel& k);
/// Pageblocks of `range`, rounded outwards, become CMA. Before free_all (KHO boot) only the type is set (kho.md
/// §3.9.2); afterwards, with `release` (cold boot, kho_init), the reserved pages of `range` go from Owner::kScratch to
/// the CMA free lists (kho.md §3.1).
void set_cma(Kernel& k, PhysRange range, bool release);

/// 2^order pages aligned to their size; ENOMEM. Refcount 1 each, or compound with head refcount 1 and tails 0.
Result<PhysAddr> alloc_pages(Kernel& k, Order order, u32 flags);
/// Frees what alloc_pages gave (order as allocated), or a larger folio that KHO restored. Anything else (refcount not
/// 1, a tail, reserved, free already, not memory at all) is "bad page state": warned, logged, and the whole block
/// leaked.
void free_pages(Kernel& k, PhysAddr a, Order order);
/// A run of `pages` pages, physically contiguous, not compound; the tail of the power of two is freed again.
Result<PhysAddr> alloc_run(Kernel& k, u64 pages, u32 flags);
void free_run(Kernel& k, PhysAddr a, u64 pages);

/// The struct page of a frame; null when no section covers it (kho.md §3.10: "online page, otherwise NULL"). Looking
/// makes it real: its memmap page is cleared on first use, and a free page says so.
PhysPtr<Page> page_of(const Kernel& k, PhysAddr a);
/// Right for what page_of() returned. Setting a refcount makes an ordinary page of one that nothing was said about.
i32 page_refcount(const Page& p);
void set_page_refcount(Page& p, i32 count);
/// Who holds a page, as the allocator knows it: kFree, kKernel or kUser. A reserved page counts as the kernel's.
Owner page_owner(const Kernel& k, PhysAddr a);
/// Order of the compound page at its head, 0 for a single page.
Order folio_order(const Kernel& k, PhysAddr head);
/// Makes 2^order pages a folio: head flag, order in the second page, tails pointing to the head (specs/boot.md §8).
/// Refcounts stay as they are. Nothing to do for order 0.
void prep_compound(Kernel& k, PhysAddr head, Order order);
MigrateType pageblock_type(const Kernel& k, PhysAddr a);
/// What a page is, as PageStateFlag bits of model/command.hpp (Query::kPageState).
u64 page_state_flags(const Kernel& k, PhysAddr a);
/// managed_page_count += pages (kho.md §3.10.5).
void adjust_managed(Kernel& k, PhysAddr a, u64 pages);

struct MemoryCounts {
    u64 free_pages;
    u64 managed_pages;
    u64 cma_free_pages;
};
MemoryCounts counts(const Kernel& k);

/// Small objects: size classes 32 … 2048 bytes carved from single kernel pages, aligned to their class. Of the flags
/// kAllocZero and kAllocDma count. ENOMEM; EINVAL for 0 or more than 2048 bytes.
Result<PhysAddr> small_alloc(Kernel& k, u64 bytes, u32 flags);
void small_free(Kernel& k, PhysAddr a);

}  // namespace mm
}  // namespace baton
