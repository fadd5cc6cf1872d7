// SPDX-License-Identifier: GPL-2.0-only
// Long-term pins and migration (specs/kho.md §4.3, B42), on every geometry.
#include "model/mm/pin.hpp"

#include "model/bits.hpp"
#include "model/mm/migrate.hpp"
#include "tests/catch.hpp"
#include "tests/support/page_rig.hpp"

namespace baton::test {
namespace {

inline constexpr u32 kUserMovable = kAllocUser | kAllocMovable;

/// A machine of which the upper half is CMA, and everything else taken.
struct CmaRig : PageRig {
    CmaRig(GeometryId id, PhysRange ram) : PageRig(id, ram) {
        init();
        const u64 block = g.pageblock_bytes();
        cma = {align_up(ram.start + ram.size / 2, block), block};
        mm::set_cma(k, cma, false);
        free_all();
        while (const auto page = mm::alloc_pages(k, {0}, 0, AllocSite::kUser)) taken.push_back(*page);
    }
    PhysAddr in_cma(u32 order) {
        const auto a =
            mm::alloc_pages(k, {order}, kUserMovable | (order != 0 ? u32{kAllocCompound} : 0), AllocSite::kUser);
        REQUIRE(a);
        REQUIRE(cma.contains(*a));
        return *a;
    }
    void make_room() {
        for (const PhysAddr page : taken) mm::free_pages(k, page, {0});
        taken.clear();
    }
    void write(PhysAddr a, u64 bytes, u8 seed) {
        u8* p = ram::write<u8>(a, bytes);
        for (u64 i = 0; i < bytes; ++i) p[i] = static_cast<u8>(i * 7 + seed);
    }
    bool holds(PhysAddr a, u64 bytes, u8 seed) const {
        const u8* p = ram::read<u8>(a, bytes);
        for (u64 i = 0; i < bytes; ++i)
            if (p[i] != static_cast<u8>(i * 7 + seed)) return false;
        return true;
    }
    PhysRange cma;
    std::vector<PhysAddr> taken;
};

TEST_CASE("pin: what lies in CMA is moved out with its content, and nothing happens when there is no room") {
    for (const TestGeometry& t : kTestGeometries) {
        INFO(geometry_of(t.id).name);
        CmaRig rig(t.id, t.ram);
        Kernel& k = rig.k;
        const mm::MemoryCounts before = mm::counts(k);
        for (const u32 order : {0u, 3u}) {
            const u64 bytes = rig.g.bytes_of({order});
            const PhysAddr at = rig.in_cma(order);
            rig.write(at, bytes, 5);
            const u64 moves = rig.machine.site_count(Site::kMmMigrate);
            CHECK(mm::pin(k, at).error() == Errno::kENOMEM);
            CHECK(rig.holds(at, bytes, 5));
            CHECK(rig.refcount(at) == 1);
            CHECK(mm::pin_count(k, at) == 0);
            CHECK(rig.machine.site_count(Site::kMmMigrate) == moves);
            rig.make_room();
            const u64 copied = rig.machine.charged(Work::kPagesCopied);
            const auto to = mm::pin(k, at);
            REQUIRE(to);
            CHECK_FALSE(rig.cma.contains(*to));
            CHECK(rig.holds(*to, bytes, 5));
            CHECK(rig.machine.charged(Work::kPagesCopied) == copied + Order{order}.pages());
            CHECK(rig.machine.site_count(Site::kMmMigrate) == moves + 1);
            CHECK(mm::folio_order(k, *to).value == order);
            CHECK(mm::pin_count(k, *to) == 1);
            CHECK(rig.refcount(*to) == (order == 0 ? 1025 : 2));
            CHECK((rig.state(*to) & kPagePinned) != 0);
            CHECK((rig.state(at) & kPageFree) != 0);
            CHECK(rig.machine.owner_at(*to) == Owner::kUser);
            CHECK(rig.machine.owner_at(at) == Owner::kFree);
            REQUIRE(mm::unpin(k, *to));
            CHECK(rig.refcount(*to) == 1);
            CHECK((rig.state(*to) & kPagePinned) == 0);
            mm::release_folio(k, *to);
            CHECK(rig.audit() == "");
            while (const auto page = mm::alloc_pages(k, {0}, 0, AllocSite::kUser)) rig.taken.push_back(*page);
        }
        CHECK(mm::counts(k).free_pages == before.free_pages);
        CHECK(rig.machine.warnings == 0);
        CHECK(rig.machine.wrong_owners == 0);
    }
}

TEST_CASE("pin: a folio outside of CMA stays, and so does one in CMA with B42") {
    CmaRig rig(GeometryId::kX86_64, {{0x1000}, 300 * kMiB});
    rig.make_room();
    const PhysAddr plain = *mm::alloc_pages(rig.k, {2}, kAllocUser | kAllocCompound, AllocSite::kUser);
    CHECK(*mm::pin(rig.k, plain) == plain);
    while (const auto page = mm::alloc_pages(rig.k, {0}, 0, AllocSite::kUser)) rig.taken.push_back(*page);
    const PhysAddr movable = rig.in_cma(1);
    rig.make_room();
    rig.k.config.defects[0] |= u64{1} << static_cast<u32>(Defect::kB42);
    CHECK(*mm::pin(rig.k, movable) == movable);
    CHECK(mm::pin_count(rig.k, movable) == 1);
    rig.k.config.defects[0] = 0;
    // It cannot be moved any more: a second pin has nowhere to go.
    CHECK(mm::pin(rig.k, movable).error() == Errno::kEBUSY);
    CHECK(mm::pin_count(rig.k, movable) == 1);
}

TEST_CASE("pin: pins count, and the last reference frees, in whatever order they go") {
    for (const TestGeometry& t : kTestGeometries) {
        for (const u32 order : {0u, 1u, 4u}) {
            INFO(geometry_of(t.id).name << ", order " << order);
            PageRig rig(t.id, t.ram);
            rig.boot();
            Kernel& k = rig.k;
            const u64 free = mm::counts(k).free_pages;
            const PhysAddr a =
                *mm::alloc_pages(k, {order}, kUserMovable | (order != 0 ? u32{kAllocCompound} : 0), AllocSite::kUser);
            for (i32 n = 1; n <= 3; ++n) {
                CHECK(*mm::pin(k, a) == a);
                CHECK(mm::pin_count(k, a) == n);
                CHECK(rig.refcount(a) == 1 + n * (order == 0 ? 1024 : 1));
            }
            CHECK_FALSE(mm::is_migratable(k, a));
            // The allocator does not take it back, whoever asks.
            mm::free_pages(k, a, {order});
            CHECK(rig.machine.warnings == 1);
            CHECK(mm::counts(k).free_pages == free - Order{order}.pages());
            REQUIRE(mm::unpin(k, a));
            mm::release_folio(k, a);
            CHECK(rig.machine.warnings == 1);
            CHECK((rig.state(a) & kPageFree) == 0);
            mm::release_folio(k, a);  // there is no mapping left to go
            CHECK(rig.machine.warnings == 2);
            CHECK(mm::pin(k, a).error() == Errno::kEFAULT);
            REQUIRE(mm::unpin(k, a));
            CHECK((rig.state(a) & kPageFree) == 0);
            // One reference is left, and it is a pin.
            CHECK_FALSE(mm::is_migratable(k, a));
            mm::free_pages(k, a, {order});
            CHECK(rig.machine.warnings == 3);
            REQUIRE(mm::unpin(k, a));
            CHECK((rig.state(a) & kPageFree) != 0);
            CHECK(mm::counts(k).free_pages == free);
            CHECK(mm::unpin(k, a).error() == Errno::kEINVAL);
            CHECK(rig.audit() == "");
            CHECK(rig.machine.wrong_owners == 0);
        }
    }
}

TEST_CASE("pin: only a folio of userspace has pins, and not without end") {
    PageRig rig(GeometryId::kX86_64, {{0}, 64 * kMiB});
    rig.boot();
    Kernel& k = rig.k;
    const PhysAddr kernel = *mm::alloc_pages(k, {0}, 0, AllocSite::kUser);
    const PhysAddr folio = *mm::alloc_pages(k, {2}, kAllocUser | kAllocCompound, AllocSite::kUser);
    const PhysAddr page = *mm::alloc_pages(k, {0}, kAllocUser, AllocSite::kUser);
    mm::free_pages(k, page, {0});
    for (const PhysAddr a : {kernel, folio + 4096, folio + 1, page, k.image, PhysAddr{kTiB}}) {
        CAPTURE(a.value);
        CHECK(mm::pin(k, a).error() == Errno::kEFAULT);
        CHECK(mm::unpin(k, a).error() == Errno::kEINVAL);
        CHECK(mm::pin_count(k, a) == 0);
    }
    CHECK(mm::unpin(k, folio).error() == Errno::kEINVAL);
    mm::set_page_refcount(*mm::page_of(k, folio), mm::kPinnedRefcountMax + 1);
    CHECK(mm::pin(k, folio).error() == Errno::kENOMEM);
}

TEST_CASE("pin: a run of pages is released page by page where some are pinned") {
    PageRig rig(GeometryId::kAArch64_16K, {{kGiB}, 256 * kMiB});
    rig.boot();
    Kernel& k = rig.k;
    const u64 free = mm::counts(k).free_pages;
    const PhysAddr run = *mm::alloc_run(k, 5, kUserMovable, AllocSite::kUser);
    REQUIRE(mm::pin(k, run + 2 * rig.page()));
    mm::release_run(k, run, 5);
    CHECK(mm::counts(k).free_pages == free - 1);
    CHECK(rig.machine.warnings == 0);
    REQUIRE(mm::unpin(k, run + 2 * rig.page()));
    CHECK(mm::counts(k).free_pages == free);
    CHECK(rig.audit() == "");
    CHECK(rig.machine.wrong_owners == 0);
    mm::release_run(k, run, 5);
    CHECK(rig.machine.warnings == 1);
}

TEST_CASE("migrate: memory that was not asked for as movable does not move") {
    PageRig rig(GeometryId::kX86_64, {{0}, 64 * kMiB});
    rig.boot();
    CHECK_FALSE(mm::is_migratable(rig.k, *mm::alloc_pages(rig.k, {0}, kAllocUser, AllocSite::kUser)));
    CHECK_FALSE(mm::is_migratable(rig.k, *mm::alloc_pages(rig.k, {0}, kAllocMovable, AllocSite::kUser)));
    const PhysAddr run = *mm::alloc_run(rig.k, 2, kUserMovable, AllocSite::kUser);
    CHECK(mm::is_migratable(rig.k, run + rig.page()));
    CHECK(*mm::migrate(rig.k, run + rig.page(), 0) != run + rig.page());
}

}  // namespace
}  // namespace baton::test
