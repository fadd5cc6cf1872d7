// SPDX-License-Identifier: GPL-2.0-only
// Compound pages, and what a page is to somebody who asks (specs/boot.md §8).
//
// A folio's head has kPgHead; its second page has the order in the low 8 bits of flags; every tail points to the head.
#include "model/mm/page_internal.hpp"
#include "model/mm/pin.hpp"

namespace baton::mm {

using namespace internal;

namespace {
inline constexpr u64 kFolioOrderMask = 0xff;

/// A folio may be larger than what the allocator hands out (KHO restores such), but not than physical memory.
constexpr bool is_folio_order(const Geometry& g, u64 order) { return order < 64 - g.page_shift; }

/// A struct page of a folio; one that no section covers ends the kernel, as an access to it would in Linux.
Page& page_in_folio(Kernel& k, Pfn p) {
    if (section_of(k, p) == nullptr) platform::page_fault(geometry(k).phys_of(p), geometry(k).page_size());
    return *claim_pages(k, p, 1);
}
}  // namespace

void prep_compound(Kernel& k, PhysAddr head, Order order) {
    const Geometry& g = geometry(k);
    BATON_ASSERT(is_folio_order(g, order.value) && is_aligned(head, g.bytes_of(order)));
    if (order.value == 0) return;
    const Pfn first = g.pfn_of(head);
    page_in_folio(k, first).flags |= kPgHead;
    Page& second = page_in_folio(k, first + 1);
    second.flags = (second.flags & ~kFolioOrderMask) | order.value;
    for (u64 i = 1; i < order.pages(); ++i) {
        Page& tail = page_in_folio(k, first + i);
        tail.next = tail_link(first);
        tail.prev = 0;
        tail.private_data = 0;
    }
}

Order folio_order(const Kernel& k, PhysAddr head) {
    const Geometry& g = geometry(k);
    const Pfn p = g.pfn_of(head);
    if ((load_page(k, p).flags & kPgHead) == 0) return {0};
    const Order order{static_cast<u32>(load_page(k, p + 1).flags & kFolioOrderMask)};
    return is_folio_order(g, order.value) ? order : Order{0};  // more is overwritten memory
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
    if (pin_count(k, a) != 0) flags |= kPagePinned;
    return flags;
}

Owner page_owner(const Kernel& k, PhysAddr a) {
    const Pfn p = geometry(k).pfn_of(a);
    return is_free(k, p) ? Owner::kFree : owner_of(load_page(k, p));
}

}  // namespace baton::mm
