// SPDX-License-Identifier: GPL-2.0-only
// The outgoing side from 7.0 on (specs/kho.md §1.7, §1.8, §3.4): nothing freezes, finalise only serialises.
#include <libfdt.h>

#include "model/kho/fdt.hpp"
#include "model/kho/tracker.hpp"
#include "tests/catch.hpp"
#include "tests/model/kho/kho_machine.hpp"

using namespace baton;
using test::BlockSet;
using test::KhoMachine;

namespace {

constexpr PhysAddr kRun{64 * kMiB};

u64 map_of(const Kernel& k) {
    const kho::FdtView view = kho::open_fdt(k.kho.fdt, 4096);
    return kho::u64_property(view.tree, 0, kho::kMapProperty).value_or(~u64{0});
}

std::vector<std::string> children(const Kernel& k) {
    const kho::FdtView view = kho::open_fdt(k.kho.fdt, 4096);
    std::vector<std::string> names;
    int node = 0;
    fdt_for_each_subnode(node, view.tree, 0) names.emplace_back(fdt_get_name(view.tree, node, nullptr));
    return names;
}

}  // namespace

TEST_CASE("kho stateless: the root FDT is there from kho_init on, preserved, and the load passes it on") {
    for (const Generation generation : test::kStatelessGenerations) {
        KhoMachine m({}, test::small_ram(), generation);
        m.boot();
        const Kernel& k = m.kernel();
        CHECK(k.kho.finalised == 0);
        CHECK(map_of(k) == k.kho.tracker.radix_root.value);
        CHECK((map_of(k) == 0) == (generation == Generation::k7_0));
        CHECK(kho::fill(k).fdt == k.kho.fdt);
        CHECK(kho::fill(k).scratch_bytes == 48);
        CHECK(kho::tracker::clear(m.kernel(), geometry(k).pfn_of(k.kho.fdt), {0}) == kho::tracker::Cleared::kYes);
    }
}

TEST_CASE("kho stateless: subtrees come and go at any time; nothing is ever EBUSY") {
    for (const Generation generation : test::kStatelessGenerations) {
        KhoMachine m({}, test::small_ram(), generation);
        m.boot();
        Kernel& k = m.kernel();
        const std::vector<std::string> own = children(k);
        m.finalise();
        REQUIRE(kho::add_subtree(k, "a", {{0x5000}, 1}));
        REQUIRE(kho::add_subtree(k, "b", {{0x6000}, 2}));
        CHECK(kho::add_subtree(k, "a", {{0x7000}, 3}).error() == Errno::kEEXIST);
        CHECK(kho::add_subtree(k, "", {{0x7000}, 3}).error() == Errno::kEINVAL);
        CHECK(kho::add_subtree(k, "a/b", {{0x7000}, 3}).error() == Errno::kEINVAL);
        REQUIRE(kho::preserve_pages(k, kRun, 3));
        REQUIRE(kho::unpreserve_pages(k, kRun, 3));
        kho::remove_subtree(k, {0x5000});
        std::vector<std::string> expected{"b"};
        expected.insert(expected.end(), own.begin(), own.end());
        CHECK(children(k) == expected);
        m.finalise();
        m.kexec();
        const auto blob = kho::retrieve_subtree(k, "b");
        REQUIRE(blob);
        CHECK(blob->phys == PhysAddr{0x6000});
        CHECK(blob->bytes == (generation == Generation::k7_1 ? 2u : 0u));
        CHECK(kho::retrieve_subtree(k, "a").error() == Errno::kENOENT);
    }
}

TEST_CASE("kho stateless: 7.0 finalises as often as it likes, each time anew, and there is no abort") {
    KhoMachine m({}, test::small_ram(), Generation::k7_0);
    m.boot();
    Kernel& k = m.kernel();
    REQUIRE(kho::finalise(k));
    const u64 before = m.free_pages();
    for (u64 i = 1; i < 4; ++i) {
        REQUIRE(kho::preserve_pages(k, kRun + i * 4096, 1));
        REQUIRE(kho::finalise(k));
        CHECK(map_of(k) == k.kho.first_chunk.value);
        CHECK(k.kho.first_chunk.value != 0);
    }
    // One more bitmap and one more chunk for order 0 at most: the lists before were freed.
    CHECK(before - m.free_pages() <= 2);
    CHECK(kho::abort(k).error() == Errno::kEOPNOTSUPP);
    m.kexec();
    CHECK(memblock::is_reserved(k.memblock, kRun + 3 * 4096));
}

TEST_CASE("kho stateless: a finalise of 7.0 that runs out of memory leaves the last list in place") {
    KhoMachine m({}, test::small_ram(), Generation::k7_0);
    m.boot();
    Kernel& k = m.kernel();
    REQUIRE(kho::preserve_pages(k, kRun, 3));
    REQUIRE(kho::finalise(k));
    const u64 map = map_of(k);
    const auto taken = m.exhaust_memory();
    const u64 before = m.free_pages();
    CHECK(kho::finalise(k).error() == Errno::kENOMEM);
    CHECK(map_of(k) == map);
    CHECK(k.kho.first_chunk.value == map);
    CHECK(m.free_pages() == before);
    m.kexec();
    CHECK(memblock::is_reserved(k.memblock, kRun + 2 * 4096));
}

TEST_CASE("kho stateless: what 7.0 preserves after its last finalise is not handed over (B64), in 7.1 it is") {
    for (const Generation generation : test::kStatelessGenerations) {
        KhoMachine m({}, test::small_ram(), generation);
        m.boot();
        Kernel& k = m.kernel();
        REQUIRE(kho::preserve_pages(k, kRun, 2));
        m.finalise();
        REQUIRE(kho::preserve_pages(k, kRun + 16 * kMiB, 4));  // a chunk of its own order, which the list lacks
        m.kexec();
        CHECK(memblock::is_reserved(k.memblock, kRun));
        CHECK(memblock::is_reserved(k.memblock, kRun + 16 * kMiB) == (generation != Generation::k7_0));
    }
}

TEST_CASE("kho stateless: 7.0 that never finalised is rejected for its empty map; with B31 it is taken (§10.10)") {
    for (const bool defect : {false, true}) {
        KhoMachine m({}, test::small_ram(), Generation::k7_0);
        const std::string_view options = "kho=on kho_scratch=16M,32M,16M reserve_mem=1M:4096:oops";
        m.boot(options);
        Kernel& k = m.kernel();
        const PhysAddr region = k.reserve_mem.entries[0].start;
        m.set_defect(Defect::kB31, defect);
        m.kexec(options);
        CHECK(k.kho.is_kho_boot == (defect ? 1u : 0u));
        CHECK(m.logged(Log::kKhoRejectMap) == !defect);
        CHECK(k.reserve_mem.entries[0].revived == (defect ? 1u : 0u));
        // Found by name, and free for everybody.
        if (defect) {
            CHECK(k.reserve_mem.entries[0].start == region);
            CHECK_FALSE(memblock::is_reserved(k.memblock, region));
        }
    }
}

TEST_CASE("kho stateless: reserve_mem is offered once, at the initcall, and a failure leaves nothing behind") {
    for (const Generation generation : test::kStatelessGenerations) {
        KhoMachine m({}, test::small_ram(), generation);
        m.boot("kho=on kho_scratch=16M,32M,16M reserve_mem=1M:4096:oops reserve_mem=8K:4096:small");
        Kernel& k = m.kernel();
        CHECK(children(k).front() == "memblock");
        CHECK(k.reserve_mem.blob.value != 0);
        const u64 blocks = k.kho.tracker.blocks;
        reserve_mem::withdraw(k);
        CHECK(k.kho.tracker.blocks < blocks);
        const u64 without = k.kho.tracker.blocks;
        const u64 free_before = m.free_pages();
        auto taken = m.exhaust_memory();
        CHECK(reserve_mem::offer(k).error() == Errno::kENOMEM);
        m.give_back(taken);
        REQUIRE(kho::add_subtree(k, "memblock", {{0x5000}, 1}));
        CHECK(reserve_mem::offer(k).error() == Errno::kEEXIST);
        CHECK(k.kho.tracker.blocks == without);
        CHECK(k.reserve_mem.blob.value == 0);
        CHECK(m.free_pages() == free_before);
        kho::remove_subtree(k, {0x5000});
        REQUIRE(reserve_mem::offer(k));
        CHECK(k.kho.tracker.blocks == blocks);
        CHECK(m.warnings == 0);
    }
}

TEST_CASE("kho stateless: a kernel that cannot prepare its handover disables KHO and frees what it took") {
    for (const Generation generation : test::kStatelessGenerations) {
        for (u32 pages = 0; pages < 9; ++pages) {
            CAPTURE(rules_for(generation).release, pages);
            KhoMachine m({}, test::small_ram(), generation);
            Kernel& k = m.kernel();
            std::vector<PhysAddr> taken;
            m.boot("kho=off");
            taken = m.exhaust_memory();
            for (u32 i = 0; i < pages; ++i) {
                mm::free_pages(k, taken.back(), {0});
                taken.pop_back();
            }
            const u64 before = m.free_pages();
            k.kho.enabled = 1;
            kho::init(k);
            if (k.kho.enabled != 0) continue;
            CHECK(m.free_pages() == before);
            CHECK(k.kho.tracker.blocks == 0);
            CHECK(k.kho.fdt.value == 0);
            CHECK(m.warnings == 0);
        }
    }
}

TEST_CASE("kho stateless: blocks of a run never span two nodes from 7.1 on, and unpreserve finds them again") {
    for (const Generation generation : test::kStatelessGenerations) {
        KhoMachine m({}, test::small_ram(), generation);
        m.boot();
        Kernel& k = m.kernel();
        const u64 before = k.kho.tracker.blocks;
        // Memory from kRun + 12 pages on is another node's.
        REQUIRE(memblock::set_node(k.memblock, k.memblock.memory, {{0}, kRun.value + 12 * 4096}, {0}));
        REQUIRE(memblock::set_node(k.memblock, k.memblock.memory, {kRun + 12 * 4096, 128 * kMiB}, {1}));
        REQUIRE(kho::preserve_pages(k, kRun, 16));
        CHECK(k.kho.tracker.blocks - before == (generation == Generation::k7_0 ? 1u : 3u));  // 8 + 4 | 4
        REQUIRE(kho::unpreserve_pages(k, kRun, 16));
        CHECK(k.kho.tracker.blocks == before);
        CHECK(m.warnings == 0);
    }
}
