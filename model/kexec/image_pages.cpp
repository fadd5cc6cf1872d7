// SPDX-License-Identifier: GPL-2.0-only
// Source pages and control pages: the allocator that makes relocation free of overlap hazards (specs/kexec.md §3).
//
// The invariant: a source page either is its own destination or is no page's destination. Then the relocation code may
// copy in any order. Free memory that lies in a destination is therefore no ordinary source page: it takes over the
// content that belongs there if that was loaded already, or waits on `dest_pages` until it is asked for.
//
// Usually one allocation a page. When most free memory lies inside destinations, each such page costs Linux a walk of
// the whole list: it is charged here, and done in large steps (find_source, take_waiting).
#include "model/kernel.hpp"
#include "model/kexec/entry_list.hpp"
#include "model/kexec/pages.hpp"

namespace baton::kexec {
namespace {

// `page` is the destination of a page that is loaded already: the content moves here, its old page is free for use.
std::optional<PhysAddr> exchange_with_source(Kernel& k, Kimage& image, PhysAddr page) {
    const u64 page_size = geometry(k).page_size();
    const std::optional<PhysAddr> slot = find_source(image, page_size, page);
    if (!slot) return std::nullopt;
    const PhysAddr old{ram::load<u64>(*slot) & ~(page_size - 1)};
    BATON_ASSERT(old != page);
    ram::copy(page, old, page_size);
    platform::charge(Work::kPagesCopied, 1);
    store_entry(image, *slot, page.value | kEntrySource);
    platform::own({page, page_size}, Owner::kKernel, Owner::kImageSource);
    return old;
}

Result<PhysAddr> become_source(const Kernel& k, Kimage& image, PhysAddr page) {
    platform::own({page, geometry(k).page_size()}, Owner::kKernel, Owner::kImageSource);
    ++image.source_pages;
    return page;
}

}  // namespace

Result<PhysAddr> alloc_source_page(Kernel& k, Kimage& image, PhysAddr destination) {
    if (destination != kNoDestination && take_waiting(k, image.dest_pages, destination))
        return become_source(k, image, destination);
    for (;;) {
        const Result<PhysAddr> page = take_page(k, AllocSite::kKexecSource);
        if (!page) return page;
        if (page->value > image.address_limit) {
            chain_push(k, image.unusable_pages, *page);
            continue;
        }
        if (*page == destination || !is_destination(image, {*page, geometry(k).page_size()}))
            return become_source(k, image, *page);
        if (const std::optional<PhysAddr> freed = exchange_with_source(k, image, *page)) {
            ++image.source_pages;
            return *freed;
        }
        add_waiting(k, image.dest_pages, *page);
    }
}

Result<PhysAddr> alloc_control_page(Kernel& k, Kimage& image) {
    const u64 page_size = geometry(k).page_size();
    u64 rejected = 0;
    Result<PhysAddr> page = take_page(k, AllocSite::kKexecControl);
    while (page && (page->value > image.address_limit || is_destination(image, {*page, page_size}))) {
        chain_push(k, rejected, *page);
        page = take_page(k, AllocSite::kKexecControl);
    }
    free_chain(k, rejected, Owner::kKernel);
    if (!page) return page;
    chain_push(k, image.control_pages, *page);
    platform::own({*page, page_size}, Owner::kKernel, Owner::kControl);
    return page;
}

}  // namespace baton::kexec
