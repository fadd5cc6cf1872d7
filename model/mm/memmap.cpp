// SPDX-License-Identifier: GPL-2.0-only
// The memory map: a struct page for every page of RAM, of which only those exist that somebody has used (decision D12).
//
// A section (128 MiB; 512 MiB with 64K pages) has its memmap's address range allocated from memblock at boot, so early
// allocation is under the pressure it is under in Linux; the memory itself stays as it was found, garbage included. One
// bit a memmap page says whether it was cleared; it is when one of its struct pages is first needed. These bits and the
// pageblock types lie behind the section table: 160 bytes a section in all with 4K pages.
//
// What a page is, in order of precedence:
//   1. in an untouched section, or covered by the head of a free block (flags has kPgBuddy, private_data its order):
//      free, refcount 0. Interior pages of a free block are not marked at boot; they are found by looking for a head.
//   2. stored refcount not 0: the refcount is one less. Allocated, restored, tail, or freed and inside a free block.
//   3. all-zero: as memmap initialisation leaves it: refcount 1, Reserved. Kernel image, memmap, firmware, holes. Not
//      Reserved if memblock holds it NOINIT: preserved memory (kho.md §3.9.3), whose head page has the stamp in
//      private_data and is otherwise zero.
// The order of a folio is in the low 8 bits of its second page's flags, as in Linux, so flags of tails are not flags.
#include <algorithm>

#include "model/mm/deferred.hpp"
#include "model/mm/early_alloc.hpp"
#include "model/mm/page_internal.hpp"

namespace baton::mm {

using namespace internal;

namespace {

u64 pageblocks_per_section(const Geometry& g) { return pages_per_section(g) >> g.pageblock_order; }
u64 memmap_bytes(const Geometry& g) { return pages_per_section(g) * sizeof(Page); }
u64 memmap_pages(const Geometry& g) { return div_round_up(memmap_bytes(g), g.page_size()); }
u64 metadata_bytes(const Geometry& g) {
    return align_up(pageblocks_per_section(g) + div_round_up(memmap_pages(g), 8), 8);
}
Pfn first_of_section(const Geometry& g, u64 index) { return {index << (g.section_shift - g.page_shift)}; }
u64 index_in_section(const Geometry& g, Pfn p) { return p.value & (pages_per_section(g) - 1); }

PhysAddr cleared_byte(const Geometry& g, const MemSection& s, u64 memmap_page) {
    return s.pageblocks + pageblocks_per_section(g) + memmap_page / 8;
}
bool is_cleared(const Geometry& g, const MemSection& s, u64 memmap_page) {
    return (*ram::read<u8>(cleared_byte(g, s, memmap_page)) >> (memmap_page % 8) & 1) != 0;
}

PhysAddr type_byte(const Geometry& g, const MemSection& s, Pfn p) {
    return s.pageblocks + (index_in_section(g, p) >> g.pageblock_order);
}

// Clears the memmap pages that hold struct pages [index, index + n) and were never used.
void materialise(const Kernel& k, Pfn p, const MemSection& s, u64 n) {
    const Geometry& g = geometry(k);
    const u64 first = index_in_section(g, p) * sizeof(Page);
    const u64 last = (first + n * sizeof(Page) - 1) >> g.page_shift;
    u64 added = 0;
    for (u64 i = first >> g.page_shift; i <= last; ++i) {
        if (is_cleared(g, s, i)) continue;
        ram::zero(s.memmap + (i << g.page_shift), g.page_size());
        *ram::write<u8>(cleared_byte(g, s, i)) |= static_cast<u8>(1u << (i % 8));
        ++added;
    }
    if (added != 0) claim_section(k, p)->memmap_pages += added;
}

// Whole pages: memory is owned by the frame.
PhysAddr alloc_early(Kernel& k, AllocSite site, u64 size, NodeId nid) {
    const u64 page = geometry(k).page_size();
    const EarlyRequest request{.size = align_up(size, page), .align = page, .nid = nid};
    const auto found = early_alloc(k, site, request);
    if (!found) early_alloc_panic(k, request);
    platform::own({*found, request.size}, Owner::kNobody, Owner::kKernel);
    return *found;
}

// Every pageblock starts movable, whatever part of it is memory.
void add_section(Kernel& k, u64 index, NodeId nid) {
    const Geometry& g = geometry(k);
    const u64 i = index - k.pages.first_section;
    const u64 blocks = pageblocks_per_section(g);
    const PhysAddr metadata = k.pages.sections + k.pages.section_count * sizeof(MemSection) + i * metadata_bytes(g);
    std::memset(ram::write<u8>(metadata, blocks), static_cast<int>(MigrateType::kMovable), blocks);
    const PhysAddr memmap = alloc_early(k, AllocSite::kBootMemmap, memmap_bytes(g), nid);
    *ram::write<MemSection>(k.pages.sections + i * sizeof(MemSection)) = {.memmap = memmap,
                                                                          .pageblocks = metadata,
                                                                          .nid = std::max(nid.value, 0),
                                                                          .state = SectionState::kListed,
                                                                          .memmap_pages = 0};
    if (!is_deferred(k, first_of_section(g, index))) platform::charge(Work::kStructPages, pages_per_section(g));
}

// A section that two nodes share has its memmap on the first one's memory.
void enter_section(Kernel& k, u64 index, NodeId nid) {
    const Geometry& g = geometry(k);
    const Pfn start{index << (g.section_shift - g.page_shift)};
    const MemSection* s = section_of(k, start);
    if (s == nullptr) return add_section(k, index, nid);
    if (k.numa.online != 0 && s->nid != nid.value) claim_section(k, start)->nid = kMixedNode;
}

void alloc_section_table(Kernel& k) {
    const Geometry& g = geometry(k);
    const Memblock& mb = k.memblock;
    BATON_ASSERT(mb.memory.cnt != 0);
    const PhysAddr last = memblock::end_of_dram(mb) - 1;
    k.pages.first_section = section_index(g, g.pfn_of(memblock::start_of_dram(mb)));
    k.pages.section_count = section_index(g, g.pfn_of(last)) - k.pages.first_section + 1;
    const u64 bytes = k.pages.section_count * (sizeof(MemSection) + metadata_bytes(g));
    k.pages.sections = alloc_early(k, AllocSite::kBootSections, bytes, kNoNode);
    ram::zero(k.pages.sections, bytes);
}

}  // namespace

const MemSection* internal::section_entry(const Kernel& k, Pfn p) {
    const u64 i = section_index(geometry(k), p) - k.pages.first_section;
    if (i >= k.pages.section_count) return nullptr;
    return ram::read<MemSection>(k.pages.sections + i * sizeof(MemSection));
}

const MemSection* internal::section_of(const Kernel& k, Pfn p) {
    const MemSection* s = section_entry(k, p);
    return s != nullptr && s->memmap.value != 0 && s->state < SectionState::kOffline ? s : nullptr;
}

MemSection* internal::claim_section(const Kernel& k, Pfn p) {
    const u64 i = section_index(geometry(k), p) - k.pages.first_section;
    BATON_ASSERT(i < k.pages.section_count);
    return ram::write<MemSection>(k.pages.sections + i * sizeof(MemSection));
}

u64 internal::memmap_run_pages(const Geometry& g) { return memmap_pages(g); }

void internal::reset_section(Kernel& k, Pfn p, PhysAddr memmap) {
    const Geometry& g = geometry(k);
    MemSection& s = *claim_section(k, p);
    s.memmap = memmap;
    s.memmap_pages = 0;
    const u64 blocks = pageblocks_per_section(g);
    std::memset(ram::write<u8>(s.pageblocks, blocks), static_cast<int>(MigrateType::kMovable), blocks);
    ram::zero(s.pageblocks + blocks, metadata_bytes(g) - blocks);
}

Page internal::load_page(const Kernel& k, Pfn p) {
    const Geometry& g = geometry(k);
    const MemSection* s = section_of(k, p);
    if (s == nullptr) return {};
    const u64 offset = index_in_section(g, p) * sizeof(Page);
    if (!is_cleared(g, *s, offset >> g.page_shift)) return {};
    return *ram::read<Page>(s->memmap + offset);
}

Page* internal::claim_pages(const Kernel& k, Pfn first, u64 n) {
    const Geometry& g = geometry(k);
    const MemSection* s = section_of(k, first);
    const u64 index = index_in_section(g, first);
    BATON_ASSERT(s != nullptr && n != 0 && n <= pages_per_section(g) - index);
    materialise(k, first, *s, n);
    return ram::write<Page>(s->memmap + index * sizeof(Page), n);
}

void internal::forget_pages(Kernel& k, Pfn first, u64 n) {
    const Geometry& g = geometry(k);
    const u64 per_page = g.page_size() / sizeof(Page);
    for (u64 i = 0; i < n;) {
        const Pfn p = first + i;
        const u64 run = std::min(n - i, per_page - (p.value & (per_page - 1)));
        const MemSection* s = section_of(k, p);
        const u64 offset = index_in_section(g, p) * sizeof(Page);
        platform::charge(Work::kStructPages, run);
        if (s != nullptr && is_cleared(g, *s, offset >> g.page_shift))
            ram::zero(s->memmap + offset, run * sizeof(Page));
        i += run;
    }
}

MigrateType internal::type_of(const Kernel& k, Pfn p) {
    const MemSection* s = section_of(k, p);
    BATON_ASSERT(s != nullptr);
    const u8 type = *ram::read<u8>(type_byte(geometry(k), *s, p));
    BATON_ASSERT(type < kMigrateTypes);
    return static_cast<MigrateType>(type);
}

void internal::set_type(const Kernel& k, Pfn p, MigrateType type) {
    const MemSection* s = section_of(k, p);
    BATON_ASSERT(s != nullptr);
    *ram::write<u8>(type_byte(geometry(k), *s, p)) = static_cast<u8>(type);
}

bool internal::is_all_of_type(const Kernel& k, Pfn first, u64 pages, MigrateType type) {
    const Geometry& g = geometry(k);
    const MemSection* s = section_of(k, first);
    BATON_ASSERT(s != nullptr && pages <= pages_per_section(g) - index_in_section(g, first));
    const u64 blocks = div_round_up(pages, pageblock_pages(g));
    const u8* types = ram::read<u8>(type_byte(g, *s, first), blocks);
    return std::all_of(types, types + blocks, [type](u8 t) { return t == static_cast<u8>(type); });
}

bool internal::is_free(const Kernel& k, Pfn p) {
    const Geometry& g = geometry(k);
    const MemSection* s = section_of(k, p);
    if (s == nullptr) return false;
    if (s->state == SectionState::kUntouched) return true;
    for (u32 order = 0; order <= g.max_order; ++order) {
        const Page head = load_page(k, {align_down(p.value, Order{order}.pages())});
        if (is_free_head(head) && free_order(g, head) >= order) return true;
    }
    return false;
}

bool internal::is_noinit(const Kernel& k, Pfn p) {
    const MemblockType& reserved = k.memblock.reserved;
    const auto i = memblock::search(reserved, geometry(k).phys_of(p));
    return i && (memblock::region(reserved, *i).flags & kMemblockReservedUntouched) != 0;
}

void init_memmap(Kernel& k) {
    const Geometry& g = geometry(k);
    const MemblockType& memory = k.memblock.memory;
    init_nodes(k);
    alloc_section_table(k);
    k.pages.total_pages = 0;
    init_zones(k);
    defer_zones(k);
    // Allocating changes `reserved` only: indices into `memory` stay good.
    for (u64 i = 0; i < memory.cnt; ++i) {
        const MemblockRegion r = memblock::region(memory, i);
        const PhysRange range{r.base, r.size};
        const u64 last = section_index(g, g.pfn_of(r.end() - 1));
        for (u64 s = section_index(g, g.pfn_of(r.base)); s <= last; ++s) {
            enter_section(k, s, {r.nid});
        }
        if (first_pfn(g, range) < end_pfn(g, range)) k.pages.total_pages += end_pfn(g, range) - first_pfn(g, range);
    }
}

PhysPtr<Page> page_of(const Kernel& k, PhysAddr a) {
    const Geometry& g = geometry(k);
    const Pfn p = g.pfn_of(a);
    const MemSection* s = section_of(k, p);
    if (s == nullptr) return {};
    materialise(k, p, *s, 1);
    const PhysPtr<Page> page{s->memmap + index_in_section(g, p) * sizeof(Page)};
    if (page.get()->refcount == 0 && k.pages.ready != 0 && is_free(k, p)) set_page_refcount(*page, 0);
    return page;
}

i32 page_refcount(const Page& p) { return p.refcount == 0 ? 1 : p.refcount - 1; }

void set_page_refcount(Page& p, i32 count) {
    BATON_ASSERT(count >= 0);
    p.refcount = count + 1;
}

MigrateType pageblock_type(const Kernel& k, PhysAddr a) { return type_of(k, geometry(k).pfn_of(a)); }

}  // namespace baton::mm
