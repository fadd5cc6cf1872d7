// SPDX-License-Identifier: GPL-2.0-only
#include "model/bits.hpp"
#include "model/kernel.hpp"
#include "model/kexec/pages.hpp"

namespace baton::kexec {
namespace {

PhysPtr<Page> page_struct(const Kernel& k, PhysAddr page) {
    const PhysPtr<Page> p = mm::page_of(k, page);
    BATON_ASSERT(static_cast<bool>(p));
    return p;
}

// Bit 0 of Page::next would make the page a tail of a folio to everyone else.
u64 link_to(const Kernel& k, PhysAddr page) { return (geometry(k).pfn_of(page).value + 1) << 1; }
PhysAddr page_of_link(const Kernel& k, u64 link) { return geometry(k).phys_of({(link >> 1) - 1}); }

// Page::prev of the first waiting page. Together with kPgReserved, a prev that is not 0 says that a page waits.
inline constexpr u64 kNoPrevious = 1;

// Where a waiting page stands, the first being 1. The search goes out from it both ways, to either end or to the
// finger: pages are asked for in an order much like that in which they were met, so the last one taken is near.
u64 place_of(const Kernel& k, const WaitingPages& w, u64 wanted) {
    u64 ahead = wanted;
    u64 behind = wanted;
    for (u64 steps = 0;; ++steps) {
        if (steps % 64 == 0) platform::charge(Work::kListLinks, 0);  // a chain that was overwritten may be a circle
        const u64 previous = page_struct(k, page_of_link(k, ahead)).get()->prev;
        if (previous == kNoPrevious) return steps + 1;
        if (ahead == w.finger) return w.finger_place + steps;
        const u64 next = page_struct(k, page_of_link(k, behind)).get()->next;
        if (next == 0) return w.count - steps;
        if (behind == w.finger) return w.finger_place - steps;
        ahead = previous;
        behind = next;
    }
}

}  // namespace

bool is_destination(const Kimage& image, PhysRange r) {
    for (u32 i = 0; i < image.segment_count; ++i)
        if (r.overlaps({image.segments[i].mem, image.segments[i].memsz})) return true;
    return false;
}

void chain_push(const Kernel& k, u64& chain, PhysAddr page) {
    const PhysPtr<Page> p = page_struct(k, page);
    BATON_ASSERT(p.get()->next == 0);
    p->next = chain;
    chain = link_to(k, page);
    platform::charge(Work::kListLinks, 1);
}

std::optional<PhysAddr> chain_pop(const Kernel& k, u64& chain) {
    if (chain == 0) return std::nullopt;
    const PhysAddr page = page_of_link(k, chain);
    const PhysPtr<Page> p = page_struct(k, page);
    chain = p.get()->next;
    p->next = 0;
    platform::charge(Work::kListLinks, 1);
    return page;
}

void free_chain(Kernel& k, u64& chain, Owner owner) {
    while (const std::optional<PhysAddr> page = chain_pop(k, chain)) release_page(k, *page, owner);
}

void add_waiting(const Kernel& k, WaitingPages& waiting, PhysAddr page) {
    const PhysPtr<Page> p = page_struct(k, page);
    BATON_ASSERT(p.get()->next == 0 && p.get()->prev == 0);
    p->next = waiting.first;
    p->prev = kNoPrevious;
    if (waiting.first != 0) page_struct(k, page_of_link(k, waiting.first))->prev = link_to(k, page);
    waiting.first = link_to(k, page);
    ++waiting.count;
    ++waiting.finger_place;
    platform::charge(Work::kListLinks, 1);
}

bool take_waiting(const Kernel& k, WaitingPages& waiting, PhysAddr page) {
    if (waiting.count == 0) return false;
    const PhysPtr<Page> p = mm::page_of(k, page);
    const bool waits = p && (p.get()->flags & kPgReserved) != 0 && p.get()->prev != 0;
    const u64 place = waits ? place_of(k, waiting, link_to(k, page)) : waiting.count;
    platform::charge(Work::kListLinks, place);
    if (!waits) return false;
    const u64 next = p.get()->next;
    const u64 previous = p.get()->prev;
    p->next = 0;
    p->prev = 0;
    if (next != 0) page_struct(k, page_of_link(k, next))->prev = previous;
    if (previous == kNoPrevious)
        waiting.first = next;
    else
        page_struct(k, page_of_link(k, previous))->next = next;
    --waiting.count;
    waiting.finger = previous == kNoPrevious ? next : previous;
    waiting.finger_place = previous == kNoPrevious ? place : place - 1;
    return true;
}

void free_waiting(Kernel& k, WaitingPages& waiting) {
    while (waiting.first != 0) {
        const PhysAddr page = page_of_link(k, waiting.first);
        const bool taken = take_waiting(k, waiting, page);
        BATON_ASSERT(taken);
        release_page(k, page, Owner::kKernel);
    }
}

Result<PhysAddr> take_page(Kernel& k, AllocSite site) {
    const Result<PhysAddr> page = mm::alloc_pages(k, {0}, 0, site);
    if (!page) return page;
    const PhysPtr<Page> p = page_struct(k, *page);
    p->flags |= kPgReserved;
    return page;
}

void release_page(Kernel& k, PhysAddr page, Owner owner) {
    const u64 page_size = geometry(k).page_size();
    const PhysPtr<Page> p = mm::page_of(k, page);
    if (!is_aligned(page, page_size) || !p || mm::page_refcount(*p.get()) != 1) {
        BATON_WARN();
        return;
    }
    p->flags &= ~u64{kPgReserved};
    if (owner != Owner::kKernel) platform::own({page, page_size}, owner, Owner::kKernel);
    mm::free_pages(k, page, {0});
}

}  // namespace baton::kexec
