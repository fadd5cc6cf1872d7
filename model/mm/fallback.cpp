// SPDX-License-Identifier: GPL-2.0-only
// Where an allocation's block comes from: zones, migrate types, CMA (specs/boot.md §8, §9).
//
// Zones are tried Normal, DMA32, DMA; each gives all it can before the next is asked. Inside a zone:
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
    if (!exists(z)) return std::nullopt;
    const bool movable = type == MigrateType::kMovable;
    std::optional<Pfn> p;
    if (movable && z.cma_free_pages > z.free_pages / 2) p = take_smallest(k, z, order, MigrateType::kCma);
    if (!p) p = take_smallest(k, z, order, type);
    if (!p && movable) p = take_smallest(k, z, order, MigrateType::kCma);
    if (!p) p = take_largest_of_others(k, z, order, type);
    return p;
}

}  // namespace

std::optional<Pfn> take_block(Kernel& k, u32 order, u32 flags) {
    if (order > geometry(k).max_order) return std::nullopt;
    const MigrateType type = (flags & kAllocMovable) != 0 ? MigrateType::kMovable : MigrateType::kUnmovable;
    u32 zone = (flags & kAllocDma) != 0 ? kZones - 1 : kZones;
    while (zone-- > 0)
        if (const auto p = take_from_zone(k, k.pages.zones[zone], order, type)) return p;
    return std::nullopt;
}

}  // namespace baton::mm::internal
