// SPDX-License-Identifier: GPL-2.0-only
// From memblock to the page allocator: memmap, zones, what every page is, scratch-only boots (specs/memblock.md §5,
// specs/boot.md §8, decision D12).
#include "model/mm/page_internal.hpp"
#include "tests/catch.hpp"
#include "tests/support/page_rig.hpp"

namespace baton::test {
namespace {

// State of an allocated page with nothing special about it.
inline constexpr PageStateFlag kPlain{};

using mm::internal::pages_per_section;

TEST_CASE("page allocator: free_all hands over exactly what memblock has free, in whole pages") {
    for (const TestGeometry& t : kTestGeometries) {
        INFO(geometry_of(t.id).name);
        PageRig rig(t.id, t.ram, {{t.ram.start + 64 * kMiB + 100, 5000}, {t.ram.start + 100 * kMiB, 3 * kMiB}});
        rig.init();
        std::vector<bool> expected((t.ram.end().value >> rig.g.page_shift) + 1);
        u64 free_pages = 0;
        memblock::FreeCursor cursor;
        FreeRange f;
        while (memblock::next_free(rig.k.memblock, cursor, f)) {
            const u64 first = align_up(f.range.start, rig.page()).value >> rig.g.page_shift;
            for (u64 p = first; p < f.range.end().value >> rig.g.page_shift; ++p, ++free_pages) expected[p] = true;
        }
        rig.free_all();
        std::map<u64, u32> blocks;
        CHECK(rig.audit(&blocks) == "");
        std::vector<bool> seen(expected.size());
        for (const auto& [pfn, order] : blocks)
            for (u64 i = 0; i < Order{order}.pages(); ++i) seen[pfn + i] = true;
        CHECK(seen == expected);
        const mm::MemoryCounts c = mm::counts(rig.k);
        CHECK(c.free_pages == free_pages);
        CHECK(c.managed_pages == free_pages);
        CHECK(c.cma_free_pages == 0);
        CHECK(rig.k.pages.total_pages > free_pages);
        CHECK(rig.machine.wrong_owners == 0);
    }
}

TEST_CASE("page allocator: every page knows what it is without its struct page having been touched") {
    for (const TestGeometry& t : kTestGeometries) {
        INFO(geometry_of(t.id).name);
        const PhysRange noinit{t.ram.start + 80 * kMiB, 4 * kMiB};
        PageRig rig(t.id, t.ram);
        memblock::reserve(rig.k.memblock, noinit, kNoNode, kMemblockReservedNoinit).value();
        rig.boot();
        std::map<u64, u32> blocks;
        REQUIRE(rig.audit(&blocks) == "");
        std::vector<bool> free((t.ram.end().value >> rig.g.page_shift) + 1);
        for (const auto& [pfn, order] : blocks)
            for (u64 i = 0; i < Order{order}.pages(); ++i) free[pfn + i] = true;
        for (u64 p = t.ram.start.value >> rig.g.page_shift; p < t.ram.end().value >> rig.g.page_shift; ++p) {
            const PhysAddr a = rig.g.phys_of({p});
            const u64 flags = rig.state(a);
            const bool preserved = noinit.contains(a);
            const u64 expected = free[p] ? kPageFree : preserved ? kPlain : kPageReserved;
            if (flags != expected) FAIL("pfn " << p << ": flags " << flags);
        }
        u64 touched = 0;
        for (u64 s = 0; s < rig.k.pages.section_count; ++s)
            if (const auto* section =
                    mm::internal::section_of(rig.k, {(rig.k.pages.first_section + s) * pages_per_section(rig.g)}))
                touched += section->memmap_pages;
        CHECK(touched <= blocks.size());  // heads of free blocks only
        // Looking makes it real, and says the same.
        for (u64 p = t.ram.start.value >> rig.g.page_shift; p < t.ram.end().value >> rig.g.page_shift; p += 7)
            if (rig.refcount(rig.g.phys_of({p})) != (free[p] ? 0 : 1)) FAIL("refcount of pfn " << p);
        CHECK(rig.audit() == "");
    }
}

TEST_CASE("page allocator: zones are Linux's") {
    SECTION("x86-64: 16 MiB and 4 GiB") {
        PageRig rig(GeometryId::kX86_64, {{0}, 5 * kGiB});
        rig.boot();
        const Zone* z = rig.k.pages.zones;
        CHECK(z[0].end.value == 0x1000);
        CHECK(z[1].start.value == 0x1000);
        CHECK(z[1].end.value == 0x100000);
        CHECK(z[2].end.value == 0x140000);
        CHECK(z[2].managed_pages > z[0].managed_pages);
        // Normal is used first; DMA asks for what lies below 4 GiB, DMA32 first.
        CHECK(*mm::alloc_pages(rig.k, {0}, 0, AllocSite::kUser) >= PhysAddr{4 * kGiB});
        const PhysAddr low = *mm::alloc_pages(rig.k, {0}, kAllocDma, AllocSite::kUser);
        CHECK(low < PhysAddr{4 * kGiB});
        CHECK(low >= PhysAddr{16 * kMiB});
        CHECK(rig.audit() == "");
    }
    SECTION("x86-64: when Normal is used up, the lower zones serve") {
        PageRig rig(GeometryId::kX86_64, {{0}, 4 * kGiB + 8 * kMiB});
        rig.boot();
        bool low = false;
        for (u64 i = 0; i < 4 && !low; ++i)
            low = *mm::alloc_pages(rig.k, {10}, 0, AllocSite::kUser) < PhysAddr{4 * kGiB};
        CHECK(low);
        CHECK(rig.audit() == "");
    }
    SECTION("AArch64: DMA ends with RAM or at 4 GiB") {
        PageRig rig(GeometryId::kAArch64_4K, {{kGiB}, 264 * kMiB});
        rig.boot();
        CHECK(rig.k.pages.zones[0].end == rig.g.pfn_of({kGiB + 264 * kMiB}));
        CHECK(rig.k.pages.zones[1].start == rig.k.pages.zones[1].end);
        CHECK(rig.k.pages.zones[2].start == rig.k.pages.zones[2].end);
        CHECK(mm::alloc_pages(rig.k, {0}, kAllocDma, AllocSite::kUser).has_value());
    }
    SECTION("AArch64: RAM on both sides of 4 GiB") {
        PageRig rig(GeometryId::kAArch64_64K, {{kGiB}, 4 * kGiB});
        rig.boot();
        CHECK(rig.k.pages.zones[0].end == rig.g.pfn_of({4 * kGiB}));
        CHECK(rig.k.pages.zones[2].end == rig.g.pfn_of({5 * kGiB}));
        CHECK(*mm::alloc_pages(rig.k, {0}, kAllocDma, AllocSite::kUser) < PhysAddr{4 * kGiB});
        CHECK(rig.audit() == "");
    }
    SECTION("AArch64: RAM above 4 GiB only is all DMA") {
        PageRig rig(GeometryId::kAArch64_4K, {{8 * kGiB}, 256 * kMiB});
        rig.boot();
        CHECK(rig.k.pages.zones[0].end == rig.g.pfn_of({8 * kGiB + 256 * kMiB}));
    }
}

TEST_CASE("page allocator: the memmap is charged when Linux would pay, and is cleared only where it is used") {
    PageRig rig(GeometryId::kX86_64, {{0}, 512 * kMiB});
    rig.init();
    CHECK(rig.machine.charged(Work::kStructPages) == 4 * 32768);
    rig.free_all();
    CHECK(rig.machine.charged(Work::kStructPages) > 4 * 32768);  // reserved pages are marked
    CHECK(rig.k.pages.zones[1].untouched_sections == 2);
    const auto* section = mm::internal::section_of(rig.k, {32768});
    REQUIRE(section != nullptr);
    CHECK(section->memmap_pages == 0);
    CHECK(*ram::read<u8>(section->memmap) == 0xa5);
    (void)mm::page_of(rig.k, {200 * kMiB});
    CHECK(section->memmap_pages == 1);
}

TEST_CASE("page allocator: untouched sections are the last to be used and count as free") {
    PageRig rig(GeometryId::kX86_64, {{0}, 512 * kMiB});
    rig.boot();
    const mm::MemoryCounts fresh = mm::counts(rig.k);
    std::vector<PhysAddr> all;
    while (const auto a = mm::alloc_pages(rig.k, {10}, kAllocMovable, AllocSite::kUser)) {
        REQUIRE(rig.audit() == "");
        all.push_back(*a);
    }
    CHECK(rig.k.pages.zones[1].untouched_sections == 0);
    CHECK(mm::counts(rig.k).free_pages == fresh.free_pages - all.size() * 1024);
    for (const PhysAddr a : all) mm::free_pages(rig.k, a, {10});
    CHECK(mm::counts(rig.k).free_pages == fresh.free_pages);
    CHECK(rig.audit() == "");
    CHECK(rig.machine.wrong_owners == 0);
}

TEST_CASE("page allocator: preserved pages keep their stamp and can be freed only once restored or as they are") {
    PageRig rig(GeometryId::kX86_64, {{0}, 64 * kMiB});
    const PhysRange block{{48 * kMiB}, 32 * kKiB};
    rig.machine.own(block, Owner::kNobody, Owner::kKernel);
    memblock::reserve(rig.k.memblock, block).value();
    memblock::set_reserved_flag(rig.k.memblock, block, kMemblockReservedNoinit, true).value();
    rig.init();
    mm::page_of(rig.k, block.start)->private_data = 0x4b484f5000000003;
    rig.free_all();
    const mm::MemoryCounts before = mm::counts(rig.k);
    CHECK(mm::page_of(rig.k, block.start).get()->private_data == 0x4b484f5000000003);
    CHECK(rig.state(block.start) == 0);
    CHECK(rig.refcount(block.start + 4096) == 1);
    // As restore does it.
    mm::page_of(rig.k, block.start)->private_data = 0;
    for (u64 i = 0; i < 8; ++i) mm::set_page_refcount(*mm::page_of(rig.k, block.start + i * 4096), i == 0 ? 1 : 0);
    mm::prep_compound(rig.k, block.start, {3});
    mm::adjust_managed(rig.k, block.start, 8);
    CHECK(mm::folio_order(rig.k, block.start).value == 3);
    mm::free_pages(rig.k, block.start, {3});
    CHECK(rig.machine.warnings == 0);
    CHECK(mm::counts(rig.k).free_pages == before.free_pages + 8);
    CHECK(mm::counts(rig.k).managed_pages == before.managed_pages + 8);
    CHECK(rig.audit() == "");
}

TEST_CASE("page allocator: on a scratch-only boot the memmap comes from scratch, then the mode ends") {
    PageRig rig(GeometryId::kX86_64, {{0}, 512 * kMiB});
    const PhysRange scratch{{128 * kMiB}, 16 * kMiB};
    memblock::set_memory_flag(rig.k.memblock, scratch, kMemblockKhoScratch, true).value();
    rig.k.memblock.scratch_only = 1;
    rig.init();
    CHECK(scratch.contains(rig.k.pages.sections));
    for (u64 s = 0; s < 4; ++s) {
        const auto* section = mm::internal::section_of(rig.k, {s * 32768});
        CHECK(scratch.contains({section->memmap, 2 * kMiB}));
        CHECK(scratch.contains(section->pageblocks));
    }
    rig.free_all();
    CHECK(rig.k.memblock.scratch_only == 0);
    CHECK(rig.audit() == "");

    PageRig small(GeometryId::kX86_64, {{0}, 512 * kMiB});
    memblock::set_memory_flag(small.k.memblock, {{128 * kMiB}, 4 * kMiB}, kMemblockKhoScratch, true).value();
    small.k.memblock.scratch_only = 1;
    const sim::Fault fault = small.machine.run([&] { small.init(); });
    CHECK(fault.kind == sim::Fault::Kind::kPanic);
    CHECK(fault.log == Log::kPanicEarlyAlloc);
}

TEST_CASE("page allocator: holes have struct pages in a section with memory, and none elsewhere") {
    PageRig rig(GeometryId::kX86_64, {{0}, 512 * kMiB});
    memblock::remove(rig.k.memblock, {{0xa0000}, 0x60000}).value();
    memblock::remove(rig.k.memblock, {{128 * kMiB}, 128 * kMiB}).value();
    memblock::set_memory_flag(rig.k.memblock, {{400 * kMiB}, kMiB}, kMemblockNomap, true).value();
    rig.boot();
    CHECK(rig.state({0xa0000}) == kPageReserved);
    CHECK(rig.state({400 * kMiB}) == kPageReserved);
    CHECK_FALSE(mm::page_of(rig.k, {130 * kMiB}));
    CHECK(rig.audit() == "");
    CHECK(rig.k.pages.total_pages == (384 * kMiB - 0x60000) / 4096);
    while (const auto a = mm::alloc_pages(rig.k, {10}, kAllocMovable, AllocSite::kUser))
        if (PhysRange{{128 * kMiB}, 128 * kMiB}.contains(*a)) FAIL("memory in a hole");
}

}  // namespace
}  // namespace baton::test
