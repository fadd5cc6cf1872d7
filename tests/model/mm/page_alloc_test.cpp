// SPDX-License-Identifier: GPL-2.0-only
// The page allocator by example: boot, zones, folios, runs, migrate types, CMA, bad pages (specs/boot.md §8, §9;
// specs/memblock.md §5).
#include "model/mm/page_internal.hpp"
#include "tests/catch.hpp"
#include "tests/support/page_rig.hpp"

namespace baton::test {
namespace {

using mm::internal::pageblock_pages;
using mm::internal::pages_per_section;

// State of an allocated page with nothing special about it.
inline constexpr PageStateFlag kPlain{};

u64 type_count(const PageRig& rig, MigrateType type) {
    u64 pages = 0;
    for (const Zone& z : rig.k.pages.zones)
        for (u32 o = 0; o <= rig.g.max_order; ++o) pages += z.areas[o].count[static_cast<u32>(type)] << o;
    return pages;
}

TEST_CASE("struct page has Linux's layout") {
    CHECK(offsetof(Page, flags) == 0x00);
    CHECK(offsetof(Page, next) == 0x08);
    CHECK(offsetof(Page, mapping) == 0x18);
    CHECK(offsetof(Page, index) == 0x20);
    CHECK(offsetof(Page, private_data) == 0x28);
    CHECK(offsetof(Page, page_type) == 0x30);
    CHECK(offsetof(Page, refcount) == 0x34);
    CHECK(offsetof(Page, memcg) == 0x38);
}

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
            if (const auto* section = mm::internal::section_of(rig.k, {(rig.k.pages.first_section + s) * pages_per_section(rig.g)}))
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
        CHECK(*mm::alloc_pages(rig.k, {0}, 0) >= PhysAddr{4 * kGiB});
        const PhysAddr low = *mm::alloc_pages(rig.k, {0}, kAllocDma);
        CHECK(low < PhysAddr{4 * kGiB});
        CHECK(low >= PhysAddr{16 * kMiB});
        CHECK(rig.audit() == "");
    }
    SECTION("x86-64: when Normal is used up, the lower zones serve") {
        PageRig rig(GeometryId::kX86_64, {{0}, 4 * kGiB + 8 * kMiB});
        rig.boot();
        bool low = false;
        for (u64 i = 0; i < 4 && !low; ++i) low = *mm::alloc_pages(rig.k, {10}, 0) < PhysAddr{4 * kGiB};
        CHECK(low);
        CHECK(rig.audit() == "");
    }
    SECTION("AArch64: DMA ends with RAM or at 4 GiB") {
        PageRig rig(GeometryId::kAArch64_4K, {{kGiB}, 264 * kMiB});
        rig.boot();
        CHECK(rig.k.pages.zones[0].end == rig.g.pfn_of({kGiB + 264 * kMiB}));
        CHECK(rig.k.pages.zones[1].start == rig.k.pages.zones[1].end);
        CHECK(rig.k.pages.zones[2].start == rig.k.pages.zones[2].end);
        CHECK(mm::alloc_pages(rig.k, {0}, kAllocDma).has_value());
    }
    SECTION("AArch64: RAM on both sides of 4 GiB") {
        PageRig rig(GeometryId::kAArch64_64K, {{kGiB}, 4 * kGiB});
        rig.boot();
        CHECK(rig.k.pages.zones[0].end == rig.g.pfn_of({4 * kGiB}));
        CHECK(rig.k.pages.zones[2].end == rig.g.pfn_of({5 * kGiB}));
        CHECK(*mm::alloc_pages(rig.k, {0}, kAllocDma) < PhysAddr{4 * kGiB});
        CHECK(rig.audit() == "");
    }
    SECTION("AArch64: RAM above 4 GiB only is all DMA") {
        PageRig rig(GeometryId::kAArch64_4K, {{8 * kGiB}, 256 * kMiB});
        rig.boot();
        CHECK(rig.k.pages.zones[0].end == rig.g.pfn_of({8 * kGiB + 256 * kMiB}));
    }
}

TEST_CASE("page allocator: blocks, folios and runs of every order, and back") {
    for (const TestGeometry& t : kTestGeometries) {
        INFO(geometry_of(t.id).name);
        PageRig rig(t.id, t.ram);
        rig.boot();
        const mm::MemoryCounts fresh = mm::counts(rig.k);
        for (u32 o = 0; o <= rig.g.max_order; ++o) {
            for (const u32 flags : {0u, u32{kAllocCompound}, kAllocCompound | kAllocUser | kAllocMovable}) {
                const bool folio = (flags & kAllocCompound) != 0;
                const auto a = mm::alloc_pages(rig.k, {o}, flags);
                if (!a && o == rig.g.max_order) continue;  // 64K pages: one block of 512 MiB may be all there is
                REQUIRE(a.has_value());
                CHECK(is_aligned(*a, rig.g.bytes_of({o})));
                CHECK(mm::folio_order(rig.k, *a).value == (folio ? o : 0));
                CHECK(rig.refcount(*a) == 1);
                if (o != 0) {
                    const PhysAddr last = *a + rig.g.bytes_of({o}) - rig.page();
                    CHECK(rig.refcount(last) == (folio ? 0 : 1));
                    CHECK(rig.state(last) == (folio ? kPageTail : kPlain));
                    CHECK(rig.state(*a) == (folio ? kPageHead : kPlain));
                }
                const Owner owner = (flags & kAllocUser) != 0 ? Owner::kUser : Owner::kKernel;
                CHECK(mm::page_owner(rig.k, *a) == owner);
                CHECK(rig.machine.owner_at(*a) == owner);
                CHECK(mm::counts(rig.k).free_pages == fresh.free_pages - Order{o}.pages());
                CHECK(rig.audit() == "");
                mm::free_pages(rig.k, *a, {o});
                CHECK(rig.state(*a) == kPageFree);
                CHECK(rig.machine.owner_at(*a) == Owner::kFree);
            }
        }
        for (const u64 pages : {1u, 3u, 5u, 64u, 100u, 1023u}) {
            const auto a = mm::alloc_run(rig.k, pages, kAllocMovable);
            REQUIRE(a.has_value());
            CHECK(mm::counts(rig.k).free_pages == fresh.free_pages - pages);
            CHECK(rig.state(*a + (pages - 1) * rig.page()) == 0);
            CHECK(rig.audit() == "");
            mm::free_run(rig.k, *a, pages);
        }
        CHECK(mm::counts(rig.k).free_pages == fresh.free_pages);
        CHECK(rig.audit() == "");
        CHECK(rig.machine.warnings == 0);
        CHECK(rig.machine.wrong_owners == 0);
    }
}

TEST_CASE("page allocator: impossible requests") {
    PageRig rig(GeometryId::kX86_64, {{0}, 64 * kMiB});
    rig.boot();
    CHECK(mm::alloc_pages(rig.k, {11}, 0).error() == Errno::kENOMEM);
    CHECK(mm::alloc_pages(rig.k, {60}, 0).error() == Errno::kENOMEM);
    CHECK(mm::alloc_run(rig.k, 1025, 0).error() == Errno::kENOMEM);
    CHECK(mm::alloc_run(rig.k, ~u64{0}, 0).error() == Errno::kENOMEM);
    CHECK(mm::alloc_run(rig.k, 0, 0).error() == Errno::kEINVAL);
    CHECK_FALSE(mm::page_of(rig.k, {kTiB}));
    CHECK(mm::page_of(rig.k, {64 * kMiB}));  // same section: it has a struct page, though no memory
}

TEST_CASE("page allocator: cleared pages are cleared, others keep their bytes") {
    PageRig rig(GeometryId::kAArch64_16K, {{kGiB}, 256 * kMiB});
    rig.boot();
    const PhysAddr dirty = *mm::alloc_pages(rig.k, {1}, 0);
    std::memset(ram::write<u8>(dirty, 2 * rig.page()), 0x5a, 2 * rig.page());
    mm::free_pages(rig.k, dirty, {1});
    CHECK(*mm::alloc_pages(rig.k, {1}, 0) == dirty);  // last in, first out
    CHECK(*ram::read<u8>(dirty + 9) == 0x5a);
    mm::free_pages(rig.k, dirty, {1});
    const u64 zeroed = rig.machine.charged(Work::kPagesZeroed);
    REQUIRE(*mm::alloc_pages(rig.k, {1}, kAllocZero) == dirty);
    CHECK(rig.machine.charged(Work::kPagesZeroed) == zeroed + 2);
    for (u64 i = 0; i < 2 * rig.page(); i += 8) REQUIRE(*ram::read<u64>(dirty + i) == 0);
}

TEST_CASE("page allocator: the struct pages of a folio are Linux's") {
    PageRig rig(GeometryId::kX86_64, {{0}, 64 * kMiB});
    rig.boot();
    const PhysAddr a = *mm::alloc_pages(rig.k, {3}, kAllocCompound);
    const Page head = *mm::page_of(rig.k, a).get();
    const Page second = *mm::page_of(rig.k, a + 4096).get();
    CHECK((head.flags & kPgHead) != 0);
    CHECK((second.flags & 0xff) == 3);
    CHECK(second.next == (a.value >> 12 << 1 | 1));
    CHECK(mm::folio_order(rig.k, a + 4096).value == 0);
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
    while (const auto a = mm::alloc_pages(rig.k, {10}, kAllocMovable)) {
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

TEST_CASE("page allocator: a wrong free is reported and leaked") {
    PageRig rig(GeometryId::kX86_64, {{0}, 64 * kMiB});
    rig.boot();
    const u64 before = mm::counts(rig.k).free_pages;
    u64 warnings = 0;
    const auto is_bad = [&](auto&& free) {
        rig.machine.logs.clear();
        const u64 free_before = mm::counts(rig.k).free_pages;
        CHECK(rig.machine.run(free).kind == sim::Fault::Kind::kNone);
        CHECK(rig.machine.warnings == ++warnings);
        CHECK(rig.machine.logged(Log::kBadPageState));
        CHECK(mm::counts(rig.k).free_pages == free_before);
        CHECK(rig.audit() == "");
    };
    const PhysAddr page = *mm::alloc_pages(rig.k, {0}, 0);
    const PhysAddr folio = *mm::alloc_pages(rig.k, {3}, kAllocCompound);
    const PhysAddr run = *mm::alloc_run(rig.k, 4, 0);
    mm::free_pages(rig.k, page, {0});
    is_bad([&] { mm::free_pages(rig.k, page, {0}); });                  // twice
    is_bad([&] { mm::free_pages(rig.k, rig.k.image, {0}); });           // reserved
    is_bad([&] { mm::free_pages(rig.k, {kTiB}, {0}); });                // not memory
    is_bad([&] { mm::free_pages(rig.k, run + 1, {0}); });               // inside a page
    is_bad([&] { mm::free_run(rig.k, run + 1, 1); });
    is_bad([&] { mm::free_pages(rig.k, folio, {2}); });                 // wrong order
    is_bad([&] { mm::free_pages(rig.k, folio + 4096, {0}); });          // a tail
    is_bad([&] { mm::free_run(rig.k, folio, 8); });                     // a folio as a run
    is_bad([&] { mm::free_run(rig.k, run, ~u64{0}); });                 // far too long
    is_bad([&] { mm::free_pages(rig.k, run, {63}); });
    mm::set_page_refcount(*mm::page_of(rig.k, run + 8192), 2);
    is_bad([&] { mm::free_run(rig.k, run, 4); });                       // still in use
    mm::set_page_refcount(*mm::page_of(rig.k, run + 8192), 1);
    mm::set_page_refcount(*mm::page_of(rig.k, folio + 8192), 1);
    is_bad([&] { mm::free_pages(rig.k, folio, {3}); });                 // a tail with a user of its own
    mm::set_page_refcount(*mm::page_of(rig.k, folio + 8192), 0);
    mm::free_pages(rig.k, folio, {3});
    mm::free_run(rig.k, run, 4);
    CHECK(rig.machine.warnings == warnings);
    CHECK(mm::counts(rig.k).free_pages == before);
}

TEST_CASE("page allocator: unmovable memory takes the largest movable block, and takes its pageblocks with it") {
    PageRig rig(GeometryId::kX86_64, {{0}, 64 * kMiB});
    rig.boot();
    CHECK(type_count(rig, MigrateType::kUnmovable) == 0);
    const PhysAddr a = *mm::alloc_pages(rig.k, {0}, 0);
    CHECK(mm::pageblock_type(rig.k, a) == MigrateType::kUnmovable);
    CHECK(type_count(rig, MigrateType::kUnmovable) == 1023);
    const PhysAddr b = *mm::alloc_pages(rig.k, {0}, 0);
    CHECK(b.value >> 22 == a.value >> 22);
    const PhysAddr c = *mm::alloc_pages(rig.k, {0}, kAllocMovable);
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
        while (const auto a = mm::alloc_pages(rig.k, {2}, 0)) {
            if (cma.contains(*a)) FAIL("unmovable memory in CMA");
            kernel.push_back(*a);
        }
        CHECK(mm::counts(rig.k).cma_free_pages == fresh.cma_free_pages);
        const auto movable = mm::alloc_pages(rig.k, {2}, kAllocMovable);
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
    while (const auto a = mm::alloc_pages(rig.k, {10}, kAllocMovable))
        if (PhysRange{{128 * kMiB}, 128 * kMiB}.contains(*a)) FAIL("memory in a hole");
}

TEST_CASE("page allocator: free lists and memmap that were overwritten are a verdict, not a crash") {
    PageRig rig(GeometryId::kX86_64, {{0}, 64 * kMiB});
    rig.boot();
    u64& head = rig.k.pages.zones[1].areas[0].head[static_cast<u32>(MigrateType::kMovable)];
    PhysAddr a = *mm::alloc_pages(rig.k, {0}, kAllocMovable);
    while (head == 0) a = *mm::alloc_pages(rig.k, {0}, kAllocMovable);
    const PhysAddr first{(head - 1) << 12};
    const auto fault_of = [&](auto&& change) {
        const Page saved = *mm::page_of(rig.k, first).get();
        change(*mm::page_of(rig.k, first));
        const sim::Fault f = rig.machine.run([&] { (void)mm::alloc_pages(rig.k, {0}, kAllocMovable); });
        *mm::page_of(rig.k, first) = saved;
        return f.kind;
    };
    CHECK(fault_of([](Page& p) { p.flags = 0; }) == sim::Fault::Kind::kAssert);
    CHECK(fault_of([](Page& p) { p.private_data = 77; }) == sim::Fault::Kind::kAssert);
    head = u64{1} << 60;
    const sim::Fault f = rig.machine.run([&] { (void)mm::alloc_pages(rig.k, {0}, kAllocMovable); });
    CHECK(f.kind == sim::Fault::Kind::kAssert);
    rig.k.pages.sections = {kTiB};
    const sim::Fault g = rig.machine.run([&] { (void)mm::page_of(rig.k, a); });
    CHECK(g.kind == sim::Fault::Kind::kBadAccess);
}

}  // namespace
}  // namespace baton::test
