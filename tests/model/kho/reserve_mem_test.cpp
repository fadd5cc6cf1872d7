// SPDX-License-Identifier: GPL-2.0-only
// reserve_mem= with and without a handover (specs/memblock.md §6, specs/kho.md §2.7, §3.12).
#include <libfdt.h>

#include "model/bits.hpp"
#include "model/kho/fdt.hpp"
#include "tests/catch.hpp"
#include "tests/model/kho/kho_machine.hpp"

using namespace baton;
using test::KhoMachine;

namespace {

constexpr std::string_view kKho = "kho=on kho_scratch=16M,32M,16M ";

std::string line(std::string_view options) { return std::string(kKho) + std::string(options); }

/// errno of the first option that was turned down, 0 if none was.
u64 rejected(const KhoMachine& m) {
    for (const auto& [id, args] : m.logs)
        if (id == Log::kReserveMemBad) return args[0];
    return 0;
}

u64 parse_one(std::string_view value) {
    KhoMachine m;
    m.boot("reserve_mem=" + std::string(value));
    CHECK(m.kernel().reserve_mem.count == (rejected(m) == 0 ? 1u : 0u));
    return rejected(m);
}

constexpr u64 kEinval = static_cast<u64>(Errno::kEINVAL);
constexpr u64 kEbusy = static_cast<u64>(Errno::kEBUSY);
constexpr u64 kEnomem = static_cast<u64>(Errno::kENOMEM);

}  // namespace

TEST_CASE("reserve_mem: syntax") {
    CHECK(parse_one("1M:4096:oops") == 0);
    CHECK(parse_one("0x1000:1K:x") == 0);
    CHECK(parse_one("1M::oops") == 0);
    CHECK(parse_one("1M:0:oops") == 0);
    CHECK(parse_one("1M:4096:fifteen-letters") == 0);
    CHECK(parse_one("1M:4096:a:b") == 0);
    CHECK(parse_one("1M:4096:sixteen--letters") == kEinval);
    CHECK(parse_one("1M:4096:") == kEinval);
    CHECK(parse_one("\"1M:4096:   \"") == kEinval);
    CHECK(parse_one("1M:4096") == kEinval);
    CHECK(parse_one("1M") == kEinval);
    CHECK(parse_one("") == kEinval);
    CHECK(parse_one("0:4096:oops") == kEinval);
    CHECK(parse_one(":4096:oops") == kEinval);
    CHECK(parse_one("1M;4096:oops") == kEinval);
    CHECK(parse_one("1M:3:oops") == kEinval);
    CHECK(parse_one("99999999999999999999:4096:oops") == kEinval);
    CHECK(parse_one("1G:4096:oops") == kEnomem);
    CHECK(parse_one("8E:4096:oops") == kEnomem);
    CHECK(parse_one("1M:8E:oops") == kEnomem);
}

TEST_CASE("reserve_mem: regions are aligned, disjoint, reserved and found by name") {
    KhoMachine m;
    m.boot("reserve_mem=1M:1M:first reserve_mem=100:1:second reserve_mem=4M:2M:third");
    const Kernel& k = m.kernel();
    REQUIRE(k.reserve_mem.count == 3);
    const ReserveMemEntry* first = reserve_mem::find(k, "first");
    const ReserveMemEntry* second = reserve_mem::find(k, "second");
    const ReserveMemEntry* third = reserve_mem::find(k, "third");
    REQUIRE((first != nullptr && second != nullptr && third != nullptr));
    CHECK(reserve_mem::find(k, "firs") == nullptr);
    CHECK(is_aligned(first->start, kMiB));
    CHECK(is_aligned(second->start, 64));  // raised to a cache line
    CHECK(is_aligned(third->start, 2 * kMiB));
    for (const ReserveMemEntry* e : {first, second, third}) {
        CHECK(memblock::is_reserved(k.memblock, e->start));
        CHECK(memblock::is_reserved(k.memblock, e->start + (e->size - 1)));
        CHECK(e->revived == 0);
    }
    CHECK_FALSE(PhysRange{first->start, first->size}.overlaps({third->start, third->size}));
}

TEST_CASE("reserve_mem: the ninth region and a name taken are EBUSY") {
    std::string options;
    for (int i = 0; i < 9; ++i) options += " reserve_mem=4K:4K:r" + std::to_string(i);
    {
        KhoMachine m;
        m.boot(options);
        CHECK(m.kernel().reserve_mem.count == 8);
        CHECK(rejected(m) == kEbusy);
    }
    KhoMachine m;
    m.boot("reserve_mem=4K:4K:same reserve_mem=8K:4K:same");
    CHECK(m.kernel().reserve_mem.count == 1);
    CHECK(rejected(m) == kEbusy);
}

TEST_CASE("reserve_mem: finalise preserves blob and regions, and the blob describes them") {
    for (const Generation generation : test::kBothGenerations) {
        KhoMachine m({}, test::small_ram(), generation);
        m.boot(line("reserve_mem=2M:4096:data reserve_mem=12288:4096:small"));
        Kernel& k = m.kernel();
        REQUIRE(kho::finalise(k));
        CHECK(k.kho.tracker.pages == 1 + 1 + 512 + 3);
        REQUIRE(k.kho.subtree_count == 1);
        CHECK(k.kho.subtrees[0].blob == k.reserve_mem.blob);
        const kho::FdtView view = kho::open_fdt(k.reserve_mem.blob, 4096);
        REQUIRE(view.error == 0);
        CHECK(fdt_totalsize(view.tree) == 294);  // as in the capture of real kernels
        for (const char* name : {"data", "small"}) {
            const int node = fdt_subnode_offset(view.tree, 0, name);
            REQUIRE(node >= 0);
            const ReserveMemEntry* e = reserve_mem::find(k, name);
            CHECK(kho::u64_property(view.tree, node, "start") == e->start.value);
            CHECK(kho::u64_property(view.tree, node, "size") == e->size);
        }
    }
}

TEST_CASE("reserve_mem: a kernel without regions adds no subtree") {
    KhoMachine m;
    m.boot();
    REQUIRE(kho::finalise(m.kernel()));
    CHECK(m.kernel().kho.subtree_count == 0);
}

TEST_CASE("reserve_mem: regions are revived over three hops, at the same place, with their content") {
    for (const Generation generation : test::kBothGenerations) {
        KhoMachine m({}, test::small_ram(), generation);
        const std::string options = line("reserve_mem=4M:4M:oops");
        m.boot(options);
        Kernel& k = m.kernel();
        const PhysAddr start = reserve_mem::find(k, "oops")->start;
        for (u64 i = 0; i < 4 * kMiB; i += 4096) ram::store(start + i, i ^ 0x5eed);
        for (int hop = 0; hop < 3; ++hop) {
            REQUIRE(kho::finalise(k));
            m.kexec(options);
            const ReserveMemEntry* e = reserve_mem::find(k, "oops");
            REQUIRE(e != nullptr);
            CHECK(e->start == start);
            CHECK(e->revived == 1);
            CHECK(memblock::is_reserved(k.memblock, start));
            CHECK_FALSE(kho::in_scratch(k, {start, e->size}));
            for (u64 i = 0; i < 4 * kMiB; i += 4096) REQUIRE(ram::load<u64>(start + i) == (i ^ 0x5eed));
        }
        CHECK(m.warnings == 0);
    }
}

TEST_CASE("reserve_mem: another size, alignment or name is a fresh allocation, from scratch (B36)") {
    for (const char* other : {"reserve_mem=2M:1M:oops", "reserve_mem=1M:64M:oops", "reserve_mem=1M:1M:else"}) {
        CAPTURE(other);
        KhoMachine m;
        m.boot(line("reserve_mem=1M:1M:oops"));
        Kernel& k = m.kernel();
        const PhysAddr start = reserve_mem::find(k, "oops")->start;
        REQUIRE_FALSE(is_aligned(start, 64 * kMiB));
        REQUIRE(kho::finalise(k));
        m.kexec(line(other));
        const bool renamed = std::string_view{other}.ends_with("else");
        REQUIRE(k.reserve_mem.count == 1);
        const ReserveMemEntry& e = k.reserve_mem.entries[0];
        CHECK(e.revived == 0);
        CHECK(kho::in_scratch(k, {e.start, e.size}));
        CHECK(m.logged(Log::kReserveMemMismatch) == !renamed);
        CHECK(memblock::is_reserved(k.memblock, start));  // preserved all the same
    }
}

TEST_CASE("reserve_mem: a hostile blob revives nothing") {
    const std::string options = line("reserve_mem=1M:1M:oops");
    KhoMachine m;
    m.boot(options);
    Kernel& k = m.kernel();
    REQUIRE(kho::finalise(k));
    const PhysAddr blob = k.reserve_mem.blob;
    u8* tree = ram::write<u8>(blob, 4096);
    REQUIRE(fdt_open_into(tree, tree, 4096) == 0);
    const int node = fdt_subnode_offset(tree, 0, "oops");
    SECTION("no tree") { std::memset(tree, 0xff, 4096); }
    SECTION("longer than a page") { fdt_set_totalsize(tree, 4097); }
    SECTION("another version") { REQUIRE(fdt_setprop_string(tree, 0, "compatible", "memblock-v2") == 0); }
    SECTION("another region version") { REQUIRE(fdt_setprop_string(tree, node, "compatible", "reserve-mem-v2") == 0); }
    SECTION("short start") { REQUIRE(fdt_setprop_u32(tree, node, "start", 1) == 0); }
    SECTION("no size") { REQUIRE(fdt_delprop(tree, node, "size") == 0); }
    m.kexec(options);
    CHECK(k.kho.is_kho_boot == 1);
    REQUIRE(k.reserve_mem.count == 1);
    CHECK(k.reserve_mem.entries[0].revived == 0);
}

TEST_CASE("reserve_mem: a blob address outside RAM kills the kernel") {
    KhoMachine m;
    m.boot();
    REQUIRE(kho::add_subtree(m.kernel(), "memblock", {{kTiB}, 0}));
    REQUIRE(kho::finalise(m.kernel()));
    const std::string options = line("reserve_mem=1M:1M:oops");  // out here: the kernel is left without unwinding
    const auto fault = m.run([&] { m.kexec(options); });
    CHECK(fault.kind == sim::Fault::Kind::kBadAccess);
}

TEST_CASE("reserve_mem: a region that is not whole pages, or a name taken, fails finalise and leaves nothing") {
    {
        KhoMachine m;
        m.boot(line("reserve_mem=5000:4096:odd"));
        CHECK(kho::finalise(m.kernel()).error() == Errno::kEINVAL);
        CHECK(m.logged(Log::kReserveMemFailed));
        CHECK(m.kernel().kho.tracker.blocks == 0);
        CHECK(m.kernel().reserve_mem.blob.value == 0);
    }
    KhoMachine m;
    m.boot(line("reserve_mem=1M:4096:oops"));
    REQUIRE(kho::add_subtree(m.kernel(), "memblock", {{0x5000}, 0}));
    CHECK(kho::finalise(m.kernel()).error() == Errno::kEEXIST);
    CHECK(m.kernel().kho.subtree_count == 1);  // the one that was there first
}
