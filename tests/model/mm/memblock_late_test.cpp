// SPDX-License-Identifier: GPL-2.0-only
// memblock after the page allocator took over: its arrays grow into pages (specs/memblock.md §2.5).
#include "model/bits.hpp"
#include "model/kernel.hpp"
#include "tests/catch.hpp"
#include "tests/support/page_rig.hpp"

namespace baton::test {
namespace {

TEST_CASE("memblock after boot: arrays grow into pages of the page allocator, and old ones come back to it") {
    for (const TestGeometry& t : kTestGeometries) {
        INFO(geometry_of(t.id).name);
        PageRig rig(t.id, t.ram);
        rig.boot();
        const u64 before = mm::counts(rig.k).free_pages;
        Memblock& mb = rig.k.memblock;
        const u64 beyond = t.ram.end().value + kGiB;
        for (u64 i = 0; i < 1000; ++i) {
            REQUIRE(memblock::add(mb, {{beyond + 2 * i * kMiB}, kMiB}));
            REQUIRE(memblock::reserve(mb, {{beyond + 2 * i * kMiB}, 4096}));
        }
        CHECK(mb.memory.max == 1024);
        CHECK(mb.reserved.max == 1024);
        CHECK(mb.memory.cnt == 1001);
        for (u64 i = 0; i < 1000; ++i)
            REQUIRE(memblock::region(mb.memory, i + 1).base == PhysAddr{beyond + 2 * i * kMiB});
        const u64 pages = div_round_up(1024 * sizeof(MemblockRegion), rig.page());
        CHECK(mm::counts(rig.k).free_pages == before - 2 * pages);
        CHECK(rig.audit() == "");
        CHECK(rig.machine.wrong_owners == 0);
    }
}

TEST_CASE("memblock after boot: an array that had grown before goes to the page allocator when it is outgrown") {
    const TestGeometry& t = kTestGeometries[0];
    PageRig rig(t.id, t.ram);
    Memblock& mb = rig.k.memblock;
    for (u64 i = 0; i < 200; ++i) REQUIRE(memblock::reserve(mb, {{t.ram.end().value + 2 * i * kMiB}, 4096}));
    REQUIRE(mb.reserved.max == 256);
    rig.boot();
    const mm::MemoryCounts before = mm::counts(rig.k);
    for (u64 i = 200; i < 300; ++i) REQUIRE(memblock::reserve(mb, {{t.ram.end().value + 2 * i * kMiB}, 4096}));
    // Two pages of 256 regions come back, three for 512 are taken.
    CHECK(mm::counts(rig.k).managed_pages == before.managed_pages + 2);
    CHECK(mm::counts(rig.k).free_pages == before.free_pages + 2 - 3);
    CHECK(rig.audit() == "");
    CHECK(rig.machine.wrong_owners == 0);
}

TEST_CASE("memblock after boot: without a page to grow into, an operation is ENOMEM and changes nothing") {
    const TestGeometry& t = kTestGeometries[1];
    PageRig rig(t.id, t.ram);
    rig.boot();
    Memblock& mb = rig.k.memblock;
    rig.k.alloc_failure = {
        .site = static_cast<u32>(AllocSite::kMemblockArray) + 1, .lasting = 1, .nth = 1, .seen = 0, .failed = 0};
    Status last;
    u64 i = 0;
    for (; i < 1000 && last; ++i) last = memblock::add(mb, {{t.ram.end().value + kGiB + 2 * i * kMiB}, kMiB});
    CHECK(last.error() == Errno::kENOMEM);
    CHECK(mb.memory.cnt == 128);
    CHECK(mb.memory.cnt == i);
    rig.k.alloc_failure = {};
    CHECK(memblock::add(mb, {{t.ram.end().value + 8 * kGiB}, kMiB}));
    CHECK(mb.memory.cnt == 129);
}

}  // namespace
}  // namespace baton::test
