// SPDX-License-Identifier: GPL-2.0-only
#include "model/mm/migrate.hpp"

#include "model/mm/page_internal.hpp"
#include "model/mm/pin.hpp"

namespace baton::mm {

using namespace internal;

bool is_user_folio(const Kernel& k, PhysAddr a) {
    const Geometry& g = geometry(k);
    const Pfn p = g.pfn_of(a);
    if (!is_aligned(a, g.page_size()) || section_of(k, p) == nullptr) return false;
    const Page page = load_page(k, p);
    const bool user = !is_tail(page) && page.page_type == 0 && page.refcount != 0 &&
                      (page.flags & (kPgReserved | kPgBuddy)) == 0 && (page.flags & kPgSwapBacked) != 0;
    return user && !is_free(k, p);
}

bool is_migratable(const Kernel& k, PhysAddr a) {
    if (!is_user_folio(k, a)) return false;
    const Page page = load_page(k, geometry(k).pfn_of(a));
    return (page.flags & kPgLru) != 0 && page_refcount(page) == 1 && pin_count(k, a) == 0;
}

Result<PhysAddr> migrate(Kernel& k, PhysAddr from, u32 target_flags) {
    const Geometry& g = geometry(k);
    BATON_ASSERT(is_migratable(k, from));
    const Order order = folio_order(k, from);
    const u32 shape = order.value != 0 ? u32{kAllocCompound} : 0;
    const auto to = alloc_pages(k, order, target_flags | kAllocUser | shape, AllocSite::kMigrate);
    if (!to) return to;
    for (u64 i = 0; i < order.pages(); ++i) {
        const u64 offset = i << g.page_shift;
        ram::copy(*to + offset, from + offset, g.page_size());
        claim_pages(k, g.pfn_of(*to) + i, 1)->site = load_page(k, g.pfn_of(from) + i).site;
        platform::charge(Work::kPagesCopied, 1);
    }
    claim_pages(k, g.pfn_of(*to), 1)->flags |= kPgLru;
    free_pages(k, from, order);
    platform::at(Site::kMmMigrate, from.value, to->value);
    return to;
}

}  // namespace baton::mm
