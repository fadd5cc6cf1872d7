// SPDX-License-Identifier: GPL-2.0-only
// Where an allocation's block comes from: zones, migrate types, CMA (specs/boot.md §8, §9).
//
// Nodes are tried from the preferred one upwards and then from 0 on (ascending cyclic: there are no distances), on each
// the zones Normal, DMA32, DMA; each gives all it can before the next is asked. Inside a zone:
//   1. movable requests take CMA first while more than half of the zone's free pages are CMA, so that both are used up
//      evenly, as upstream does it;
//   2. the smallest block of the request's own type that fits;
//   3. movable requests take CMA;
//   4. the largest block of another type, never CMA, so that types mix in as few pageblocks as possible. A block of a
//      pageblock or more changes type with it; of a smaller one only what is asked for is taken.
// Not modelled: watermarks, per-CPU lists, high-atomic reserves, reclaim.
#include "model/mm/page_internal.hpp"

namespace baton::mm::internal {
namespace {

std::optional<Pfn> take_smallest(Kernel& k, Zone& z, u32 order, MigrateType type) {
    for (u32 have = order; have <= geometry(k).max_order; ++have)
        if (const auto p = first_block(k, z, have, type)) return take_and_split(k, z, *p, have, order, type, type);
    return std::nullopt;
}

std::optional<Pfn> take_largest_of_others(Kernel& k, Zone& z, u32 order, MigrateType type) {
    static constexpr MigrateType kOthers[3][2] = {
        {MigrateType::kReclaimable, MigrateType::kMovable},    // for unmovable
        {MigrateType::kReclaimable, MigrateType::kUnmovable},  // for movable
        {MigrateType::kUnmovable, MigrateType::kMovable},      // for reclaimable
    };
    const Geometry& g = geometry(k);
    for (u32 have = g.max_order + 1; have-- > order;) {
        for (const MigrateType other : kOthers[static_cast<u32>(type)]) {
            const auto p = first_block(k, z, have, other);
            if (!p) continue;
            const MigrateType becomes = have >= g.pageblock_order ? type : other;
            return take_and_split(k, z, *p, have, order, other, becomes);
        }
    }
    return std::nullopt;
}

std::optional<Pfn> take_from_zone(Kernel& k, Zone& z, u32 order, MigrateType type) {
    const bool movable = type == MigrateType::kMovable;
    std::optional<Pfn> p;
    if (movable && z.cma_free_pages > z.free_pages / 2) p = take_smallest(k, z, order, MigrateType::kCma);
    if (!p) p = take_smallest(k, z, order, type);
    if (!p && movable) p = take_smallest(k, z, order, MigrateType::kCma);
    if (!p) p = take_largest_of_others(k, z, order, type);
    return p;
}

/// The node that a request prefers: what it says, or where the CPU is.
u32 preferred_node(const Kernel& k, u32 flags) {
    const u32 asked = flags >> kAllocNodeShift;
    return asked != 0 ? asked - 1 : k.numa.local;
}

std::optional<Pfn> take_from_node(Kernel& k, u32 node, u32 order, MigrateType type, bool dma) {
    u32 zone = dma ? kZones - 1 : kZones;
    while (zone-- > 0) {
        if (!exists(zone_at(k, node, zone))) continue;
        if (const auto p = take_from_zone(k, claim_zone(k, node, zone), order, type)) return p;
    }
    return std::nullopt;
}

}  // namespace

std::optional<Pfn> take_block(Kernel& k, u32 order, u32 flags) {
    if (order > geometry(k).max_order) return std::nullopt;
    const MigrateType type = (flags & kAllocMovable) != 0 ? MigrateType::kMovable : MigrateType::kUnmovable;
    const u64 nodes = online_nodes(k);
    const u32 first = preferred_node(k, flags);
    const u32 tried = (flags & kAllocThisNode) != 0 ? 1 : kNodesMax;
    for (u32 i = 0; i < tried; ++i) {
        const u32 node = (first + i) % kNodesMax;
        if ((nodes >> node & 1) == 0) continue;
        if (const auto p = take_from_node(k, node, order, type, (flags & kAllocDma) != 0)) return p;
    }
    return std::nullopt;
}

}  // namespace baton::mm::internal
