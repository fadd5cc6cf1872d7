// SPDX-License-Identifier: GPL-2.0-only
// Preserve and unpreserve: the split of runs (specs/kho.md §3.2 vectors), errors, undoing.
#include "model/kho/tracker.hpp"
#include "tests/catch.hpp"
#include "tests/model/kho/kho_machine.hpp"

using namespace baton;
using test::BlockSet;
using test::KhoMachine;

namespace {

using Split = std::vector<std::pair<u64, u32>>;  // pfn, order

Split split(u64 start, u64 end) {
    Split blocks;
    for (u64 pfn = start; pfn < end;) {
        const Order order = kho::block_order({pfn}, end - pfn);
        blocks.push_back({pfn, order.value});
        pfn += order.pages();
    }
    return blocks;
}

BlockSet contents(const Kernel& k) {
    BlockSet set;
    kho::tracker::for_each_block(k, [&](const kho::Block& b) { set.insert({b.order.value, b.phys.value}); });
    return set;
}

PhysAddr alloc(KhoMachine& m, u32 order) {
    const auto a = mm::alloc_pages(m.kernel(), {order}, kAllocUser | kAllocCompound, AllocSite::kUser);
    REQUIRE(a);
    return *a;
}

}  // namespace

TEST_CASE("kho preserve: runs are split as in the specification's vectors") {
    CHECK(split(0x100001, 0x100010) == Split{{0x100001, 0}, {0x100002, 1}, {0x100004, 2}, {0x100008, 3}});
    CHECK(split(0x100003, 0x100803) == Split{{0x100003, 0},
                                             {0x100004, 2},
                                             {0x100008, 3},
                                             {0x100010, 4},
                                             {0x100020, 5},
                                             {0x100040, 6},
                                             {0x100080, 7},
                                             {0x100100, 8},
                                             {0x100200, 9},
                                             {0x100400, 10},
                                             {0x100800, 1},
                                             {0x100802, 0}});
    CHECK(split(0x100800, 0x101000) == Split{{0x100800, 11}});
    CHECK(split(0, 5) == Split{{0, 2}, {4, 0}});
}

TEST_CASE("kho preserve: any run is covered exactly, by naturally aligned blocks") {
    u64 seed = 3;
    for (int round = 0; round < 2000; ++round) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        const u64 start = (seed >> 20) % 5000;
        const u64 end = start + 1 + (seed >> 40) % 5000;
        u64 at = start;
        for (const auto& [pfn, order] : split(start, end)) {
            REQUIRE(pfn == at);
            REQUIRE(pfn % (u64{1} << order) == 0);
            at += u64{1} << order;
        }
        REQUIRE(at == end);
    }
}

TEST_CASE("kho preserve: folios are tracked with their order, twice is once") {
    for (const Generation generation : test::kBothGenerations) {
        KhoMachine m({}, test::small_ram(), generation);
        m.boot();
        BlockSet model;
        for (u32 order = 0; order <= 10; ++order) {
            const PhysAddr folio = alloc(m, order);
            CHECK(kho::preserve_folio(m.kernel(), folio));
            CHECK(kho::preserve_folio(m.kernel(), folio));
            model.insert({order, folio.value});
        }
        CHECK(contents(m.kernel()) == model);
        CHECK(m.kernel().kho.tracker.pages == (1u << 11) - 1);
        CHECK(m.site_count(Site::kKhoPreserve) == 22);
        CHECK(m.kernel().kho.tracker.blocks == 11);
    }
}

TEST_CASE("kho preserve: what is unpreserved is gone, in the blocks it was preserved in") {
    KhoMachine m;
    m.boot();
    Kernel& k = m.kernel();
    const PhysAddr run{64 * kMiB + 3 * 4096};
    const PhysAddr folio = alloc(m, 3);
    REQUIRE(kho::preserve_pages(k, run, 2048));
    REQUIRE(kho::preserve_folio(k, folio));
    CHECK(k.kho.tracker.pages == 2048 + 8);
    REQUIRE(kho::unpreserve_pages(k, run, 2048));
    CHECK(contents(k) == BlockSet{{3, folio.value}});
    REQUIRE(kho::unpreserve_folio(k, folio));
    CHECK(contents(k).empty());
    CHECK(m.warnings == 0);
}

TEST_CASE("kho preserve: unpreserving part of a run warns and leaves the real block") {
    KhoMachine m;
    m.boot();
    REQUIRE(kho::preserve_pages(m.kernel(), {64 * kMiB}, 8));
    CHECK(kho::unpreserve_pages(m.kernel(), {64 * kMiB}, 4));
    CHECK(contents(m.kernel()) == BlockSet{{3, 64 * kMiB}});
    CHECK(m.warnings == 1);
    CHECK(m.logged(Log::kKhoUnpreserveMissing));
}

TEST_CASE("kho preserve: unpreserving what was not preserved warns; with B15 it never ends") {
    for (const bool stall : {false, true}) {
        KhoMachine m;
        m.boot();
        m.set_defect(Defect::kB15, stall);
        m.calls_max = 1'000'000;
        const auto fault = m.run([&] { CHECK(kho::unpreserve_pages(m.kernel(), {64 * kMiB}, 3)); });
        CHECK(fault.kind == (stall ? sim::Fault::Kind::kHang : sim::Fault::Kind::kNone));
        CHECK(m.warnings == (stall ? 0 : 2));
    }
}

TEST_CASE("kho preserve: addresses that are no folio or not memory are EINVAL") {
    KhoMachine m;
    m.boot();
    Kernel& k = m.kernel();
    const PhysAddr folio = alloc(m, 2);
    const PhysAddr end = m.ram().end();
    CHECK(kho::preserve_folio(k, folio + 4096).error() == Errno::kEINVAL);
    CHECK(kho::preserve_folio(k, folio + 8).error() == Errno::kEINVAL);
    CHECK(kho::preserve_folio(k, end).error() == Errno::kEINVAL);
    CHECK(kho::preserve_pages(k, folio + 8, 1).error() == Errno::kEINVAL);
    CHECK(kho::preserve_pages(k, end - 4096, 2).error() == Errno::kEINVAL);
    CHECK(kho::preserve_pages(k, folio, ~u64{0}).error() == Errno::kEINVAL);
    CHECK(kho::preserve_pages(k, folio, u64{1} << 52).error() == Errno::kEINVAL);
    CHECK(kho::preserve_pages(k, folio, 0));
    CHECK(k.kho.tracker.blocks == 0);
}

TEST_CASE("kho preserve: EOPNOTSUPP when disabled, EBUSY once finalised") {
    KhoMachine off;
    off.boot("kho=off");
    CHECK(kho::preserve_pages(off.kernel(), {64 * kMiB}, 1).error() == Errno::kEOPNOTSUPP);
    CHECK(kho::unpreserve_pages(off.kernel(), {64 * kMiB}, 1).error() == Errno::kEOPNOTSUPP);
    for (const Generation generation : test::kBothGenerations) {
        KhoMachine m({}, test::small_ram(), generation);
        m.boot();
        const PhysAddr folio = alloc(m, 0);
        REQUIRE(kho::preserve_folio(m.kernel(), folio));
        REQUIRE(kho::finalise(m.kernel()));
        CHECK(kho::preserve_folio(m.kernel(), folio).error() == Errno::kEBUSY);
        CHECK(kho::preserve_pages(m.kernel(), folio, 1).error() == Errno::kEBUSY);
        CHECK(kho::unpreserve_folio(m.kernel(), folio).error() == Errno::kEBUSY);
        CHECK(kho::unpreserve_pages(m.kernel(), folio, 1).error() == Errno::kEBUSY);
    }
}

TEST_CASE("kho preserve: a run into scratch is refused by a debug kernel and undone, else accepted (B42)") {
    for (const u32 options : {0u, static_cast<u32>(kOptionKhoDebug)}) {
        KhoMachine m;
        m.set_options(options);
        m.boot();
        const PhysAddr low = kho::scratch_area(m.kernel(), 2).addr;  // the lowest of the areas
        const auto done = kho::preserve_pages(m.kernel(), low - 5 * 4096, 9);
        CHECK(done.has_value() == (options == 0));
        if (options == 0) continue;
        CHECK(done.error() == Errno::kEINVAL);
        CHECK(contents(m.kernel()).empty());
        CHECK(m.logged(Log::kKhoScratchOverlap));
        CHECK(m.site_count(Site::kKhoPreserve) == m.site_count(Site::kKhoUnpreserve));
        CHECK(m.site_count(Site::kKhoPreserve) > 0);
    }
}

TEST_CASE("kho preserve: a run that runs out of memory half way is undone") {
    for (const Generation generation : test::kBothGenerations) {
        KhoMachine m({}, {{0}, 600 * kMiB}, generation);
        m.boot();
        Kernel& k = m.kernel();
        const PhysAddr run{128 * kMiB - 5 * 4096};
        REQUIRE(kho::preserve_pages(k, {16 * kMiB}, 1));
        // Orders 0 and 2 first, then one bitmap after the other: at some number of free pages each of them fails.
        auto taken = m.exhaust_memory();
        bool failed = false;
        bool done = false;
        while (!done && !taken.empty()) {
            const auto result = kho::preserve_pages(k, run, 70000);
            done = result.has_value();
            if (done) break;
            failed = true;
            CHECK(result.error() == Errno::kENOMEM);
            CHECK(contents(k) == BlockSet{{0, 16 * kMiB}});
            mm::free_pages(k, taken.back(), {0});
            taken.pop_back();
        }
        CHECK(failed);
        CHECK(done);
        CHECK(k.kho.tracker.pages == 70001);
        CHECK(m.warnings == 0);
    }
}
