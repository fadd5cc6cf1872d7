// SPDX-License-Identifier: GPL-2.0-only
// Deferred struct pages (specs/memblock.md §5; specs/kho.md B03, B34).
//
// A machine of terabytes would spend its boot on one loop over struct pages. So the last zone has only its first
// section's worth initialised at once; the rest waits for one thread a node, after the page allocator is up and before
// initcalls, and until then its free pages are nobody's. Reserved pages there are initialised when free_all marks them.
// The memory map is lazy anyway (decision D12): what this file moves is the time at which the work is paid for, and
// the moment at which memory becomes free.
//
// The late pass takes every page of a free range for new, and makes its pageblock movable. Two things were said before
// it that must outlive it: the stamps of preserved blocks (B03) and that scratch is CMA (B34). From 7.2 on KHO
// initialises both itself before it says anything (specs/kho.md §3.9).
#include "model/mm/deferred.hpp"

#include <algorithm>
#include <utility>

#include "model/mm/page_internal.hpp"

namespace baton::mm {

using namespace internal;

namespace {

constexpr bool has_deferred(const Zone& z) { return z.first_deferred < z.end; }

PfnRange deferred_part(const Kernel& k, u32 node, const Zone& z) {
    return {z.first_deferred, z.end, k.numa.online == 0 ? kNoNode : NodeId{static_cast<i32>(node)}};
}

/// Struct pages of preserved blocks become new: stamps are gone. Those that nobody ever wrote are new as they are.
u64 wipe_preserved(Kernel& k, const PfnRange& part) {
    const Geometry& g = geometry(k);
    const MemblockType& reserved = k.memblock.reserved;
    u64 wiped = 0;
    for (u64 i = 0; i < reserved.cnt; ++i) {
        const MemblockRegion r = memblock::region(reserved, i);
        platform::charge(Work::kMemblockScans, 1);
        if ((r.flags & kMemblockReservedUntouched) == 0) continue;
        const Pfn start = std::max(part.start, g.pfn_of(r.base));
        const Pfn end = std::min(part.end, g.pfn_of(r.end()));
        if (start >= end) continue;
        forget_pages(k, start, end - start);
        wiped += end - start;
    }
    return wiped;
}

bool scratch_comes_first(const Kernel& k) {
    // B34: only what is preserved was thought of.
    return k.option(kOptionKhoDeferred) && !k.defect(Defect::kB34);
}

void init_early(Kernel& k, PhysRange range) {
    const Geometry& g = geometry(k);
    u64 pages = 0;
    each_zone(std::as_const(k), [&](u32, const Zone& z) {
        const Pfn start = std::max(z.first_deferred, g.pfn_of(range.start));
        const Pfn end = std::min(z.end, end_pfn(g, range));
        if (start < end) pages += end - start;
    });
    if (pages != 0) platform::charge(Work::kStructPages, pages);
}

/// Gives a free range to the page allocator; how many of its struct pages were not initialised already.
u64 release_deferred(Kernel& k, const PfnRange& free) {
    const u64 step = pageblock_pages(geometry(k));
    const bool scratch_is_done = scratch_comes_first(k);
    u64 fresh = 0;
    for (Pfn p = free.start; p < free.end;) {
        const Pfn next{std::min(free.end.value, align_down(p.value, step) + step)};
        if (!scratch_is_done || type_of(k, p) != MigrateType::kCma) {
            set_type(k, p, MigrateType::kMovable);
            fresh += next - p;
        }
        p = next;
    }
    release_pages(k, free.start, free.end);
    return fresh;
}

}  // namespace

// Of each node the last zone. Pages are counted over its span, holes and other nodes' pages included.
void defer_zones(Kernel& k) {
    if (!k.option(kOptionDeferredInit)) return;
    const u64 section = pages_per_section(geometry(k));
    u32 last_node = kNodesMax;
    Zone* last = nullptr;
    const auto defer = [&] {
        if (last != nullptr)
            last->first_deferred = std::min(last->end, Pfn{align_up(last->start.value + section, section)});
    };
    each_zone(k, [&](u32 node, Zone& z) {
        if (node != last_node) defer();
        last_node = node;
        last = &z;
    });
    defer();
}

void init_preserved(Kernel& k, PhysRange block) {
    if (k.option(kOptionKhoDeferred)) init_early(k, block);
}

void init_scratch(Kernel& k, PhysRange area) {
    if (scratch_comes_first(k)) init_early(k, area);
}

void init_deferred(Kernel& k) {
    if (!k.option(kOptionDeferredInit)) return;
    platform::at(Site::kBootDeferred);
    u64 initialised = 0;
    u64 freed = 0;
    each_zone(k, [&](u32 node, Zone& z) {
        if (!has_deferred(z)) return;
        const PfnRange part = deferred_part(k, node, z);
        z.first_deferred = z.end;
        if (!k.option(kOptionKhoDeferred)) initialised += wipe_preserved(k, part);
        memblock::FreeCursor cursor;
        for (PfnRange free; memblock::next_free_in_zone(k.memblock, cursor, part, free);) {
            const u64 fresh = release_deferred(k, free);
            platform::charge(Work::kStructPages, fresh);
            initialised += fresh;
            freed += free.end - free.start;
        }
    });
    platform::log(LogLevel::kInfo, Log::kDeferredInit, initialised, freed);
}

}  // namespace baton::mm
