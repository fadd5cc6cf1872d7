// SPDX-License-Identifier: GPL-2.0-only
// The outgoing side of reserve_mem (specs/kho.md §2.7, §3.12): one blob that names the regions, one subtree, and the
// regions themselves. Offered once at the late initcall, or, until 6.18, anew at every finalise.
#include <span>

#include "model/bits.hpp"
#include "model/kho/fdt.hpp"
#include "model/kho/metadata.hpp"

namespace baton::reserve_mem {
namespace {

Status preserve_region(Kernel& k, const ReserveMemEntry& e) {
    const Geometry& g = geometry(k);
    if (!is_aligned(e.start, g.page_size()) || !is_aligned(e.size, g.page_size())) return fail(Errno::kEINVAL);
    return kho::preserve_pages(k, e.start, e.size >> g.page_shift);
}

void unpreserve_region(Kernel& k, const ReserveMemEntry& e) {
    if (!kho::unpreserve_pages(k, e.start, e.size >> geometry(k).page_shift)) BATON_WARN();
}

/// Regions that could be preserved before one could not.
u32 preserve_regions(Kernel& k, Status& result) {
    const ReserveMem& rm = k.reserve_mem;
    for (u32 i = 0; i < rm.count; ++i) {
        result = preserve_region(k, rm.entries[i]);
        if (!result) return i;
    }
    return rm.count;
}

/// Everything after the blob has its page; on failure all but that page is undone.
Status offer_blob(Kernel& k) {
    const ReserveMem& rm = k.reserve_mem;
    const auto written =
        kho::write_memblock_fdt(rm.blob, geometry(k).page_size(), std::span{rm.entries}.first(rm.count));
    if (!written) return fail(written.error());
    if (const Status kept = kho::preserve_folio(k, rm.blob); !kept) return kept;
    Status result = kho::add_subtree(k, kho::kMemblockSubtree, {rm.blob, *written});
    if (result) {
        const u32 done = preserve_regions(k, result);
        if (result) return {};
        for (u32 i = 0; i < done; ++i) unpreserve_region(k, rm.entries[i]);
        kho::remove_subtree(k, rm.blob);
    }
    if (!kho::unpreserve_folio(k, rm.blob)) BATON_WARN();
    return result;
}

void free_blob(Kernel& k) {
    kho::free_metadata_page(k, k.reserve_mem.blob);
    k.reserve_mem.blob = {};
}

}  // namespace

void init(Kernel& k) {
    // What went wrong is in the log; the regions are then ordinary reserved memory.
    if (k.rules().reserve_mem_at_initcall && k.kho.enabled != 0) (void)offer(k);
}

Status offer(Kernel& k) {
    ReserveMem& rm = k.reserve_mem;
    BATON_ASSERT(rm.blob.value == 0 && rm.count <= kReserveMemMax);
    if (rm.count == 0) return {};
    const auto blob = kho::alloc_metadata_page(k, AllocSite::kReserveMemFdt);
    Status offered = blob ? Status{} : fail(blob.error());
    if (blob) {
        rm.blob = *blob;
        offered = offer_blob(k);
        if (!offered) free_blob(k);
    }
    if (!offered) platform::log(LogLevel::kWarn, Log::kReserveMemFailed, static_cast<u64>(offered.error()));
    return offered;
}

void withdraw(Kernel& k) {
    const ReserveMem& rm = k.reserve_mem;
    if (rm.blob.value == 0) return;
    for (u32 i = 0; i < rm.count; ++i) unpreserve_region(k, rm.entries[i]);
    if (!kho::unpreserve_folio(k, rm.blob)) BATON_WARN();
    drop_blob(k);
}

void drop_blob(Kernel& k) {
    if (k.reserve_mem.blob.value == 0) return;
    kho::remove_subtree(k, k.reserve_mem.blob);
    free_blob(k);
}

}  // namespace baton::reserve_mem
