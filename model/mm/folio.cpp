// SPDX-License-Identifier: GPL-2.0-only
// Compound pages, and what a page is to somebody who asks (specs/boot.md §8).
//
// A folio's head has kPgHead; its second page has the order in the low 8 bits of flags; every tail points to the head.
#include "model/mm/page_internal.hpp"

namespace baton::mm {

using namespace internal;

namespace {
inline constexpr u64 kFolioOrderMask = 0xff;
}

void prep_compound(Kernel& k, PhysAddr head, Order order) {
    const Geometry& g = geometry(k);
    BATON_ASSERT(order.value <= g.max_order && is_aligned(head, g.bytes_of(order)));
    if (order.value == 0) return;
    const Pfn first = g.pfn_of(head);
    Page* pages = claim_pages(k, first, order.pages());
    pages[0].flags |= kPgHead;
    pages[1].flags = (pages[1].flags & ~kFolioOrderMask) | order.value;
    for (u64 i = 1; i < order.pages(); ++i) {
        pages[i].next = tail_link(first);
        pages[i].prev = 0;
        pages[i].private_data = 0;
    }
}

Order folio_order(const Kernel& k, PhysAddr head) {
    const Geometry& g = geometry(k);
    const Pfn p = g.pfn_of(head);
    if ((load_page(k, p).flags & kPgHead) == 0) return {0};
    const Order order{static_cast<u32>(load_page(k, p + 1).flags & kFolioOrderMask)};
    return order.value <= g.max_order ? order : Order{0};  // more is overwritten memory
}

u64 page_state_flags(const Kernel& k, PhysAddr a) {
    const Pfn p = geometry(k).pfn_of(a);
    if (section_of(k, p) == nullptr) return 0;
    u64 flags = type_of(k, p) == MigrateType::kCma ? u64{kPageCma} : 0;
    if (is_free(k, p)) return flags | kPageFree;
    const Page page = load_page(k, p);
    if (is_tail(page)) return flags | kPageTail;
    const bool nothing_said = page.refcount == 0;
    if ((nothing_said && !is_noinit(k, p)) || (page.flags & kPgReserved) != 0) flags |= kPageReserved;
    if ((page.flags & kPgHead) != 0) flags |= kPageHead;
    return flags;
}

Owner page_owner(const Kernel& k, PhysAddr a) {
    const Pfn p = geometry(k).pfn_of(a);
    return is_free(k, p) ? Owner::kFree : owner_of(load_page(k, p));
}

}  // namespace baton::mm
