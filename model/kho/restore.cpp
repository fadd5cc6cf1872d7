// SPDX-License-Identifier: GPL-2.0-only
// Handing preserved blocks back to their users (specs/kho.md §3.10).
//
// Until now a block is reserved memory whose head page carries a stamp. Restoring clears the stamp, makes the struct
// pages those of an allocation (a folio, or single pages) and counts the pages as managed. The stamp is all the
// evidence there is: without a magic in it any page whose `private` is small would do (B06), restored ones included.
#include "model/kho/restore.hpp"

#include "model/bits.hpp"

namespace baton::kho {
namespace {

enum class Mode { kFolio, kPages };

Result<Order> refuse(Log why, PhysAddr a, u64 detail) {
    platform::log(LogLevel::kWarn, why, a.value, detail);
    BATON_WARN();
    return fail(Errno::kEINVAL);
}

u64 magic_of(const Kernel& k) {
    // B06: there was none.
    if (k.defect(Defect::kB06)) [[unlikely]]
        return 0;
    return u64{kPageMagic} << 32;
}

u32 restorable_order_max(const Kernel& k) {
    // B22: preserving knows no such limit.
    if (k.defect(Defect::kB22)) [[unlikely]]
        return geometry(k).max_order;
    return kKhoOrders - 1;
}

/// The order that the stamp of the page at `a` vouches for.
Result<Order> stamped_order(const Kernel& k, PhysAddr a, u64 stamp) {
    const u64 magic = magic_of(k);
    if (magic != 0 && stamp >> 32 != magic >> 32) return refuse(Log::kKhoRestoreBadMagic, a, 0);
    const u64 order = stamp - magic;
    const bool sane =
        order <= restorable_order_max(k) && is_aligned(a, shl(geometry(k).page_size(), static_cast<u32>(order)));
    if (!sane) return refuse(Log::kKhoRestoreBadOrder, a, order);
    return Order{static_cast<u32>(order)};
}

/// The struct page of a frame inside a block; a block that runs out of memory kills the kernel, as it would Linux.
PhysPtr<Page> page_in_block(const Kernel& k, PhysAddr a) {
    const auto page = mm::page_of(k, a);
    if (!page) platform::page_fault(a, geometry(k).page_size());
    return page;
}

/// One struct page becomes that of an allocated page; its flags tell the page allocator whose it is when it is freed.
void initialise_page(const Kernel& k, PhysAddr a, i32 refcount, u64 flags) {
    const auto page = page_in_block(k, a);
    page->flags |= flags;
    page->site = u64{static_cast<u32>(AllocSite::kRestored)} + 1;
    mm::set_page_refcount(*page, refcount);
}

void initialise_block(Kernel& k, PhysAddr head, Order order, Mode mode, Owner to) {
    const u64 page_size = geometry(k).page_size();
    const u64 flags = to == Owner::kUser ? u64{kPgSwapBacked} : 0;
    const bool folio = mode == Mode::kFolio;
    initialise_page(k, head, 1, flags);
    if (folio && order.value != 0) mm::prep_compound(k, head, order);
    platform::charge(Work::kStructPages, 1);
    // B01: the head was all that was thought of; tails keep the refcount of memmap initialisation.
    if (k.defect(Defect::kB01)) [[unlikely]]
        return;
    for (u64 i = 1; i < order.pages(); ++i) initialise_page(k, head + i * page_size, folio ? 0 : 1, folio ? 0 : flags);
    platform::charge(Work::kStructPages, order.pages() - 1);
    mm::adjust_managed(k, head, order.pages());
}

Result<Order> restore_block(Kernel& k, PhysAddr a, Mode mode, Owner to) {
    if (!is_aligned(a, geometry(k).page_size())) return fail(Errno::kEINVAL);
    const auto page = mm::page_of(k, a);
    if (!page) return fail(Errno::kEINVAL);
    const auto order = stamped_order(k, a, page.get()->private_data);
    if (!order) return order;
    page->private_data = 0;
    initialise_block(k, a, *order, mode, to);
    platform::own({a, geometry(k).bytes_of(*order)}, Owner::kHandedOver, to);
    platform::at(Site::kKhoRestore, a.value, order->value);
    return order;
}

}  // namespace

u64 stamp_of(const Kernel& k, Order order) { return magic_of(k) | order.value; }

Result<Order> restore_folio(Kernel& k, PhysAddr a) { return restore_block(k, a, Mode::kFolio, Owner::kUser); }

Status restore_pages(Kernel& k, PhysAddr start, u64 pages) {
    const Geometry& g = geometry(k);
    if (!is_aligned(start, g.page_size()) || pages > shr(~u64{0}, g.page_shift) - g.pfn_of(start).value)
        return fail(Errno::kEINVAL);
    const Pfn end = g.pfn_of(start) + pages;
    // The step is derived anew, as preserve derived it; the stored order only says how much is initialised (§3.10).
    for (Pfn pfn = g.pfn_of(start); pfn < end; pfn += block_order(pfn, end - pfn).pages()) {
        const auto restored = restore_block(k, g.phys_of(pfn), Mode::kPages, Owner::kUser);
        if (!restored) return fail(restored.error());
    }
    return {};
}

void restore_incoming_fdt(Kernel& k) {
    const PhysAddr fdt = k.kho.incoming.fdt;
    if (!restore_block(k, fdt, Mode::kFolio, Owner::kHandoverMetadata)) return BATON_WARN();
    // free_all counts managed pages from nothing, as Linux does: this one is in use, and in no zone's count.
    page_in_block(k, fdt)->site = u64{static_cast<u32>(AllocSite::kIncomingFdt)} + 1;
}

}  // namespace baton::kho
