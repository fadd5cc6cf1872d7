// SPDX-License-Identifier: GPL-2.0-only
// Pages handed out and taken back: blocks, folios, runs, wrong frees, overwritten lists (specs/boot.md §8, §9).
#include "model/mm/page_internal.hpp"
#include "tests/catch.hpp"
#include "tests/support/page_rig.hpp"

namespace baton::test {
namespace {

// State of an allocated page with nothing special about it.
inline constexpr PageStateFlag kPlain{};

TEST_CASE("struct page has Linux's layout") {
    CHECK(offsetof(Page, flags) == 0x00);
    CHECK(offsetof(Page, next) == 0x08);
    CHECK(offsetof(Page, mapping) == 0x18);
    CHECK(offsetof(Page, index) == 0x20);
    CHECK(offsetof(Page, private_data) == 0x28);
    CHECK(offsetof(Page, page_type) == 0x30);
    CHECK(offsetof(Page, refcount) == 0x34);
    CHECK(offsetof(Page, site) == 0x38);
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
                const auto a = mm::alloc_pages(rig.k, {o}, flags, AllocSite::kUser);
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
            const auto a = mm::alloc_run(rig.k, pages, kAllocMovable, AllocSite::kUser);
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
    CHECK(mm::alloc_pages(rig.k, {11}, 0, AllocSite::kUser).error() == Errno::kENOMEM);
    CHECK(mm::alloc_pages(rig.k, {60}, 0, AllocSite::kUser).error() == Errno::kENOMEM);
    CHECK(mm::alloc_run(rig.k, 1025, 0, AllocSite::kUser).error() == Errno::kENOMEM);
    CHECK(mm::alloc_run(rig.k, ~u64{0}, 0, AllocSite::kUser).error() == Errno::kENOMEM);
    CHECK(mm::alloc_run(rig.k, 0, 0, AllocSite::kUser).error() == Errno::kEINVAL);
    CHECK_FALSE(mm::page_of(rig.k, {kTiB}));
    CHECK(mm::page_of(rig.k, {64 * kMiB}));  // same section: it has a struct page, though no memory
}

TEST_CASE("page allocator: cleared pages are cleared, others keep their bytes") {
    PageRig rig(GeometryId::kAArch64_16K, {{kGiB}, 256 * kMiB});
    rig.boot();
    const PhysAddr dirty = *mm::alloc_pages(rig.k, {1}, 0, AllocSite::kUser);
    std::memset(ram::write<u8>(dirty, 2 * rig.page()), 0x5a, 2 * rig.page());
    mm::free_pages(rig.k, dirty, {1});
    CHECK(*mm::alloc_pages(rig.k, {1}, 0, AllocSite::kUser) == dirty);  // last in, first out
    CHECK(*ram::read<u8>(dirty + 9) == 0x5a);
    mm::free_pages(rig.k, dirty, {1});
    const u64 zeroed = rig.machine.charged(Work::kPagesZeroed);
    REQUIRE(*mm::alloc_pages(rig.k, {1}, kAllocZero, AllocSite::kUser) == dirty);
    CHECK(rig.machine.charged(Work::kPagesZeroed) == zeroed + 2);
    for (u64 i = 0; i < 2 * rig.page(); i += 8) REQUIRE(*ram::read<u64>(dirty + i) == 0);
}

TEST_CASE("page allocator: the struct pages of a folio are Linux's") {
    PageRig rig(GeometryId::kX86_64, {{0}, 64 * kMiB});
    rig.boot();
    const PhysAddr a = *mm::alloc_pages(rig.k, {3}, kAllocCompound, AllocSite::kUser);
    const Page head = *mm::page_of(rig.k, a).get();
    const Page second = *mm::page_of(rig.k, a + 4096).get();
    CHECK((head.flags & kPgHead) != 0);
    CHECK((second.flags & 0xff) == 3);
    CHECK(second.next == (a.value >> 12 << 1 | 1));
    CHECK(mm::folio_order(rig.k, a + 4096).value == 0);
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
    const PhysAddr page = *mm::alloc_pages(rig.k, {0}, 0, AllocSite::kUser);
    const PhysAddr folio = *mm::alloc_pages(rig.k, {3}, kAllocCompound, AllocSite::kUser);
    const PhysAddr run = *mm::alloc_run(rig.k, 4, 0, AllocSite::kUser);
    mm::free_pages(rig.k, page, {0});
    is_bad([&] { mm::free_pages(rig.k, page, {0}); });         // twice
    is_bad([&] { mm::free_pages(rig.k, rig.k.image, {0}); });  // reserved
    is_bad([&] { mm::free_pages(rig.k, {kTiB}, {0}); });       // not memory
    is_bad([&] { mm::free_pages(rig.k, run + 1, {0}); });      // inside a page
    is_bad([&] { mm::free_run(rig.k, run + 1, 1); });
    is_bad([&] { mm::free_pages(rig.k, folio, {2}); });         // wrong order
    is_bad([&] { mm::free_pages(rig.k, folio + 4096, {0}); });  // a tail
    is_bad([&] { mm::free_run(rig.k, folio, 8); });             // a folio as a run
    is_bad([&] { mm::free_run(rig.k, run, ~u64{0}); });         // far too long
    is_bad([&] { mm::free_pages(rig.k, run, {63}); });
    mm::set_page_refcount(*mm::page_of(rig.k, run + 8192), 2);
    is_bad([&] { mm::free_run(rig.k, run, 4); });  // still in use
    mm::set_page_refcount(*mm::page_of(rig.k, run + 8192), 1);
    mm::set_page_refcount(*mm::page_of(rig.k, folio + 8192), 1);
    is_bad([&] { mm::free_pages(rig.k, folio, {3}); });  // a tail with a user of its own
    mm::set_page_refcount(*mm::page_of(rig.k, folio + 8192), 0);
    mm::free_pages(rig.k, folio, {3});
    mm::free_run(rig.k, run, 4);
    CHECK(rig.machine.warnings == warnings);
    CHECK(mm::counts(rig.k).free_pages == before);
}

TEST_CASE("page allocator: free lists and memmap that were overwritten are a verdict, not a crash") {
    PageRig rig(GeometryId::kX86_64, {{0}, 64 * kMiB});
    rig.boot();
    u64& head = rig.k.pages.zones[1].areas[0].head[static_cast<u32>(MigrateType::kMovable)];
    PhysAddr a = *mm::alloc_pages(rig.k, {0}, kAllocMovable, AllocSite::kUser);
    while (head == 0) a = *mm::alloc_pages(rig.k, {0}, kAllocMovable, AllocSite::kUser);
    const PhysAddr first{(head - 1) << 12};
    const auto fault_of = [&](auto&& change) {
        const Page saved = *mm::page_of(rig.k, first).get();
        change(*mm::page_of(rig.k, first));
        const sim::Fault f =
            rig.machine.run([&] { (void)mm::alloc_pages(rig.k, {0}, kAllocMovable, AllocSite::kUser); });
        *mm::page_of(rig.k, first) = saved;
        return f.kind;
    };
    CHECK(fault_of([](Page& p) { p.flags = 0; }) == sim::Fault::Kind::kAssert);
    CHECK(fault_of([](Page& p) { p.private_data = 77; }) == sim::Fault::Kind::kAssert);
    head = u64{1} << 60;
    const sim::Fault f = rig.machine.run([&] { (void)mm::alloc_pages(rig.k, {0}, kAllocMovable, AllocSite::kUser); });
    CHECK(f.kind == sim::Fault::Kind::kAssert);
    rig.k.pages.sections = {kTiB};
    const sim::Fault g = rig.machine.run([&] { (void)mm::page_of(rig.k, a); });
    CHECK(g.kind == sim::Fault::Kind::kBadAccess);
}

}  // namespace
}  // namespace baton::test
