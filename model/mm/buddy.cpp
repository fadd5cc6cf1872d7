// SPDX-License-Identifier: GPL-2.0-only
// The free lists of the buddy allocator: one per (zone, order, migrate type), last in, first out (specs/boot.md §9).
//
// A free block is known by its head's struct page: kPgBuddy, the order in private_data, neighbours on the list as
// pfn + 1. It stands on the list of its pageblock's type, and all pageblocks of a larger block have one type, so the
// type byte always names the list. A section that is free as a whole and movable is not listed at all: its blocks count
// as the tail of the list of largest movable blocks and get there when that list runs empty, which changes no result
// and leaves the memmap of memory nobody uses untouched (decision D12).
#include <algorithm>

#include "model/mm/page_internal.hpp"

namespace baton::mm::internal {
namespace {

FreeArea& area_of(const Kernel& k, Zone& z, u32 order) {
    BATON_ASSERT(order <= geometry(k).max_order);
    return z.areas[order];
}

// Blocks above pageblock size merge if nothing is lost by it: CMA must stay CMA (specs/boot.md §8).
bool may_merge_types(MigrateType a, MigrateType b) { return a == b || std::max(a, b) <= MigrateType::kReclaimable; }

void set_types(Kernel& k, Pfn p, u64 pages, MigrateType type) {
    for (u64 i = 0; i < pages; i += pageblock_pages(geometry(k))) set_type(k, p + i, type);
}

// Zones of two nodes may lie in one another: bounds alone do not tell.
bool on_node_of(const Kernel& k, Pfn a, Pfn b) { return k.numa.online == 0 || node_of(k, a) == node_of(k, b); }

bool is_free_block(const Kernel& k, Pfn p, u32 order) {
    const Page page = load_page(k, p);
    return is_free_head(page) && free_order(geometry(k), page) == order;
}

}  // namespace

void push_block(Kernel& k, Zone& z, Pfn p, u32 order, MigrateType type) {
    FreeArea& area = area_of(k, z, order);
    const u32 t = static_cast<u32>(type);
    const u64 second = area.head[t];
    if (second != 0) {
        Page& page = *claim_pages(k, {second - 1}, 1);
        BATON_ASSERT(is_free_head(page) && page.prev == 0);
        page.prev = p.value + 1;
    }
    Page& head = *claim_pages(k, p, 1);
    BATON_ASSERT(!is_free_head(head));
    head = {.flags = kPgBuddy, .next = second, .private_data = order, .refcount = 1};
    area.head[t] = p.value + 1;
    ++area.count[t];
    z.free_pages += Order{order}.pages();
    if (type == MigrateType::kCma) z.cma_free_pages += Order{order}.pages();
}

void unlink_block(Kernel& k, Zone& z, Pfn p, u32 order, MigrateType type) {
    FreeArea& area = area_of(k, z, order);
    const u32 t = static_cast<u32>(type);
    Page& head = *claim_pages(k, p, 1);
    BATON_ASSERT(is_free_head(head) && head.private_data == order && area.count[t] != 0);
    const u64 next = head.next;
    const u64 previous = head.prev;
    head = {.refcount = 1};
    if (next != 0) claim_pages(k, {next - 1}, 1)->prev = previous;
    if (previous != 0) {
        claim_pages(k, {previous - 1}, 1)->next = next;
    } else {
        BATON_ASSERT(area.head[t] == p.value + 1);
        area.head[t] = next;
    }
    --area.count[t];
    BATON_ASSERT(z.free_pages >= Order{order}.pages());
    z.free_pages -= Order{order}.pages();
    if (type == MigrateType::kCma) z.cma_free_pages -= Order{order}.pages();
}

void list_section(Kernel& k, u64 index) {
    const Geometry& g = geometry(k);
    const Pfn start{index << (g.section_shift - g.page_shift)};
    const u64 pages = pages_per_section(g);
    Zone& z = zone_of(k, start);
    MemSection& s = *claim_section(k, start);
    BATON_ASSERT(s.state == SectionState::kUntouched && z.untouched_sections != 0 && z.free_pages >= pages);
    s.state = SectionState::kListed;
    --z.untouched_sections;
    z.free_pages -= pages;
    for (u64 i = 0; i < pages; i += Order{g.max_order}.pages())
        push_block(k, z, start + i, g.max_order, MigrateType::kMovable);
}

// Untouched sections are used from the highest down; none ever becomes untouched again.
std::optional<Pfn> first_block(Kernel& k, Zone& z, u32 order, MigrateType type) {
    const Geometry& g = geometry(k);
    FreeArea& area = area_of(k, z, order);
    const u64& head = area.head[static_cast<u32>(type)];
    if (head == 0 && order == g.max_order && type == MigrateType::kMovable && z.untouched_sections != 0) {
        const u64 before = z.frontier;
        while (z.untouched_sections != 0 && head == 0) {
            BATON_ASSERT(z.frontier > k.pages.first_section);
            const u64 index = --z.frontier;
            const Pfn start{index << (g.section_shift - g.page_shift)};
            const MemSection* s = section_of(k, start);
            if (s == nullptr || s->state != SectionState::kUntouched) continue;
            if (&zone_of(k, start) == &z) list_section(k, index);
        }
        platform::charge(Work::kBuddyOps, before - z.frontier);
    }
    if (head == 0) return std::nullopt;
    return Pfn{head - 1};
}

Pfn take_and_split(Kernel& k, Zone& z, Pfn p, u32 have, u32 order, MigrateType listed, MigrateType type) {
    unlink_block(k, z, p, have, listed);
    if (type != listed) set_types(k, p, Order{have}.pages(), type);
    for (u32 o = have; o > order; --o) push_block(k, z, p + Order{o - 1}.pages(), o - 1, type);
    platform::charge(Work::kBuddyOps, 1 + have - order);
    return p;
}

void free_block(Kernel& k, Pfn p, u32 order) {
    const Geometry& g = geometry(k);
    if (order > g.pageblock_order && !is_all_of_type(k, p, Order{order}.pages(), type_of(k, p))) {
        free_block(k, p, order - 1);
        free_block(k, p + Order{order - 1}.pages(), order - 1);
        return;
    }
    Zone& z = zone_of(k, p);
    const MigrateType type = type_of(k, p);
    u32 merged = order;
    while (merged < g.max_order) {
        const Pfn buddy{p.value ^ Order{merged}.pages()};
        if (buddy < z.start || buddy + Order{merged}.pages() > z.end || !is_free_block(k, buddy, merged)) break;
        if (!on_node_of(k, p, buddy)) break;
        const MigrateType other = type_of(k, buddy);
        if (!may_merge_types(type, other)) break;
        unlink_block(k, z, buddy, merged, other);
        if (other != type) set_types(k, buddy, Order{merged}.pages(), type);
        p.value = std::min(p.value, buddy.value);
        ++merged;
    }
    push_block(k, z, p, merged, type);
    platform::charge(Work::kBuddyOps, 1 + merged - order);
}

u32 largest_order(const Geometry& g, Pfn p, u64 pages) {
    return std::min({ctz(p.value), floor_log2(pages), g.max_order});
}

void free_span(Kernel& k, Pfn start, u64 pages) {
    while (pages != 0) {
        u32 order = largest_order(geometry(k), start, pages);
        // Nodes share no pageblock, and no block has more than two: its ends tell.
        while (order > geometry(k).pageblock_order && !on_node_of(k, start, start + (Order{order}.pages() - 1)))
            --order;
        free_block(k, start, order);
        start += Order{order}.pages();
        pages -= Order{order}.pages();
    }
}

void retype_pageblock(Kernel& k, Pfn p, MigrateType type) {
    const Geometry& g = geometry(k);
    const Pfn start{align_down(p.value, pageblock_pages(g))};
    const MigrateType old = type_of(k, start);
    if (old == type) return;
    const MemSection* s = section_of(k, start);
    if (s->state == SectionState::kUntouched) list_section(k, section_index(g, start));
    Zone& z = zone_of(k, start);
    // A larger free block around it is cut until no block reaches beyond the pageblock.
    for (u32 order = g.max_order; order > g.pageblock_order; --order) {
        const Pfn head{align_down(start.value, Order{order}.pages())};
        if (!is_free_block(k, head, order)) continue;
        unlink_block(k, z, head, order, old);
        push_block(k, z, head, order - 1, old);
        push_block(k, z, head + Order{order - 1}.pages(), order - 1, old);
    }
    set_type(k, start, type);
    for (Pfn at = start; at - start < pageblock_pages(g);) {
        const Page page = load_page(k, at);
        if (!is_free_head(page)) {
            at += 1;
            continue;
        }
        const u32 order = free_order(g, page);
        unlink_block(k, z, at, order, old);
        push_block(k, z, at, order, type);
        at += Order{order}.pages();
    }
    platform::charge(Work::kBuddyOps, pageblock_pages(g));
}

}  // namespace baton::mm::internal
