// SPDX-License-Identifier: GPL-2.0-only
// Nodes in the page allocator: their data, zones, the order in which they serve, what their counters say.
#include <random>

#include "model/mm/page_internal.hpp"
#include "tests/catch.hpp"
#include "tests/support/page_rig.hpp"

using namespace baton;
using namespace baton::test;
using namespace baton::mm::internal;

namespace {

struct Piece {
    u64 mib;
    i32 nid;
};

struct NodeRig : PageRig {
    NodeRig(GeometryId id, PhysRange ram, const std::vector<Piece>& pieces, u64 cpus = 0, u32 boot_node = 0)
        : PageRig(id, ram) {
        numa::Layout layout;
        PhysAddr at = ram.start;
        for (const Piece& p : pieces) {
            layout.add({{at, p.mib * kMiB}, {p.nid}, false});
            at += p.mib * kMiB;
        }
        layout.cpus = cpus;
        layout.boot_node = boot_node;
        numa::adopt(k, layout);
        boot();
    }
    i32 node(PhysAddr a) const { return mm::node_of(k, g.pfn_of(a)).value; }
    Result<PhysAddr> take(u32 order, u32 flags) { return mm::alloc_pages(k, {order}, flags, AllocSite::kUser); }
    u64 free_of(i32 nid) const { return mm::node_counts(k, {nid})->free_pages; }
    void counts_are_right() const {
        u64 managed = 0;
        for (u32 i = 0; i < kNodesMax; ++i) {
            if ((k.numa.online >> i & 1) == 0) continue;
            const auto c = mm::node_counts(k, {static_cast<i32>(i)});
            REQUIRE(c);
            CHECK(c->managed_pages == c->seen_managed);
            CHECK(c->free_pages == c->seen_free);
            managed += c->managed_pages;
        }
        CHECK(managed == mm::counts(k).managed_pages);
    }
};

constexpr PhysRange kRam{{kGiB}, 768 * kMiB};
constexpr GeometryId kArm = GeometryId::kAArch64_4K;

}  // namespace

TEST_CASE("nodes: each has its data on itself, and zones of its own") {
    NodeRig rig(kArm, kRam, {{256, 0}, {384, 1}, {128, 2}});
    for (u32 i = 0; i < 3; ++i) CHECK(rig.node(rig.k.pages.nodes[i]) == static_cast<i32>(i));
    CHECK(rig.k.pages.nodes[3].value == 0);
    CHECK(zone_at(rig.k, 1, 0).start == rig.g.pfn_of({kGiB + 256 * kMiB}));
    CHECK(zone_at(rig.k, 1, 0).end == rig.g.pfn_of({kGiB + 640 * kMiB}));
    CHECK(&zone_of(rig.k, rig.g.pfn_of({kGiB + 300 * kMiB})) == &zone_at(rig.k, 1, 0));
    CHECK(mm::node_counts(rig.k, {1})->present_pages == (384 * kMiB) >> 12);
    CHECK_FALSE(mm::node_counts(rig.k, {3}));
    CHECK(rig.audit().empty());
    rig.counts_are_right();
}

TEST_CASE("nodes: the memory map of a section lies on its node, elsewhere if there is no room") {
    NodeRig rig(kArm, kRam, {{256, 0}, {384, 1}, {128, 2}});
    for (u64 mib = 0; mib < 768; mib += 128) {
        const MemSection* s = section_of(rig.k, rig.g.pfn_of({kGiB + mib * kMiB}));
        CHECK(rig.node(s->memmap) == rig.node({kGiB + mib * kMiB}));
    }
    // 128 MiB of memmap want 2 MiB: a node of 2 MiB, part of which its data takes, has not got them.
    NodeRig small(kArm, {{kGiB}, 386 * kMiB}, {{384, 0}, {2, 1}});
    CHECK(small.node(small.k.pages.nodes[1]) == 1);
    CHECK(small.node(section_of(small.k, small.g.pfn_of({kGiB + 384 * kMiB}))->memmap) == 0);
    CHECK(small.audit().empty());
}

TEST_CASE("nodes: a request is served by its node, then upwards, then around") {
    NodeRig rig(kArm, kRam, {{256, 0}, {384, 1}, {128, 3}}, 0b0100, 1);
    CHECK(rig.node(*rig.take(0, 0)) == 1);  // where the CPU is
    CHECK(rig.node(*rig.take(0, alloc_on({0}))) == 0);
    CHECK(rig.node(*rig.take(0, alloc_on({2}))) == 3);  // no memory: the next
    CHECK_FALSE(rig.take(0, alloc_on({2}) | kAllocThisNode));
    while (rig.take(9, alloc_on({3}) | kAllocThisNode)) {
    }
    CHECK(rig.node(*rig.take(9, alloc_on({3}))) == 0);
    CHECK(rig.node(*rig.take(9, alloc_on({2}))) == 0);
    while (rig.take(9, alloc_on({0}) | kAllocThisNode)) {
    }
    CHECK(rig.node(*rig.take(9, alloc_on({3}))) == 1);
    CHECK(rig.audit().empty());
    rig.counts_are_right();
}

TEST_CASE("nodes: one that is used up before the others does not end the kernel's own allocations") {
    NodeRig rig(kArm, kRam, {{256, 0}, {512, 1}}, 0, 0);
    while (rig.free_of(0) != 0) REQUIRE(rig.take(0, alloc_on({0}) | kAllocThisNode));
    const auto a = rig.take(0, 0);
    REQUIRE(a);
    CHECK(rig.node(*a) == 1);
}

TEST_CASE("nodes: in a shared section each page is on its own, and blocks do not merge over the border") {
    // Boundaries 2, 6 and 70 MiB into sections: inside largest blocks, too.
    NodeRig rig(kArm, kRam, {{130, 0}, {68, 1}, {4, 0}, {248, 2}, {318, 1}});
    CHECK(rig.k.numa.with_memory == 7);
    CHECK(section_of(rig.k, rig.g.pfn_of({kGiB + 128 * kMiB}))->nid == kMixedNode);
    CHECK(rig.node({kGiB + 130 * kMiB - 4096}) == 0);
    CHECK(rig.node({kGiB + 130 * kMiB}) == 1);
    CHECK(rig.node({kGiB + 198 * kMiB}) == 0);
    CHECK(rig.node({kGiB + 202 * kMiB}) == 2);
    CHECK(rig.audit().empty());
    rig.counts_are_right();
    std::mt19937_64 random(7);
    std::vector<std::pair<PhysAddr, u32>> held;
    for (int i = 0; i < 3000; ++i) {
        const u32 order = static_cast<u32>(random() % 11);
        const i32 nid = static_cast<i32>(random() % 3);
        if (held.size() > 60 || (!held.empty() && random() % 3 == 0)) {
            const u64 which = random() % held.size();
            mm::free_pages(rig.k, held[which].first, {held[which].second});
            held.erase(held.begin() + static_cast<std::ptrdiff_t>(which));
        } else if (const auto a = rig.take(order, alloc_on({nid}) | kAllocThisNode)) {
            CHECK(rig.node(*a) == nid);
            CHECK(rig.node(*a + (rig.g.bytes_of({order}) - 1)) == nid);
            held.emplace_back(*a, order);
        }
    }
    CHECK(rig.audit().empty());
    rig.counts_are_right();
    for (const auto& [a, order] : held) mm::free_pages(rig.k, a, {order});
    CHECK(rig.audit().empty());
    rig.counts_are_right();
    CHECK(rig.machine.wrong_owners == 0);
}

TEST_CASE("nodes: a run over a border is freed to both nodes") {
    NodeRig rig(kArm, kRam, {{386, 0}, {382, 1}});
    // Everything out, so that the pages at the border are among it.
    std::vector<PhysAddr> all;
    while (const auto a = rig.take(0, 0)) all.push_back(*a);
    const u64 before[] = {rig.free_of(0), rig.free_of(1)};
    mm::free_run(rig.k, {kGiB + 384 * kMiB}, 1024);
    // The upper half of node 0's share may hold its own data: only what was allocated comes back.
    CHECK(rig.free_of(1) >= before[1]);
    CHECK(rig.audit().empty());
    rig.counts_are_right();
}

TEST_CASE("nodes: zones of each geometry and of a big x86-64 machine") {
    for (const TestGeometry& t : kTestGeometries) {
        const Geometry& g = geometry_of(t.id);
        const u64 border = align_down(t.ram.start.value + t.ram.size / 2, g.pageblock_bytes());
        PageRig rig(t.id, t.ram);
        numa::Layout layout;
        layout.add({{t.ram.start, border - t.ram.start.value}, {0}, false});
        layout.add({{{border}, t.ram.end().value - border}, {1}, false});
        numa::adopt(rig.k, layout);
        REQUIRE(rig.k.numa.with_memory == 3);
        rig.boot();
        CHECK(rig.audit().empty());
        const auto low = mm::alloc_pages(rig.k, {0}, alloc_on({0}) | kAllocThisNode, AllocSite::kUser);
        REQUIRE(low);
        CHECK(low->value < border);
        CHECK(mm::alloc_pages(rig.k, {0}, alloc_on({1}) | kAllocThisNode, AllocSite::kUser)->value >= border);
    }
    PageRig big(GeometryId::kX86_64, {{0x1000}, 6 * kGiB - 0x1000});
    numa::Layout layout;
    layout.add({{{0}, 2 * kGiB}, {0}, false});
    layout.add({{{2 * kGiB}, 4 * kGiB}, {1}, false});
    numa::adopt(big.k, layout);
    big.boot();
    CHECK_FALSE(exists(zone_at(big.k, 0, 2)));
    CHECK(zone_at(big.k, 1, 1).end == big.g.pfn_of({4 * kGiB}));
    CHECK(zone_at(big.k, 1, 2).start == big.g.pfn_of({4 * kGiB}));
    CHECK(mm::alloc_pages(big.k, {0}, alloc_on({1}), AllocSite::kUser)->value >= 4 * kGiB);
    CHECK(mm::alloc_pages(big.k, {0}, alloc_on({1}) | kAllocDma, AllocSite::kUser)->value >= 2 * kGiB);
    CHECK(big.audit().empty());
}

TEST_CASE("nodes: 64 of them") {
    std::vector<Piece> pieces;
    for (i32 i = 0; i < 64; ++i) pieces.push_back({12, 63 - i});
    NodeRig rig(kArm, kRam, pieces);
    CHECK(rig.k.numa.online == ~u64{0});
    CHECK(rig.audit().empty());
    for (i32 i = 0; i < 64; ++i) CHECK(rig.node(*rig.take(3, alloc_on({i}) | kAllocThisNode)) == i);
    rig.counts_are_right();
}

TEST_CASE("nodes: a machine without NUMA has one, number 0, whose zones are in the Kernel object") {
    PageRig rig(kArm, {{kGiB}, 264 * kMiB});
    rig.boot();
    CHECK(rig.k.pages.nodes[0].value == 0);
    CHECK(mm::node_of(rig.k, rig.g.pfn_of({kGiB})).value == 0);
    CHECK(&zone_at(rig.k, 0, 0) == &rig.k.pages.zones[0]);
    CHECK_FALSE(mm::node_counts(rig.k, {0}));
}
