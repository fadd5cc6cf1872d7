// SPDX-License-Identifier: GPL-2.0-only
// Finalise and abort (specs/kho.md §3.4), and what a load passes on (§3.5).
#include <libfdt.h>

#include "model/kho/fdt.hpp"
#include "model/kho/tracker.hpp"
#include "tests/catch.hpp"
#include "tests/model/kho/kho_machine.hpp"

using namespace baton;
using test::KhoMachine;

TEST_CASE("kho finalise: the root FDT names the tracker and the subtrees in order, and is preserved itself") {
    for (const Generation generation : test::kBothGenerations) {
        KhoMachine m({}, test::small_ram(), generation);
        m.boot();
        Kernel& k = m.kernel();
        REQUIRE(kho::add_subtree(k, "second", {{0x5000}, 0}));
        REQUIRE(kho::add_subtree(k, "first", {{0x6000}, 0}));
        REQUIRE(kho::finalise(k));
        const kho::FdtView view = kho::open_fdt(k.kho.fdt, 4096);
        REQUIRE(view.error == 0);
        CHECK(fdt_node_check_compatible(view.tree, 0, "kho-v1") == 0);
        CHECK(kho::u64_property(view.tree, 0, kho::kMapProperty) == k.kho.first_chunk.value);
        CHECK(k.kho.first_chunk.value != 0);
        const int first = fdt_first_subnode(view.tree, 0);
        CHECK(fdt_get_name(view.tree, first, nullptr) == std::string_view{"second"});
        CHECK(kho::u64_property(view.tree, first, "fdt") == 0x5000u);
        const int next = fdt_next_subnode(view.tree, first);
        CHECK(fdt_get_name(view.tree, next, nullptr) == std::string_view{"first"});
        CHECK(fdt_next_subnode(view.tree, next) < 0);
        CHECK(k.kho.tracker.blocks == 1);
        CHECK(kho::tracker::clear(k, geometry(k).pfn_of(k.kho.fdt), {0}) == kho::tracker::Cleared::kYes);
        CHECK(m.site_count(Site::kKhoFinaliseBegin) == 1);
        CHECK(m.site_count(Site::kKhoFinaliseEnd) == 1);
        CHECK(kho::finalise(k).error() == Errno::kEEXIST);
    }
}

TEST_CASE("kho finalise: abort drops everybody's preservations (B16), keeps subtrees, frees all pages") {
    for (const Generation generation : test::kBothGenerations) {
        KhoMachine m({}, test::small_ram(), generation);
        m.boot("kho=on kho_scratch=16M,32M,16M reserve_mem=1M:4096:oops");
        Kernel& k = m.kernel();
        const u64 before = m.free_pages();
        REQUIRE(kho::preserve_pages(k, {64 * kMiB}, 37));
        REQUIRE(kho::add_subtree(k, "mine", {{0x5000}, 0}));
        CHECK(kho::abort(k).error() == Errno::kENOENT);
        REQUIRE(kho::finalise(k));
        CHECK(k.kho.subtree_count == 2);
        REQUIRE(kho::abort(k));
        CHECK(k.kho.finalised == 0);
        CHECK(k.kho.tracker.blocks == 0);
        CHECK(k.kho.first_chunk.value == 0);
        CHECK(k.kho.subtree_count == 1);
        CHECK(m.free_pages() == before);
        CHECK(m.site_count(Site::kKhoAbort) == 1);
        CHECK(kho::abort(k).error() == Errno::kENOENT);
        REQUIRE(kho::preserve_pages(k, {64 * kMiB}, 1));
        REQUIRE(kho::finalise(k));
        CHECK(k.kho.subtree_count == 2);
        CHECK(m.warnings == 0);
    }
}

TEST_CASE("kho finalise: without B16 abort takes back what finalise did, and nothing of others") {
    for (const Generation generation : test::kBothGenerations) {
        KhoMachine m({}, test::small_ram(), generation);
        m.set_defect(Defect::kB16, false);
        m.boot("kho=on kho_scratch=16M,32M,16M reserve_mem=1M:4096:oops");
        Kernel& k = m.kernel();
        REQUIRE(kho::preserve_pages(k, {64 * kMiB}, 37));
        const u64 before = m.free_pages();
        const u64 blocks = k.kho.tracker.blocks;
        for (int i = 0; i < 2; ++i) {
            REQUIRE(kho::finalise(k));
            CHECK(k.kho.tracker.blocks > blocks);
            REQUIRE(kho::abort(k));
            CHECK(k.kho.tracker.blocks == blocks);
            CHECK(k.kho.subtree_count == 0);
        }
        // Only bitmaps stay: they are never freed.
        CHECK(before - m.free_pages() <= 16);
        REQUIRE(kho::finalise(k));
        m.kexec();
        CHECK(memblock::is_reserved(k.memblock, {64 * kMiB + 36 * 4096}));
        CHECK(m.warnings == 0);
    }
}

TEST_CASE("kho finalise: any error aborts, wherever memory runs out") {
    for (const Generation generation : test::kBothGenerations) {
        KhoMachine m({}, {{0}, 96 * kMiB}, generation);
        m.boot("kho=on kho_scratch=8M,8M,8M reserve_mem=1M:1M:oops");
        Kernel& k = m.kernel();
        auto taken = m.exhaust_memory();
        const u64 movable_only = m.free_pages();
        u64 failures = 0;
        while (!kho::finalise(k)) {
            ++failures;
            REQUIRE(failures < 100);
            CHECK(k.kho.finalised == 0);
            CHECK(k.kho.tracker.blocks == 0);
            CHECK(k.kho.subtree_count == 0);
            CHECK(k.reserve_mem.blob.value == 0);
            CHECK(m.free_pages() == movable_only + failures - 1);
            mm::free_pages(k, taken.back(), {0});
            taken.pop_back();
        }
        CHECK(failures >= 4);
        CHECK(k.kho.finalised == 1);
        CHECK(m.site_count(Site::kKhoAbort) == failures);
    }
}

TEST_CASE("kho finalise: a root FDT that overflows its page is ENOMEM and aborts") {
    KhoMachine m;
    m.boot();
    Kernel& k = m.kernel();
    for (u32 i = 0; i < kSubtreesMax; ++i)
        REQUIRE(kho::add_subtree(k, "a name of thirty-one bytes, " + std::to_string(100 + i), {{0x5000}, 0}));
    REQUIRE(kho::preserve_pages(k, {64 * kMiB}, 1));
    CHECK(kho::finalise(k).error() == Errno::kENOMEM);
    CHECK(k.kho.tracker.blocks == 0);
    CHECK(k.kho.finalised == 0);
}

TEST_CASE("kho finalise: a load passes on addresses before finalise only in 6.16 (B07)") {
    for (const Generation generation : test::kBothGenerations) {
        KhoMachine m({}, test::small_ram(), generation);
        m.boot();
        Kernel& k = m.kernel();
        const kho::Fill before = kho::fill(k);
        CHECK((before.fdt.value != 0) == (generation == Generation::k6_16));
        REQUIRE(kho::finalise(k));
        const kho::Fill after = kho::fill(k);
        CHECK(after.fdt == k.kho.fdt);
        CHECK(after.scratch == k.kho.scratch);
        CHECK(after.scratch_bytes == 48);
    }
}

TEST_CASE("kho finalise: an image of 6.16 that was never finalised is rejected as no device tree") {
    KhoMachine m({}, test::small_ram(), Generation::k6_16);
    m.boot();
    m.kexec();
    CHECK(m.kernel().kho.is_kho_boot == 0);
    CHECK(m.logged(Log::kKhoRejectHeader));
    CHECK(m.logged(Log::kKhoRevivalDisabled));
    CHECK(m.kernel().kho.scratch_count == 3);  // chosen anew
}
