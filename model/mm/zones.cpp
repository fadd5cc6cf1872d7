// SPDX-License-Identifier: GPL-2.0-only
// Zones: spans of pages by what can address them, one set a node, and their counters (specs/boot.md §8).
//
// x86-64: DMA below 16 MiB, DMA32 below 4 GiB, Normal above. AArch64: DMA below 4 GiB if RAM begins there, else all of
// RAM; DMA32 is not used; Normal above. Of each a node has what lies between its first and its last page; nodes may lie
// in one another, and then zones do. A zone without pages does not exist.
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

// From a node's first page of RAM to the end of its last one; without NUMA all RAM is node 0's.
PhysRange span_of(const Kernel& k, u32 node) {
    const MemblockType& memory = k.memblock.memory;
    PhysRange span{};
    for (u64 i = 0; i < memory.cnt; ++i) {
        const MemblockRegion r = memblock::region(memory, i);
        if (k.numa.online != 0 && r.nid != static_cast<i32>(node)) continue;
        const PhysAddr start = span.empty() ? r.base : span.start;
        span = {start, r.end() - start};
    }
    return span;
}

void init_zones_of(Kernel& k, u32 node, const Limits& limits) {
    const Geometry& g = geometry(k);
    const PhysRange span = span_of(k, node);
    const u64 first = first_pfn(g, span).value;
    const u64 end = end_pfn(g, span).value;
    const u64 bounds[kZones + 1] = {0, limits.dma >> g.page_shift, limits.dma32 >> g.page_shift, ~u64{0}};
    for (u32 i = 0; i < kZones; ++i) {
        Zone& z = claim_zone(k, node, i);
        const u64 low = std::max(first, bounds[i]);
        const u64 high = std::min(end, bounds[i + 1]);
        z = {};
        if (low < high) {
            z.start = {low};
            z.end = {high};
            z.first_deferred = {high};
        }
    }
}

// Pages of a section that lie outside of RAM belong to the zone they would be in.
u32 zone_number(const Kernel& k, u32 node, Pfn p) {
    u32 last = kZones;
    for (u32 i = 0; i < kZones; ++i) {
        const Zone& z = zone_at(k, node, i);
        if (!exists(z)) continue;
        last = i;
        if (p < z.end) break;
    }
    BATON_ASSERT(last != kZones);
    return last;
}

}  // namespace

void internal::init_zones(Kernel& k) {
    const Limits limits = limits_of(k);
    for (u32 node = 0; node < kNodesMax; ++node) {
        if ((online_nodes(k) >> node & 1) == 0) continue;
        platform::charge(Work::kMemblockScans, k.memblock.memory.cnt);
        init_zones_of(k, node, limits);
    }
}

Zone& internal::zone_of(Kernel& k, Pfn p) {
    const u32 node = static_cast<u32>(node_of(k, p).value);
    return claim_zone(k, node, zone_number(k, node, p));
}

void adjust_managed(Kernel& k, PhysAddr a, u64 pages) { zone_of(k, geometry(k).pfn_of(a)).managed_pages += pages; }

MemoryCounts counts(const Kernel& k) {
    MemoryCounts c{};
    for (u32 node = 0; node < kNodesMax; ++node) {
        if ((online_nodes(k) >> node & 1) == 0) continue;
        for (u32 i = 0; i < kZones; ++i) {
            const Zone& z = zone_at(k, node, i);
            c.free_pages += z.free_pages;
            c.managed_pages += z.managed_pages;
            c.cma_free_pages += z.cma_free_pages;
        }
    }
    return c;
}

}  // namespace baton::mm
