// SPDX-License-Identifier: GPL-2.0-only
// Zones: spans of pages by what can address them, and their counters (specs/boot.md §8).
//
// x86-64: DMA below 16 MiB, DMA32 below 4 GiB, Normal above. AArch64: DMA below 4 GiB if RAM begins there, else all of
// RAM; DMA32 is not used; Normal above. A zone without pages does not exist.
#include <algorithm>

#include "model/mm/page_internal.hpp"

namespace baton::mm {

using namespace internal;

namespace {

// First address above each of the two lower zones.
struct Limits {
    u64 dma;
    u64 dma32;
};

Limits limits_of(const Kernel& k) {
    const Geometry& g = geometry(k);
    if (g.isa == Isa::kX86_64) return {16 * kMiB, g.dma_limit_max};
    const u64 end = memblock::end_of_dram(k.memblock).value;
    const u64 dma = memblock::start_of_dram(k.memblock).value < g.dma_limit_max ? std::min(g.dma_limit_max, end) : end;
    return {dma, dma};
}

}  // namespace

void internal::init_zones(Kernel& k) {
    const Geometry& g = geometry(k);
    const PhysAddr start = memblock::start_of_dram(k.memblock);
    const PhysRange ram{start, memblock::end_of_dram(k.memblock) - start};
    const Limits limits = limits_of(k);
    const u64 first = first_pfn(g, ram).value;
    const u64 end = end_pfn(g, ram).value;
    const u64 bounds[kZones + 1] = {0, limits.dma >> g.page_shift, limits.dma32 >> g.page_shift, ~u64{0}};
    for (u32 i = 0; i < kZones; ++i) {
        const u64 low = std::max(first, bounds[i]);
        const u64 high = std::min(end, bounds[i + 1]);
        k.pages.zones[i] = {};
        if (low < high) {
            k.pages.zones[i].start = {low};
            k.pages.zones[i].end = {high};
            k.pages.zones[i].first_deferred = {high};
        }
    }
}

// Pages of a section that lie outside of RAM belong to the zone they would be in.
Zone& internal::zone_of(Kernel& k, Pfn p) {
    Zone* last = nullptr;
    for (Zone& z : k.pages.zones) {
        if (!exists(z)) continue;
        last = &z;
        if (p < z.end) break;
    }
    BATON_ASSERT(last != nullptr);
    return *last;
}

void adjust_managed(Kernel& k, PhysAddr a, u64 pages) { zone_of(k, geometry(k).pfn_of(a)).managed_pages += pages; }

MemoryCounts counts(const Kernel& k) {
    MemoryCounts c{};
    for (const Zone& z : k.pages.zones) {
        c.free_pages += z.free_pages;
        c.managed_pages += z.managed_pages;
        c.cma_free_pages += z.cma_free_pages;
    }
    return c;
}

}  // namespace baton::mm
