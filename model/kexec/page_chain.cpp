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

bool chain_take(const Kernel& k, u64& chain, PhysAddr page) {
    const u64 wanted = link_to(k, page);
    PhysPtr<Page> previous;
    for (u64 link = chain; link != 0;) {
        const PhysPtr<Page> p = page_struct(k, page_of_link(k, link));
        platform::charge(Work::kListLinks, 1);
        const u64 next = p.get()->next;
        if (link == wanted) {
            if (previous)
                previous->next = next;
            else
                chain = next;
            p->next = 0;
            return true;
        }
        previous = p;
        link = next;
    }
    return false;
}

void free_chain(Kernel& k, u64& chain, Owner owner) {
    while (const std::optional<PhysAddr> page = chain_pop(k, chain)) release_page(k, *page, owner);
}

Result<PhysAddr> take_page(Kernel& k) {
    const Result<PhysAddr> page = mm::alloc_pages(k, {0}, 0);
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
