// SPDX-License-Identifier: GPL-2.0-only
// memblock hands over to the page allocator (specs/memblock.md §5), and scratch becomes CMA (specs/kho.md §3.1,
// §3.9.2).
//
// Reserved pages need no mark: a page that is neither free nor spoken of is Reserved (memmap.cpp), and NOINIT ones are
// told apart by memblock, which stays. So the reserved pass only pays, and gives regions their nodes. A section that is
// free as a whole is not even listed (buddy.cpp).
#include <algorithm>
#include <utility>

#include "model/mm/memblock_handover.hpp"
#include "model/mm/page_internal.hpp"

namespace baton::mm {

using namespace internal;

namespace {

// Pages of `r` that have a struct page. Clipped first: what firmware reserves may lie anywhere.
u64 mapped_pages(const Kernel& k, PhysRange r) {
    const Geometry& g = geometry(k);
    const u64 shift = g.section_shift - g.page_shift;
    const u64 table_start = k.pages.first_section << shift;
    const u64 table_end = (k.pages.first_section + k.pages.section_count) << shift;
    const u64 end = std::min(div_round_up(r.end().value, g.page_size()), table_end);
    u64 sum = 0;
    for (u64 p = std::max(g.pfn_of(r.start).value, table_start); p < end;) {
        const u64 next = std::min(end, (section_index(g, {p}) + 1) << shift);
        if (section_of(k, {p}) != nullptr) sum += next - p;
        p = next;
    }
    return sum;
}

// The section at `p` is free as a whole, in one zone, and none of it is CMA.
bool is_untouchable(Kernel& k, Pfn p, u64 pages) {
    const Geometry& g = geometry(k);
    const u64 section = pages_per_section(g);
    if (!is_aligned(p.value, section) || pages < section) return false;
    if (section_of(k, p)->nid == kMixedNode) return false;
    const Zone& z = zone_of(k, p);
    return p >= z.start && p + section <= z.end && is_all_of_type(k, p, section, MigrateType::kMovable);
}

void leave_untouched(Kernel& k, Pfn p) {
    const Geometry& g = geometry(k);
    Zone& z = zone_of(k, p);
    MemSection& s = *claim_section(k, p);
    BATON_ASSERT(s.state == SectionState::kListed);
    s.state = SectionState::kUntouched;
    ++z.untouched_sections;
    z.frontier = std::max(z.frontier, section_index(g, p) + 1);
    z.free_pages += pages_per_section(g);
    platform::charge(Work::kBuddyOps, pages_per_section(g) >> g.max_order);
}

// Deferred pages are passed over: init_deferred() comes for them.
void release_range(Kernel& k, PhysRange r) {
    const Geometry& g = geometry(k);
    const Pfn end = end_pfn(g, r);
    for (Pfn p = first_pfn(g, r); p < end;) {
        Pfn ready = p;
        while (ready < end && !is_deferred(k, ready)) {
            const Zone& z = zone_of(k, ready);
            const Pfn next = ready < z.first_deferred ? z.first_deferred : z.end;
            ready = ready < next ? std::min(end, next) : end;
        }
        release_pages(k, p, ready);
        for (p = ready; p < end && is_deferred(k, p);) p = std::min(end, zone_of(k, p).end);
    }
}

/// Pages of a reserved range whose struct pages are initialised only when they are marked.
u64 deferred_pages(Kernel& k, PhysRange r) {
    const Geometry& g = geometry(k);
    u64 sum = 0;
    each_zone(std::as_const(k), [&](u32, const Zone& z) {
        const Pfn start = std::max(z.first_deferred, g.pfn_of(r.start));
        const Pfn end = std::min(z.end, Pfn{div_round_up(r.end().value, g.page_size())});
        if (start < end) sum += end - start;
    });
    return sum;
}

struct PageAllocatorTakesOver {
    Kernel& k;
    u64 reserved_pages = 0;
    // The section table, not the page, says which node a page is of.
    NodeId node_of(PhysAddr) { return kNoNode; }
    void mark_reserved(PhysRange r, NodeId) { reserved_pages += mapped_pages(k, r) + deferred_pages(k, r); }
    void give(PhysRange r) { release_range(k, r); }
};

}  // namespace

void internal::release_pages(Kernel& k, Pfn p, Pfn end) {
    const Geometry& g = geometry(k);
    if (p >= end) return;
    platform::own({g.phys_of(p), (end - p) << g.page_shift}, Owner::kNobody, Owner::kFree);
    while (p < end) {
        u64 n = pages_per_section(g);
        if (is_untouchable(k, p, end - p)) {
            leave_untouched(k, p);
        } else {
            const u32 order = largest_order(g, p, end - p);
            n = Order{order}.pages();
            free_block(k, p, order);
        }
        zone_of(k, p).managed_pages += n;
        p += n;
    }
}

void free_all(Kernel& k) {
    BATON_ASSERT(k.pages.ready == 0 && k.pages.section_count != 0);
    // Whatever was restored before is in no zone's count (specs/memblock.md §5).
    each_zone(k, [](u32, Zone& z) { z.managed_pages = 0; });
    PageAllocatorTakesOver visitor{k};
    memblock::hand_over(k.memblock, visitor);
    platform::charge(Work::kStructPages, visitor.reserved_pages);
    k.memblock.slab_ready = 1;
    k.pages.ready = 1;
}

void free_reserved(Kernel& k, PhysRange r, Owner from) {
    const Geometry& g = geometry(k);
    if (from != Owner::kKernel) platform::own(r, from, Owner::kKernel);
    for (Pfn p = g.pfn_of(r.start); g.phys_of(p) < r.end(); p += 1) {
        BATON_ASSERT(section_of(k, p) != nullptr && !is_free(k, p));
        set_page_refcount(*claim_pages(k, p, 1), 1);
        adjust_managed(k, g.phys_of(p), 1);
        free_pages(k, g.phys_of(p), {0});
    }
}

void set_cma(Kernel& k, PhysRange range, bool release) {
    const Geometry& g = geometry(k);
    const u64 step = pageblock_pages(g);
    const bool ready = k.pages.ready != 0;
    BATON_ASSERT(!release || ready);
    for (u64 p = align_down(g.pfn_of(range.start).value, step); g.phys_of({p}) < range.end(); p += step) {
        platform::charge(Work::kBuddyOps, 0);  // the range comes from RAM and may be anything
        if (section_of(k, {p}) == nullptr) continue;
        if (ready)
            retype_pageblock(k, {p}, MigrateType::kCma);
        else
            set_type(k, {p}, MigrateType::kCma);
    }
    if (!release) return;
    const Pfn start = first_pfn(g, range);
    const u64 pages = end_pfn(g, range) - start;
    platform::charge(Work::kStructPages, pages);
    platform::own({g.phys_of(start), pages << g.page_shift}, Owner::kScratch, Owner::kFree);
    for (u64 i = 0; i < pages;) {
        const u64 n = std::min(pages - i, step - ((start.value + i) & (step - 1)));
        BATON_ASSERT(section_of(k, start + i) != nullptr && !is_free(k, start + i));
        free_span(k, start + i, n);
        adjust_managed(k, g.phys_of(start + i), n);
        i += n;
    }
}

}  // namespace baton::mm
