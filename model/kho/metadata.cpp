// SPDX-License-Identifier: GPL-2.0-only
// Handover metadata pages and whose they are (see metadata.hpp).
#include "model/kho/metadata.hpp"

namespace baton::kho {
namespace {

constexpr Order kPage{0};

}  // namespace

Result<PhysAddr> alloc_metadata_page(Kernel& k, AllocSite site) {
    const auto page = mm::alloc_pages(k, kPage, kAllocZero, site);
    if (!page) return page;
    const PhysRange range{*page, geometry(k).page_size()};
    if (k.option(kOptionKhoDebug) && in_scratch(k, range)) {
        platform::log(LogLevel::kError, Log::kKhoScratchOverlap, range.start.value, range.size);
        BATON_WARN();
        mm::free_pages(k, *page, kPage);
        return fail(Errno::kEINVAL);
    }
    platform::own(range, Owner::kKernel, Owner::kHandoverMetadata);
    return page;
}

void free_metadata_page(Kernel& k, PhysAddr page) {
    platform::own({page, geometry(k).page_size()}, Owner::kHandoverMetadata, Owner::kKernel);
    mm::free_pages(k, page, kPage);
}

Owner plain_owner(const Kernel& k, PhysRange block) {
    const u64 page = geometry(k).page_size();
    const ReserveMem& rm = k.reserve_mem;
    for (const PhysAddr metadata : {k.kho.fdt, rm.blob, k.kho.metadata_blob})
        if (block == PhysRange{metadata, page}) return Owner::kHandoverMetadata;
    BATON_ASSERT(rm.count <= kReserveMemMax);
    for (u32 i = 0; i < rm.count; ++i) {
        const ReserveMemEntry& e = rm.entries[i];
        if (PhysRange{e.start, e.size}.contains(block)) return e.revived != 0 ? Owner::kHandedOver : Owner::kUser;
    }
    return mm::page_owner(k, block.start);
}

bool is_memory(const Kernel& k, PhysAddr a, u64 bytes) {
    const PhysAddr last = a + (bytes - 1);
    BATON_ASSERT(bytes != 0);
    if (last < a) return false;
    const MemblockType& memory = k.memblock.memory;
    for (PhysAddr at = a;;) {
        platform::charge(Work::kMemblockScans, 1);
        const auto index = memblock::search(memory, at);
        if (!index) return false;
        const PhysAddr end = memblock::region(memory, *index).end();
        if (end > last) return true;
        at = end;
    }
}

}  // namespace baton::kho
