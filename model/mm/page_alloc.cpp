// SPDX-License-Identifier: GPL-2.0-only
// The page allocator's face: blocks, folios and runs of pages, handed out and taken back.
//
// Every page handed out has its struct page written, every page taken back is checked first: freeing what is not
// allocated, or still has users, would put live memory on the free lists. Such a block is reported and leaked instead,
// as upstream does with a bad page.
#include "model/mm/page_internal.hpp"
#include "model/mm/pin.hpp"

namespace baton::mm {

using namespace internal;

namespace {

void hand_out(Kernel& k, Pfn p, u64 pages, u32 flags, AllocSite site) {
    const Geometry& g = geometry(k);
    const bool compound = (flags & kAllocCompound) != 0;
    const bool user = (flags & kAllocUser) != 0;
    const u64 movable = (flags & kAllocMovable) != 0 ? u64{kPgLru} : 0;
    const u64 page_flags = user ? kPgSwapBacked | movable : 0;
    Page* page = claim_pages(k, p, pages);
    for (u64 i = 0; i < pages; ++i) {
        page[i] = {.flags = page_flags, .site = u64{static_cast<u32>(site)} + 1};
        set_page_refcount(page[i], compound && i != 0 ? 0 : 1);
    }
    const PhysRange range{g.phys_of(p), pages << g.page_shift};
    platform::own(range, Owner::kFree, user ? Owner::kUser : Owner::kKernel);
    if ((flags & kAllocZero) == 0) return;
    ram::zero(range.start, range.size);
    platform::charge(Work::kPagesZeroed, pages);
}

// A page with one user and nothing special about it. A preserved page that was never restored is one, too: the memmap
// gave it refcount 1, and it is not Reserved.
bool is_freeable(const Kernel& k, Pfn p, const Page& page) {
    if (section_of(k, p) == nullptr || page_refcount(page) != 1) return false;
    if ((page.flags & (kPgReserved | kPgBuddy | kPgHead)) != 0 || is_tail(page) || page.page_type != 0) return false;
    return page.refcount != 0 || (is_noinit(k, p) && !is_free(k, p));
}

bool is_freeable_folio(const Kernel& k, Pfn head, const Page& page, u32 order) {
    const Geometry& g = geometry(k);
    if (page_refcount(page) != 1 || folio_order(k, g.phys_of(head)).value != order) return false;
    if (pin_count(k, g.phys_of(head)) != 0) return false;  // the reference is a pin
    for (u64 i = 1; i < Order{order}.pages(); ++i) {
        const Page tail = load_page(k, head + i);
        if (tail.next != tail_link(head) || page_refcount(tail) != 0) return false;
    }
    return true;
}

void report_bad_page(const Kernel& k, Pfn p) {
    const i32 refcount = is_free(k, p) ? 0 : page_refcount(load_page(k, p));
    platform::log(LogLevel::kWarn, Log::kBadPageState, p.value, static_cast<u64>(static_cast<i64>(refcount)));
    BATON_WARN();
}

// First page of the run that must not be freed, if any.
std::optional<Pfn> find_bad_page(const Kernel& k, Pfn start, u64 pages) {
    for (u64 i = 0; i < pages; ++i) {
        platform::charge(Work::kBuddyOps, 0);  // the caller's run may be any length: keep the hang budget counting
        if (!is_freeable(k, start + i, load_page(k, start + i))) return start + i;
    }
    return std::nullopt;
}

// Struct pages of the run become those of free pages; changes of owner are told run by run.
void take_back(Kernel& k, Pfn start, u64 pages) {
    const Geometry& g = geometry(k);
    u64 run_start = 0;
    Owner run_owner = owner_of(load_page(k, start));
    for (u64 i = 0; i < pages; ++i) {
        Page& page = *claim_pages(k, start + i, 1);
        // Flags of a tail are not flags: a folio has one owner.
        const Owner owner = is_tail(page) ? run_owner : owner_of(page);
        if (owner != run_owner) {
            platform::own({g.phys_of(start + run_start), (i - run_start) << g.page_shift}, run_owner, Owner::kFree);
            run_start = i;
            run_owner = owner;
        }
        page = {};
        set_page_refcount(page, 0);
    }
    platform::own({g.phys_of(start + run_start), (pages - run_start) << g.page_shift}, run_owner, Owner::kFree);
    free_span(k, start, pages);
}

}  // namespace

Result<PhysAddr> alloc_pages(Kernel& k, Order order, u32 flags, AllocSite site) {
    BATON_ASSERT(k.pages.ready != 0);
    if (must_fail(k, site)) return fail(Errno::kENOMEM);
    const auto p = take_block(k, order.value, flags);
    if (!p) return fail(Errno::kENOMEM);
    hand_out(k, *p, order.pages(), flags, site);
    const PhysAddr a = geometry(k).phys_of(*p);
    if ((flags & kAllocCompound) != 0) prep_compound(k, a, order);
    return a;
}

void free_pages(Kernel& k, PhysAddr a, Order order) {
    const Geometry& g = geometry(k);
    const Pfn p = g.pfn_of(a);
    const bool sane =
        order.value < 64 - g.page_shift && is_aligned(a, g.bytes_of(order)) && section_of(k, p) != nullptr;
    const Page page = load_page(k, p);
    const bool folio = sane && (page.flags & kPgHead) != 0;
    if (!sane || (folio && !is_freeable_folio(k, p, page, order.value))) return report_bad_page(k, p);
    if (folio) return take_back(k, p, order.pages());
    free_run(k, a, order.pages());
}

Result<PhysAddr> alloc_run(Kernel& k, u64 pages, u32 flags, AllocSite site) {
    BATON_ASSERT(k.pages.ready != 0);
    const Geometry& g = geometry(k);
    if (pages == 0) return fail(Errno::kEINVAL);
    if (pages > Order{g.max_order}.pages() || must_fail(k, site)) return fail(Errno::kENOMEM);
    const u32 order = floor_log2(pages) + (is_power_of_two(pages) ? 0 : 1);
    const auto p = take_block(k, order, flags);
    if (!p) return fail(Errno::kENOMEM);
    free_span(k, *p + pages, Order{order}.pages() - pages);
    hand_out(k, *p, pages, flags & ~static_cast<u32>(kAllocCompound), site);
    return g.phys_of(*p);
}

void free_run(Kernel& k, PhysAddr a, u64 pages) {
    const Geometry& g = geometry(k);
    const Pfn p = g.pfn_of(a);
    if (pages == 0) return;
    if (!is_aligned(a, g.page_size())) return report_bad_page(k, p);
    if (const auto bad = find_bad_page(k, p, pages)) return report_bad_page(k, *bad);
    take_back(k, p, pages);
}

}  // namespace baton::mm
