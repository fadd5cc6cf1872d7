// SPDX-License-Identifier: GPL-2.0-only
// Migrate types and CMA: who may use which pageblock, and scratch becoming CMA (specs/kho.md §3.1, §3.9.2).
#include "model/mm/page_internal.hpp"
#include "tests/catch.hpp"
#include "tests/support/page_rig.hpp"

namespace baton::test {
namespace {

u64 type_count(const PageRig& rig, MigrateType type) {
    u64 pages = 0;
    for (const Zone& z : rig.k.pages.zones)
        for (u32 o = 0; o <= rig.g.max_order; ++o) pages += z.areas[o].count[static_cast<u32>(type)] << o;
    return pages;
}

TEST_CASE("page allocator: unmovable memory takes the largest movable block, and takes its pageblocks with it") {
    PageRig rig(GeometryId::kX86_64, {{0}, 64 * kMiB});
    rig.boot();
    CHECK(type_count(rig, MigrateType::kUnmovable) == 0);
    const PhysAddr a = *mm::alloc_pages(rig.k, {0}, 0, AllocSite::kUser);
    CHECK(mm::pageblock_type(rig.k, a) == MigrateType::kUnmovable);
    CHECK(type_count(rig, MigrateType::kUnmovable) == 1023);
    const PhysAddr b = *mm::alloc_pages(rig.k, {0}, 0, AllocSite::kUser);
    CHECK(b.value >> 22 == a.value >> 22);
    const PhysAddr c = *mm::alloc_pages(rig.k, {0}, kAllocMovable, AllocSite::kUser);
    CHECK(mm::pageblock_type(rig.k, c) == MigrateType::kMovable);
    CHECK(c.value >> 22 != a.value >> 22);
    CHECK(rig.audit() == "");
}

TEST_CASE("page allocator: CMA serves movable memory only, first while it is most of what is free") {
    for (const TestGeometry& t : kTestGeometries) {
        INFO(geometry_of(t.id).name);
        PageRig rig(t.id, t.ram);
        const u64 block = rig.g.pageblock_bytes();
        const PhysAddr start = align_up(t.ram.start + 16 * kMiB, block);
        const u64 blocks = std::min<u64>(8, (t.ram.end() - start) / block);
        REQUIRE(blocks != 0);
        const PhysRange cma{start, blocks * block};
        rig.init();
        mm::set_cma(rig.k, cma, false);
        CHECK(mm::pageblock_type(rig.k, cma.start) == MigrateType::kCma);
        rig.free_all();
        CHECK(rig.audit() == "");
        const mm::MemoryCounts fresh = mm::counts(rig.k);
        CHECK(fresh.cma_free_pages == cma.size >> rig.g.page_shift);
        std::vector<PhysAddr> kernel;
        while (const auto a = mm::alloc_pages(rig.k, {2}, 0, AllocSite::kUser)) {
            if (cma.contains(*a)) FAIL("unmovable memory in CMA");
            kernel.push_back(*a);
        }
        CHECK(mm::counts(rig.k).cma_free_pages == fresh.cma_free_pages);
        const auto movable = mm::alloc_pages(rig.k, {2}, kAllocMovable, AllocSite::kUser);
        REQUIRE(movable.has_value());
        CHECK(cma.contains(*movable));
        CHECK((rig.state(*movable) & kPageCma) != 0);
        CHECK(mm::counts(rig.k).cma_free_pages == fresh.cma_free_pages - 4);
        mm::free_pages(rig.k, *movable, {2});
        for (const PhysAddr a : kernel) mm::free_pages(rig.k, a, {2});
        CHECK(mm::counts(rig.k).free_pages == fresh.free_pages);
        CHECK(mm::counts(rig.k).cma_free_pages == fresh.cma_free_pages);
        CHECK(rig.audit() == "");
    }
}

TEST_CASE("page allocator: movable memory takes CMA first while more than half of what is free is CMA") {
    for (const u64 cma_mib : {40, 20}) {
        PageRig rig(GeometryId::kX86_64, {{16 * kMiB}, 64 * kMiB});
        rig.init();
        mm::set_cma(rig.k, {{24 * kMiB}, cma_mib * kMiB}, false);
        rig.free_all();
        const PhysAddr a = *mm::alloc_pages(rig.k, {0}, kAllocMovable, AllocSite::kUser);
        CHECK((mm::pageblock_type(rig.k, a) == MigrateType::kCma) == (cma_mib == 40));
    }
}

TEST_CASE("page allocator: reserved scratch is released to CMA on a cold boot") {
    for (const TestGeometry& t : kTestGeometries) {
        INFO(geometry_of(t.id).name);
        PageRig rig(t.id, t.ram);
        const u64 block = rig.g.pageblock_bytes();
        const PhysRange scratch{align_up(t.ram.start + 16 * kMiB, block), 2 * block};
        const u64 pages = scratch.size >> rig.g.page_shift;
        if (scratch.end() > t.ram.end()) continue;  // 64K pages: a pageblock is 512 MiB
        memblock::reserve_kern(rig.k.memblock, scratch).value();
        rig.machine.own(scratch, Owner::kNobody, Owner::kScratch);
        rig.boot();
        const mm::MemoryCounts before = mm::counts(rig.k);
        CHECK(rig.state(scratch.start) == kPageReserved);
        mm::set_cma(rig.k, scratch, true);
        CHECK(rig.audit() == "");
        const mm::MemoryCounts after = mm::counts(rig.k);
        CHECK(after.free_pages == before.free_pages + pages);
        CHECK(after.managed_pages == before.managed_pages + pages);
        CHECK(after.cma_free_pages == pages);
        CHECK(rig.state(scratch.start + rig.page()) == (kPageFree | kPageCma));
        CHECK(rig.machine.wrong_owners == 0);
        const sim::Fault twice = rig.machine.run([&] { mm::set_cma(rig.k, scratch, true); });
        CHECK(twice.kind == sim::Fault::Kind::kAssert);
    }
}

TEST_CASE("page allocator: scratch that is not aligned colours its neighbours and stays consistent (kho.md B26)") {
    PageRig rig(GeometryId::kX86_64, {{0}, 512 * kMiB});
    const PhysRange scratch{{33 * kMiB}, 17 * kMiB};
    memblock::reserve_kern(rig.k.memblock, scratch).value();
    rig.machine.own(scratch, Owner::kNobody, Owner::kScratch);
    rig.boot();
    mm::set_cma(rig.k, scratch, true);
    CHECK(rig.audit() == "");
    CHECK(mm::pageblock_type(rig.k, {32 * kMiB}) == MigrateType::kCma);
    CHECK(mm::counts(rig.k).cma_free_pages == 18 * kMiB / 4096);
    // Free blocks larger than a pageblock, and untouched sections, are cut where the type changes.
    mm::set_cma(rig.k, {{62 * kMiB}, 2 * kMiB}, false);
    mm::set_cma(rig.k, {{300 * kMiB}, 2 * kMiB}, false);
    CHECK(rig.audit() == "");
    CHECK(mm::counts(rig.k).cma_free_pages == 22 * kMiB / 4096);
}

}  // namespace
}  // namespace baton::test
