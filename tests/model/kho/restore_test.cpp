// SPDX-License-Identifier: GPL-2.0-only
// Handing blocks back: stamps, refcounts, tails, refusals (specs/kho.md §2.6, §3.10).
#include "model/kho/restore.hpp"

#include "tests/catch.hpp"
#include "tests/model/kho/kho_machine.hpp"

using namespace baton;
using test::KhoMachine;

namespace {

constexpr PhysAddr kRun{64 * kMiB};

/// A KHO-booted kernel with a folio of each order 0 … 10 and whatever `preserve` adds.
class Restored : public KhoMachine {
public:
    template <class F>
    Restored(Generation generation, F&& preserve) : KhoMachine(GeometryId::kX86_64, {{0}, 512 * kMiB}, generation) {
        boot();
        for (u32 order = 0; order <= 10; ++order) {
            const auto folio = mm::alloc_pages(kernel(), {order}, kAllocUser | kAllocCompound, AllocSite::kUser);
            REQUIRE(folio);
            REQUIRE(kho::preserve_folio(kernel(), *folio));
            folios.push_back(*folio);
        }
        preserve(kernel());
        finalise();
        kexec();
    }
    explicit Restored(Generation generation) : Restored(generation, [](Kernel&) {}) {}

    i32 refcount(PhysAddr a) { return mm::page_refcount(*mm::page_of(kernel(), a).get()); }
    std::vector<PhysAddr> folios;
};

}  // namespace

TEST_CASE("kho restore: the stamp is the order, from 6.18 with a magic above it") {
    KhoMachine m;
    CHECK(kho::stamp_of(m.kernel(), {9}) == 0x4b484f5000000009);
    m.set_defect(Defect::kB06);
    CHECK(kho::stamp_of(m.kernel(), {9}) == 9);
}

TEST_CASE("kho restore: folios of every order come back compound, counted as managed, and can be freed") {
    for (const Generation generation : test::kAllGenerations) {
        Restored m(generation);
        Kernel& k = m.kernel();
        const auto before = mm::counts(k);
        u64 pages = 0;
        for (u32 order = 0; order <= 10; ++order) {
            CAPTURE(order);
            const PhysAddr folio = m.folios[order];
            const auto restored = kho::restore_folio(k, folio);
            REQUIRE(restored);
            CHECK(restored->value == order);
            pages += u64{1} << order;
            CHECK(mm::folio_order(k, folio).value == order);
            CHECK(m.refcount(folio) == 1);
            for (u64 i = 1; i < u64{1} << order; ++i) REQUIRE(m.refcount(folio + i * 4096) == 0);
            CHECK(mm::page_of(k, folio).get()->private_data == 0);
            CHECK(mm::page_owner(k, folio) == Owner::kUser);
        }
        CHECK(mm::counts(k).managed_pages == before.managed_pages + pages);
        for (u32 order = 0; order <= 10; ++order) mm::free_pages(k, m.folios[order], {order});
        CHECK(mm::counts(k).free_pages == before.free_pages + pages);
        CHECK(m.site_count(Site::kKhoRestore) == 11 + (k.rules().restore_incoming_fdt ? 1 : 0));
        CHECK(m.warnings == 0);
    }
}

TEST_CASE("kho restore: a second restore fails; 6.16 cannot tell and takes it for a page (B06)") {
    for (const Generation generation : test::kAllGenerations) {
        Restored m(generation);
        const PhysAddr folio = m.folios[3];
        REQUIRE(kho::restore_folio(m.kernel(), folio));
        const auto again = kho::restore_folio(m.kernel(), folio);
        if (generation == Generation::k6_16) {
            REQUIRE(again);
            CHECK(again->value == 0);
        } else {
            CHECK(again.error() == Errno::kEINVAL);
            CHECK(m.logged(Log::kKhoRestoreBadMagic));
            CHECK(m.warnings == 1);
        }
    }
}

TEST_CASE("kho restore: a page that was never preserved is refused from 6.18 on") {
    for (const Generation generation : test::kAllGenerations) {
        Restored m(generation);
        const auto page = mm::alloc_pages(m.kernel(), {0}, 0, AllocSite::kUser);
        REQUIRE(page);
        CHECK(kho::restore_folio(m.kernel(), *page).has_value() == (generation == Generation::k6_16));
        // Inside a preserved block, only the head is stamped.
        const PhysAddr tail = m.folios[2] + 4096;
        CHECK(kho::restore_folio(m.kernel(), tail).has_value() == (generation == Generation::k6_16));
        CHECK(kho::restore_folio(m.kernel(), m.folios[1] + 12).error() == Errno::kEINVAL);
        CHECK(kho::restore_folio(m.kernel(), {kTiB}).error() == Errno::kEINVAL);
    }
}

TEST_CASE("kho restore: a run comes back as single pages, all with a user") {
    for (const Generation generation : test::kAllGenerations) {
        const PhysAddr start = kRun + 3 * 4096;
        Restored m(generation, [&](Kernel& k) { REQUIRE(kho::preserve_pages(k, start, 100)); });
        Kernel& k = m.kernel();
        const auto before = mm::counts(k);
        REQUIRE(kho::restore_pages(k, start, 100));
        for (u64 i = 0; i < 100; ++i) {
            REQUIRE(m.refcount(start + i * 4096) == 1);
            REQUIRE(mm::folio_order(k, start + i * 4096).value == 0);
            REQUIRE(mm::page_owner(k, start + i * 4096) == Owner::kUser);
        }
        CHECK(mm::counts(k).managed_pages == before.managed_pages + 100);
        for (u64 i = 0; i < 100; ++i) mm::free_pages(k, start + i * 4096, {0});
        CHECK(mm::counts(k).free_pages == before.free_pages + 100);
        CHECK(m.warnings == 0);
    }
}

TEST_CASE("kho restore: a run fails at its first foreign block, what came before stays restored") {
    Restored m(Generation::k6_18, [](Kernel& k) { REQUIRE(kho::preserve_pages(k, kRun, 8)); });
    Kernel& k = m.kernel();
    // [kRun, +12) splits into 8 + 4: the second block was never preserved.
    CHECK(kho::restore_pages(k, kRun, 12).error() == Errno::kEINVAL);
    for (u64 i = 0; i < 8; ++i) CHECK(m.refcount(kRun + i * 4096) == 1);
    CHECK(kho::restore_pages(k, kRun + 4, 1).error() == Errno::kEINVAL);
    CHECK(kho::restore_pages(k, kRun, ~u64{0}).error() == Errno::kEINVAL);
    CHECK(kho::restore_pages(k, kRun, 0));
}

TEST_CASE("kho restore: a step that is not the preserved block initialises by the stored order (§3.10)") {
    Restored m(Generation::k6_18, [](Kernel& k) { REQUIRE(kho::preserve_pages(k, kRun, 8)); });
    // Restoring four pages of an eight-page block brings back all eight.
    REQUIRE(kho::restore_pages(m.kernel(), kRun, 4));
    CHECK(mm::page_owner(m.kernel(), kRun + 7 * 4096) == Owner::kUser);
    CHECK(kho::restore_pages(m.kernel(), kRun + 4 * 4096, 4).error() == Errno::kEINVAL);
}

TEST_CASE("kho restore: with B22 an order above the page allocator's is refused and the data stays reserved") {
    for (const Generation generation : test::kAllGenerations) {
        Restored m(generation, [](Kernel& k) { REQUIRE(kho::preserve_pages(k, kRun, 2048)); });
        Kernel& k = m.kernel();
        m.set_defect(Defect::kB22);
        CHECK(kho::restore_pages(k, kRun, 2048).error() == Errno::kEINVAL);
        CHECK(kho::restore_folio(k, kRun).error() == Errno::kEINVAL);
        CHECK(m.logged(Log::kKhoRestoreBadOrder));
        CHECK(memblock::is_reserved(k.memblock, kRun));
        CHECK(((generation_defects(generation) >> static_cast<u32>(Defect::kB22) & 1) != 0) ==
              (rules_for(generation).tracker == TrackerKind::kBitmaps));
    }
}

TEST_CASE("kho restore: without B22 a run or folio of any order comes back, and can be freed") {
    for (const bool folio : {false, true}) {
        Restored m(Generation::k7_1, [](Kernel& k) { REQUIRE(kho::preserve_pages(k, kRun, 2048)); });
        Kernel& k = m.kernel();
        const auto before = mm::counts(k);
        if (folio) {
            const auto order = kho::restore_folio(k, kRun);
            REQUIRE(order);
            CHECK(order->value == 11);
            CHECK(mm::folio_order(k, kRun).value == 11);
            CHECK(m.refcount(kRun + 2047 * 4096) == 0);
            mm::free_pages(k, kRun, {11});
        } else {
            REQUIRE(kho::restore_pages(k, kRun, 2048));
            CHECK(m.refcount(kRun + 2047 * 4096) == 1);
            mm::free_run(k, kRun, 2048);
        }
        CHECK(mm::counts(k).managed_pages == before.managed_pages + 2048);
        CHECK(mm::counts(k).free_pages == before.free_pages + 2048);
        CHECK(m.warnings == 0);
    }
}

TEST_CASE("kho restore: with B01 the tails of a folio keep their count: freeing it is a bad page state") {
    Restored m(Generation::k6_18);
    Kernel& k = m.kernel();
    const auto before = mm::counts(k);
    m.set_defect(Defect::kB01);
    REQUIRE(kho::restore_folio(k, m.folios[2]));
    CHECK(m.refcount(m.folios[2]) == 1);
    CHECK(m.refcount(m.folios[2] + 4096) == 1);
    CHECK(mm::counts(k).managed_pages == before.managed_pages);
    mm::free_pages(k, m.folios[2], {2});
    CHECK(m.logged(Log::kBadPageState));
    CHECK(mm::counts(k).free_pages == before.free_pages);
}

TEST_CASE("kho restore: the incoming FDT page becomes an ordinary page, from 7.0 on it stays reserved") {
    for (const Generation generation : test::kAllGenerations) {
        Restored m(generation);
        const Kernel& k = m.kernel();
        const PhysAddr fdt = k.kho.incoming.fdt;
        CHECK(m.refcount(fdt) == 1);
        CHECK(mm::page_state_flags(k, fdt) == 0);
        CHECK((mm::page_of(k, fdt).get()->private_data == 0) ==
              (rules_for(generation).outgoing == OutgoingKind::kFinalised));
        CHECK(m.warnings == 0);
    }
}
