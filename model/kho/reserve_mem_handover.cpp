// SPDX-License-Identifier: GPL-2.0-only
// The outgoing side of reserve_mem (specs/kho.md §2.7, §3.12): one blob that names the regions, one subtree, and the
// regions themselves, offered anew at every finalise.
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

Status offer(Kernel& k) {
    ReserveMem& rm = k.reserve_mem;
    BATON_ASSERT(rm.blob.value == 0 && rm.count <= kReserveMemMax);
    const auto blob = kho::alloc_metadata_page(k);
    if (!blob) return fail(blob.error());
    rm.blob = *blob;
    const auto written =
        kho::write_memblock_fdt(rm.blob, geometry(k).page_size(), std::span{rm.entries}.first(rm.count));
    if (!written) return fail(written.error());
    if (const Status done = kho::preserve_folio(k, rm.blob); !done) return done;
    for (u32 i = 0; i < rm.count; ++i)
        if (const Status done = preserve_region(k, rm.entries[i]); !done) return done;
    return kho::add_subtree(k, kho::kMemblockSubtree, rm.blob);
}

}  // namespace

// These generations offer the regions inside finalise; there is nothing to do at the initcall (kho.md §3.12).
void init(Kernel&) {}

Status preserve_all(Kernel& k) {
    if (k.reserve_mem.count == 0) return {};
    const Status offered = offer(k);
    if (!offered) platform::log(LogLevel::kWarn, Log::kReserveMemFailed, static_cast<u64>(offered.error()));
    return offered;
}

void withdraw(Kernel& k) {
    ReserveMem& rm = k.reserve_mem;
    if (rm.blob.value == 0) return;
    kho::remove_subtree(k, rm.blob);
    kho::free_metadata_page(k, rm.blob);
    rm.blob = {};
}

}  // namespace baton::reserve_mem
