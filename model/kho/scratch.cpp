// SPDX-License-Identifier: GPL-2.0-only
// Choosing and releasing scratch areas (specs/kho.md §3.1, §3.9.2).
//
// The next kernel needs about what this one needed, so the default is 200 % of the memory reserved for kernel use: what
// of it lies low in a low area, the rest anywhere, and once more on every node. The areas are chosen on the first cold
// boot, top-down, in array order, and are inherited unchanged by every successor.
#include "model/kho/scratch.hpp"

#include <algorithm>

#include "model/bits.hpp"
#include "model/mm/deferred.hpp"
#include "model/mm/early_alloc.hpp"

namespace baton::kho {
namespace {

inline constexpr u64 kScratchFloorSlack = kMiB;  // specs/boot.md §10

/// First address that is not low: the DMA limit, or, when all RAM lies above it, the end of RAM (specs/boot.md §8).
u64 low_limit(const Kernel& k) {
    const u64 limit = geometry(k).dma_limit_max;
    return memblock::start_of_dram(k.memblock).value < limit ? limit : memblock::end_of_dram(k.memblock).value;
}

/// Nodes that get an area, ascending. A machine without NUMA has one, asked for as kNoNode.
struct Nodes {
    NodeId ids[kNodesMax];
    u64 count = 0;
};

u64 nodes_of_scratch(const Kernel& k) {
    // B17: a node without memory is online, too, and nothing can be had exactly there.
    if (k.defect(Defect::kB17)) [[unlikely]]
        return k.numa.online;
    return k.numa.with_memory;
}

Nodes nodes_with_area(const Kernel& k) {
    if (k.numa.online == 0) return {.ids = {kNoNode}, .count = 1};
    Nodes nodes;
    u64 left = nodes_of_scratch(k);
    for (i32 nid = 0; left != 0; ++nid, left >>= 1)
        if ((left & 1) != 0) nodes.ids[nodes.count++] = {nid};
    return nodes;
}

PhysAddr slot(const Kernel& k, u64 index) { return k.kho.scratch + index * sizeof(ScratchArea); }

/// One area, entered in the array.
bool reserve_area(Kernel& k, u64 index, u64 size, u64 limit, NodeId nid) {
    const auto at =
        mm::early_alloc(k, AllocSite::kScratchArea,
                        {.size = size, .align = k.config.cma_align, .max = limit, .nid = nid, .exact = nid != kNoNode});
    if (!at) {
        platform::log(LogLevel::kWarn, Log::kKhoScratchFailed, index, size / kKiB);
        return false;
    }
    BATON_ASSERT(size == 0 || is_aligned(*at, k.config.cma_align));
    ram::store(slot(k, index), ScratchArea{*at, size});
    platform::own({*at, size}, Owner::kNobody, Owner::kScratch);
    platform::log(LogLevel::kInfo, Log::kKhoScratchArea, index, at->value, size / kKiB);
    platform::at(Site::kKhoScratchReserve, at->value, size);
    return true;
}

/// Undoes the first `count` areas and the array, in reverse.
void unreserve(Kernel& k, u64 count) {
    while (count-- != 0) {
        const auto area = ram::load<ScratchArea>(slot(k, count));
        platform::own({area.addr, area.size}, Owner::kScratch, Owner::kNobody);
        if (!memblock::release(k.memblock, {area.addr, area.size})) BATON_WARN();
    }
    const PhysRange array{k.kho.scratch, k.kho.scratch_count * sizeof(ScratchArea)};
    platform::own(array, Owner::kKernel, Owner::kNobody);
    if (!memblock::release(k.memblock, array)) BATON_WARN();
    k.kho.scratch = {};
    k.kho.scratch_count = 0;
}

struct Plan {
    u64 low_limit;
    ScratchSizes sizes;
    Nodes nodes;
    u64 node_sizes[kNodesMax];
};

/// All sizes are taken before the first area: areas are reserved for kernel use themselves and would count.
Plan plan_areas(const Kernel& k) {
    const Memblock& mb = k.memblock;
    Plan plan{.low_limit = low_limit(k), .sizes = {}, .nodes = nodes_with_area(k), .node_sizes = {}};
    const u64 kern_low = memblock::reserved_kern_size(mb, plan.low_limit);
    const u64 kern = memblock::reserved_kern_size(mb, kMemblockAnywhere);
    plan.sizes = scratch_sizes(k, kern_low, kern);
    for (u64 i = 0; i < plan.nodes.count; ++i) {
        const u64 kern_node = memblock::reserved_kern_size(mb, kMemblockAnywhere, plan.nodes.ids[i]);
        plan.node_sizes[i] = node_scratch_size(k, kern_node);
    }
    return plan;
}

/// How many areas could be reserved; all of them on success.
u64 reserve_areas(Kernel& k, const Plan& plan) {
    if (!reserve_area(k, 0, plan.sizes.low, plan.low_limit, kNoNode)) return 0;
    if (!reserve_area(k, 1, plan.sizes.global, kMemblockAccessible, kNoNode)) return 1;
    for (u64 i = 0; i < plan.nodes.count; ++i)
        if (!reserve_area(k, 2 + i, plan.node_sizes[i], kMemblockAccessible, plan.nodes.ids[i])) return 2 + i;
    return 2 + plan.nodes.count;
}

u64 round_explicit(const Kernel& k, u64 size) {
    return k.rules().round_scratch ? align_up(size, k.config.cma_align) : size;
}

}  // namespace

ScratchSizes scratch_sizes(const Kernel& k, u64 kern_low_bytes, u64 kern_bytes) {
    const KhoState& kho = k.kho;
    if (kho.scale_percent == 0) return {round_explicit(k, kho.explicit_low), round_explicit(k, kho.explicit_global)};
    const u64 align = k.config.cma_align;
    u64 low = align_up(kern_low_bytes * kho.scale_percent / 100, align);
    if (k.option(kOptionScratchFloor)) low = std::max(low, align_up(k.image_size + kScratchFloorSlack, align));
    const u64 all = kern_bytes * kho.scale_percent / 100;
    // Rounding the low size up may have used more than there is in all. In 64 bits the difference then wraps, and
    // rounding it up wraps again, to an empty area (B39). Without the defect the area keeps one unit.
    if (k.defect(Defect::kB39)) [[unlikely]]
        return {low, align_up(all - low, align)};
    return {low, all > low ? align_up(all - low, align) : align};
}

u64 node_scratch_size(const Kernel& k, u64 kern_node_bytes) {
    if (k.kho.scale_percent == 0) return round_explicit(k, k.kho.explicit_node);
    return align_up(kern_node_bytes * k.kho.scale_percent / 100, k.config.cma_align);
}

void reserve_scratch(Kernel& k) {
    const Plan plan = plan_areas(k);
    const u64 count = 2 + plan.nodes.count;
    const u64 bytes = count * sizeof(ScratchArea);
    const auto array = mm::early_alloc(k, AllocSite::kScratchArray, {.size = bytes, .align = geometry(k).page_size()});
    if (!array) {
        platform::log(LogLevel::kWarn, Log::kKhoDisabled);
        k.kho.enabled = 0;
        return;
    }
    platform::own({*array, bytes}, Owner::kNobody, Owner::kKernel);
    k.kho.scratch = *array;
    k.kho.scratch_count = count;
    const u64 done = reserve_areas(k, plan);
    if (done == count) return;
    unreserve(k, done);
    platform::log(LogLevel::kWarn, Log::kKhoDisabled);
    k.kho.enabled = 0;
}

void adopt_scratch(Kernel& k) {
    for (u64 i = 0; i < k.kho.scratch_count; ++i) {
        const ScratchArea area = scratch_area(k, i);
        platform::charge(Work::kListLinks, 1);
        if (area.size == 0) continue;
        mm::init_scratch(k, {area.addr, area.size});
        mm::set_cma(k, {area.addr, area.size}, false);
    }
}

void release_scratch(Kernel& k) {
    for (u64 i = 0; i < k.kho.scratch_count; ++i) {
        const ScratchArea area = scratch_area(k, i);
        platform::charge(Work::kListLinks, 1);
        if (area.size != 0) mm::set_cma(k, {area.addr, area.size}, true);
    }
}

void give_up_scratch(Kernel& k) {
    for (u64 i = 0; i < k.kho.scratch_count; ++i) {
        const ScratchArea area = scratch_area(k, i);
        mm::free_reserved(k, {area.addr, area.size}, Owner::kScratch);
    }
    k.kho.scratch = {};
    k.kho.scratch_count = 0;
}

ScratchArea scratch_area(const Kernel& k, u64 index) {
    BATON_ASSERT(index < k.kho.scratch_count);
    return ram::load<ScratchArea>(slot(k, index));
}

bool in_scratch(const Kernel& k, PhysRange r) {
    for (u64 i = 0; i < k.kho.scratch_count; ++i) {
        const ScratchArea area = scratch_area(k, i);
        platform::charge(Work::kListLinks, 1);
        if (r.overlaps({area.addr, area.size})) return true;
    }
    return false;
}

}  // namespace baton::kho
