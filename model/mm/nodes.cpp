// SPDX-License-Identifier: GPL-2.0-only
// Nodes as the page allocator has them: their data, and which node a page is on (docs/memory.md).
//
// A machine without NUMA keeps its zones in the Kernel object, as Linux keeps contig_page_data in its image. With NUMA
// every online node, with memory or without, gets a NodeData from memblock, on the node itself if it has room. Which
// node a page is on stands in the section table; where two nodes share a section, memblock is asked.
#include "model/mm/early_alloc.hpp"
#include "model/mm/page_internal.hpp"

namespace baton::mm {

using namespace internal;

namespace {

PhysAddr alloc_node_data(Kernel& k, u32 node) {
    const u64 page = geometry(k).page_size();
    const u64 bytes = align_up(sizeof(NodeData), page);
    const NodeId nid{static_cast<i32>(node)};
    const PhysAddr at = early_alloc_or_panic(k, AllocSite::kBootNode, {.size = bytes, .align = page, .nid = nid});
    platform::own({at, bytes}, Owner::kNobody, Owner::kKernel);
    return at;
}

u64 present_pages(const Kernel& k, u32 node) {
    const MemblockType& memory = k.memblock.memory;
    u64 pages = 0;
    for (u64 i = 0; i < memory.cnt; ++i) {
        const MemblockRegion r = memblock::region(memory, i);
        if (r.nid == static_cast<i32>(node)) pages += r.size >> geometry(k).page_shift;
    }
    return pages;
}

PhysAddr data_of(const Kernel& k, u32 node) {
    BATON_ASSERT(node < kNodesMax && k.pages.nodes[node].value != 0);
    return k.pages.nodes[node];
}

// In a section of several nodes. A hole is of the node below it, if anything is.
i32 node_by_memblock(const Kernel& k, Pfn p) {
    const MemblockType& memory = k.memblock.memory;
    const PhysAddr at = geometry(k).phys_of(p);
    platform::charge(Work::kMemblockScans, 1);
    if (const auto i = memblock::search(memory, at)) return memblock::region(memory, *i).nid;
    i32 nid = memblock::region(memory, 0).nid;
    for (u64 i = 0; i < memory.cnt; ++i) {
        platform::charge(Work::kMemblockScans, 1);
        const MemblockRegion r = memblock::region(memory, i);
        if (r.base > at) break;
        nid = r.nid;
    }
    return nid;
}

// The next run of a node's RAM. Regions that differ in flags are joined: free blocks lie across them.
bool next_run(const Kernel& k, NodeId nid, u64& cursor, PhysRange& run) {
    const MemblockType& memory = k.memblock.memory;
    run = {};
    for (; cursor < memory.cnt; ++cursor) {
        platform::charge(Work::kMemblockScans, 1);
        const MemblockRegion r = memblock::region(memory, cursor);
        if (!run.empty() && (r.nid != nid.value || r.base != run.end())) break;
        if (r.nid != nid.value) continue;
        run = {run.empty() ? r.base : run.start, run.size + r.size};
    }
    return !run.empty();
}

// What the pages of [p, end) say about themselves. Free blocks are told by their heads.
void look_at_pages(const Kernel& k, Pfn p, Pfn end, NodeCounts& c) {
    const Geometry& g = geometry(k);
    while (p < end) {
        platform::charge(Work::kBuddyOps, 0);
        const MemSection* s = section_of(k, p);
        u64 step = 1;
        bool free = false;
        if (s != nullptr && s->state == SectionState::kUntouched) {
            step = pages_per_section(g) - (p.value & (pages_per_section(g) - 1));
            free = true;
        } else if (const Page page = load_page(k, p); is_free_head(page)) {
            step = Order{free_order(g, page)}.pages();
            free = true;
        } else if (page.refcount != 0 && page.site != static_cast<u32>(AllocSite::kIncomingFdt) + 1) {
            ++c.seen_managed;
        }
        step = step < end - p ? step : end - p;
        if (free) {
            c.seen_managed += step;
            c.seen_free += step;
        }
        p += step;
    }
}

}  // namespace

void internal::init_nodes(Kernel& k) {
    for (u32 node = 0; node < kNodesMax; ++node) {
        if ((k.numa.online >> node & 1) == 0) continue;
        const PhysAddr at = alloc_node_data(k, node);
        k.pages.nodes[node] = at;
        ram::zero(at, sizeof(NodeData));
        platform::charge(Work::kMemblockScans, k.memblock.memory.cnt);
        ram::write<NodeData>(at)->present_pages = present_pages(k, node);
    }
}

const Zone& internal::zone_at(const Kernel& k, u32 node, u32 zone) {
    if (k.numa.online == 0) return k.pages.zones[zone];
    return ram::read<NodeData>(data_of(k, node))->zones[zone];
}

Zone& internal::claim_zone(Kernel& k, u32 node, u32 zone) {
    if (k.numa.online == 0) return k.pages.zones[zone];
    return *ram::write<Zone>(data_of(k, node) + offsetof(NodeData, zones) + zone * sizeof(Zone));
}

NodeId node_of(const Kernel& k, Pfn p) {
    if (k.numa.online == 0) return {0};
    const MemSection* s = section_of(k, p);
    if (s == nullptr || s->nid == kMixedNode) return {node_by_memblock(k, p)};
    return {s->nid};
}

Result<NodeCounts> node_counts(const Kernel& k, NodeId nid) {
    if (nid.value < 0 || static_cast<u32>(nid.value) >= kNodesMax || (k.numa.online >> nid.value & 1) == 0)
        return fail(Errno::kENOENT);
    const auto node = static_cast<u32>(nid.value);
    NodeCounts c{.present_pages = ram::read<NodeData>(data_of(k, node))->present_pages};
    for (u32 i = 0; i < kZones; ++i) {
        c.managed_pages += zone_at(k, node, i).managed_pages;
        c.free_pages += zone_at(k, node, i).free_pages;
    }
    u64 cursor = 0;
    PhysRange run;
    while (next_run(k, nid, cursor, run)) look_at_pages(k, first_pfn(geometry(k), run), end_pfn(geometry(k), run), c);
    return c;
}

}  // namespace baton::mm
