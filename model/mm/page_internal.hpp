// SPDX-License-Identifier: GPL-2.0-only
// What the files of the page allocator share: the memory map by pfn, and the free lists. Nobody else includes it.
#pragma once

#include "model/bits.hpp"
#include "model/kernel.hpp"

namespace baton::mm::internal {

// --- memory map (memmap.cpp) --------------------------------------------------------------------------------------

constexpr u64 pages_per_section(const Geometry& g) { return g.section_bytes() >> g.page_shift; }
constexpr u64 pageblock_pages(const Geometry& g) { return Order{g.pageblock_order}.pages(); }
constexpr u64 section_index(const Geometry& g, Pfn p) { return p.value >> (g.section_shift - g.page_shift); }

/// Pages of RAM inside a memblock region: partial pages at its ends do not count.
constexpr Pfn first_pfn(const Geometry& g, PhysRange r) { return g.pfn_of(align_up(r.start, g.page_size())); }
constexpr Pfn end_pfn(const Geometry& g, PhysRange r) { return g.pfn_of(r.end()); }

/// Null where there is no online memory.
const MemSection* section_of(const Kernel& k, Pfn p);
/// The entry of the section table, whatever its state; null outside of the table.
const MemSection* section_entry(const Kernel& k, Pfn p);
MemSection* claim_section(const Kernel& k, Pfn p);

/// The struct page as stored; all-zero where nothing was ever stored. Does not touch the memmap.
Page load_page(const Kernel& k, Pfn p);
/// Claims the struct pages of n pages, which must lie in one section; clears their memmap pages on first use.
Page* claim_pages(const Kernel& k, Pfn first, u64 n);

/// The struct pages of a run are again as memmap initialisation leaves them.
void forget_pages(Kernel& k, Pfn first, u64 n);

MigrateType type_of(const Kernel& k, Pfn p);
void set_type(const Kernel& k, Pfn p, MigrateType type);
/// Pages of the memmap of one section.
u64 memmap_run_pages(const Geometry& g);
/// The section as memmap initialisation leaves it, all movable, with its struct pages at `memmap`.
void reset_section(Kernel& k, Pfn p, PhysAddr memmap);
/// All pageblocks of a run inside one section, which begins with one, have the type.
bool is_all_of_type(const Kernel& k, Pfn first, u64 pages, MigrateType type);

/// Holder of a page that is not free.
constexpr Owner owner_of(const Page& p) { return (p.flags & kPgSwapBacked) != 0 ? Owner::kUser : Owner::kKernel; }
/// A free block or an untouched section covers the page.
bool is_free(const Kernel& k, Pfn p);
/// memblock holds the page NOINIT: it is not Reserved although nothing was said about it.
bool is_noinit(const Kernel& k, Pfn p);

constexpr u64 tail_link(Pfn head) { return head.value << 1 | 1; }
/// Pages on a list (free blocks, slabs) use the same word for a pfn.
constexpr bool is_tail(const Page& p) { return (p.next & 1) != 0 && (p.flags & kPgBuddy) == 0 && p.page_type == 0; }

// --- zones (zones.cpp) --------------------------------------------------------------------------------------------

/// Bit i = node i is online. Without NUMA there is one, number 0.
inline u64 online_nodes(const Kernel& k) { return k.numa.online != 0 ? k.numa.online : 1; }
/// Data of every node, from memblock, on the node itself if it has room.
void init_nodes(Kernel& k);
void init_zones(Kernel& k);
const Zone& zone_at(const Kernel& k, u32 node, u32 zone);
Zone& claim_zone(Kernel& k, u32 node, u32 zone);
Zone& zone_of(Kernel& k, Pfn p);
inline bool exists(const Zone& z) { return z.start != z.end; }
/// Every zone that exists, node by node: f(node, zone).
template <class F>
void each_zone(const Kernel& k, F&& f) {
    for (u32 node = 0; node < kNodesMax; ++node)
        for (u32 i = 0; (online_nodes(k) >> node & 1) != 0 && i < kZones; ++i)
            if (exists(zone_at(k, node, i))) f(node, zone_at(k, node, i));
}
/// The same, to be written.
template <class F>
void each_zone(Kernel& k, F&& f) {
    for (u32 node = 0; node < kNodesMax; ++node)
        for (u32 i = 0; (online_nodes(k) >> node & 1) != 0 && i < kZones; ++i)
            if (exists(zone_at(k, node, i))) f(node, claim_zone(k, node, i));
}
/// Its struct page waits for init_deferred().
inline bool is_deferred(Kernel& k, Pfn p) { return p >= zone_of(k, p).first_deferred && p < zone_of(k, p).end; }

// --- from memblock (free_all.cpp) ---------------------------------------------------------------------------------

/// Pages [start, end), which are free in memblock, become the page allocator's.
void release_pages(Kernel& k, Pfn start, Pfn end);

// --- free lists (buddy.cpp, fallback.cpp) ---------------------------------------------------------------------------

/// A free block as its head page says it: order in private_data.
inline bool is_free_head(const Page& p) { return (p.flags & kPgBuddy) != 0; }
/// Order of a free head. More than the allocator's largest is overwritten memory.
inline u32 free_order(const Geometry& g, const Page& head) {
    BATON_ASSERT(head.private_data <= g.max_order);
    return static_cast<u32>(head.private_data);
}

void push_block(Kernel& k, Zone& z, Pfn p, u32 order, MigrateType type);
void unlink_block(Kernel& k, Zone& z, Pfn p, u32 order, MigrateType type);
/// First block of a list. Where the list of largest movable blocks ends, an untouched section continues it.
std::optional<Pfn> first_block(Kernel& k, Zone& z, u32 order, MigrateType type);
/// Takes a block off its list and cuts it down to `order`: the lower half stays, upper halves go to the lists of
/// `type`.
Pfn take_and_split(Kernel& k, Zone& z, Pfn p, u32 have, u32 order, MigrateType listed, MigrateType type);

/// Puts a block of one type on the lists, merged with its free buddies. Struct pages of the interior are left alone.
void free_block(Kernel& k, Pfn p, u32 order);
/// The same for any run of pages, in the largest naturally aligned blocks.
void free_span(Kernel& k, Pfn start, u64 pages);
/// Largest order of a naturally aligned block at `p` that holds at most `pages` (not 0).
u32 largest_order(const Geometry& g, Pfn p, u64 pages);

/// Puts the blocks of an untouched section on the lists.
void list_section(Kernel& k, u64 index);
/// Gives a pageblock another type; its free blocks change lists.
void retype_pageblock(Kernel& k, Pfn p, MigrateType type);

/// A block for an allocation with these flags (fallback.cpp), or nothing.
std::optional<Pfn> take_block(Kernel& k, u32 order, u32 flags);

}  // namespace baton::mm::internal
