// SPDX-License-Identifier: GPL-2.0-only
// KHO on several nodes: scratch a node, B17; the split of runs at nodes, B23 and B24 (specs/kho.md §3.1, §3.2).
#include "model/kho/scratch.hpp"
#include "tests/catch.hpp"
#include "tests/model/kho/kho_machine.hpp"

using namespace baton;
using test::KhoMachine;

namespace {

struct Piece {
    u64 mib;
    i32 nid;
};

struct NodeMachine : KhoMachine {
    explicit NodeMachine(Generation generation, const std::vector<Piece>& pieces, u64 cpus = 0)
        : KhoMachine(GeometryId::kX86_64, {{0}, 512 * kMiB}, generation) {
        REQUIRE(memblock::add(kernel().memblock, ram()));
        PhysAddr at{};
        for (const Piece& p : pieces) {
            layout.add({{at, p.mib * kMiB}, {p.nid}, false});
            at += p.mib * kMiB;
        }
        layout.cpus = cpus;
        numa::adopt(kernel(), layout);
        boot();
    }
    i32 node(PhysAddr a) { return mm::node_of(kernel(), geometry(kernel()).pfn_of(a)).value; }
    numa::Layout layout;
};

std::vector<Piece> halves() { return {{258, 0}, {254, 1}}; }

}  // namespace

TEST_CASE("kho nodes: scratch is one area a node with memory, ascending, exactly there") {
    NodeMachine m(Generation::k7_1, {{128, 5}, {256, 2}, {128, 5}}, 0b1000);
    Kernel& k = m.kernel();
    REQUIRE(k.kho.enabled == 1);
    REQUIRE(k.kho.scratch_count == 4);
    for (u64 i = 2; i < 4; ++i) {
        const auto area = kho::scratch_area(k, i);
        CHECK(area.size == 16 * kMiB);
        CHECK(m.node(area.addr) == (i == 2 ? 2 : 5));
        CHECK(m.node(area.addr + area.size - 1) == (i == 2 ? 2 : 5));
    }
}

TEST_CASE("kho nodes: a node without memory disables KHO up to 6.18 (B17), and is left out later") {
    for (const Generation g : test::kAllGenerations) {
        NodeMachine m(g, halves(), 0b100);
        const bool broken = g == Generation::k6_16 || g == Generation::k6_18;
        CHECK((m.kernel().kho.enabled == 0) == broken);
        CHECK(m.kernel().kho.scratch_count == (broken ? 0 : 4));
        CHECK(m.logged(Log::kKhoScratchFailed) == broken);
    }
}

TEST_CASE("kho nodes: a node that has not got the room for its area disables KHO") {
    NodeMachine m(Generation::k7_1, {{500, 0}, {12, 1}});
    CHECK(m.kernel().kho.enabled == 0);
    CHECK(m.logged(Log::kKhoScratchFailed));
}

TEST_CASE("kho nodes: a run over two nodes is split at their border, unless B23") {
    for (const bool defect : {true, false}) {
        NodeMachine m(Generation::k7_1, halves());
        m.set_defect(Defect::kB23, defect);
        Kernel& k = m.kernel();
        const u64 before = k.kho.tracker.blocks;
        REQUIRE(kho::preserve_pages(k, {256 * kMiB}, 1024));
        CHECK(k.kho.tracker.blocks - before == (defect ? 1 : 2));
        REQUIRE(kho::unpreserve_pages(k, {256 * kMiB}, 1024));
        CHECK(k.kho.tracker.blocks == before);
        CHECK(m.warnings == 0);
    }
}

TEST_CASE("kho nodes: B24 unpreserves with the plain split, and leaves both blocks preserved") {
    NodeMachine m(Generation::k7_1, halves());
    Kernel& k = m.kernel();
    const u64 before = k.kho.tracker.blocks;
    REQUIRE(kho::preserve_pages(k, {256 * kMiB}, 1024));
    m.set_defect(Defect::kB24);
    REQUIRE(kho::unpreserve_pages(k, {256 * kMiB}, 1024));
    CHECK(k.kho.tracker.blocks == before + 2);
    CHECK(m.logged(Log::kKhoUnpreserveMissing));
    m.set_defect(Defect::kB24, false);
    REQUIRE(kho::unpreserve_pages(k, {256 * kMiB}, 1024));
    CHECK(k.kho.tracker.blocks == before);
}

TEST_CASE("kho nodes: the default estimate counts what each node holds") {
    NodeMachine m(Generation::k7_1, {{256, 0}, {256, 1}});
    m.reset_kernel();
    Kernel& k = m.kernel();
    REQUIRE(memblock::add(k.memblock, m.ram()));
    numa::Layout again;
    again.add({{{0}, 256 * kMiB}, {0}, false});
    again.add({{{256 * kMiB}, 256 * kMiB}, {1}, false});
    numa::adopt(k, again);
    m.boot("kho=on");
    REQUIRE(k.kho.scratch_count == 4);
    for (u64 i = 2; i < 4; ++i) {
        // Two sections of memmap and the node's data, doubled.
        CHECK(kho::scratch_area(k, i).size == 10 * kMiB);
        CHECK(m.node(kho::scratch_area(k, i).addr) == static_cast<i32>(i - 2));
    }
}
