// SPDX-License-Identifier: GPL-2.0-only
// Every way a handover is turned down, and that turning it down is a cold boot (specs/kho.md §3.7).
#include <libfdt.h>

#include <functional>

#include "model/kho/fdt.hpp"
#include "tests/catch.hpp"
#include "tests/model/kho/kho_machine.hpp"

using namespace baton;
using test::KhoMachine;

namespace {

constexpr PhysAddr kFdtAt{20 * kMiB};
constexpr PhysAddr kArrayAt{63 * kMiB};

/// A machine with a handover as some kernel could have left it: scratch [48, 64) MiB, an empty area, [64, 72) MiB.
class Incoming : public KhoMachine {
public:
    explicit Incoming(Generation generation = Generation::k6_18)
        : KhoMachine(GeometryId::kX86_64, test::small_ram(), generation) {
        const auto written = kho::write_root_fdt(kFdtAt, 4096, {"kho-v1", "fdt", {0}, {}});
        REQUIRE(written);
        set_area(0, {{48 * kMiB}, 16 * kMiB});
        set_area(1, {{72 * kMiB}, 0});
        set_area(2, {{64 * kMiB}, 8 * kMiB});
    }
    void set_area(u64 i, kho::ScratchArea area) { ram::store(kArrayAt + i * sizeof area, area); }
    u8* fdt() { return ram::write<u8>(kFdtAt, 4096); }

    KhoIncoming incoming{kFdtAt, 4096, kArrayAt, 48};
};

/// Boots; the handover must be turned down for `why`, and everything must be as on a cold boot.
void check_reject(Incoming& m, Log why) {
    m.boot(KhoMachine::kCommandLine, &m.incoming);
    const Kernel& k = m.kernel();
    CHECK(m.logged(why));
    CHECK(m.logged(Log::kKhoRevivalDisabled));
    CHECK_FALSE(m.logged(Log::kKhoRevived));
    CHECK(k.kho.is_kho_boot == 0);
    CHECK(k.kho.incoming.fdt.value == 0);
    CHECK(k.kho.scratch_count == 3);
    CHECK(kho::scratch_area(k, 1).size == 32 * kMiB);  // the command line's, chosen anew
    CHECK(kho::retrieve_subtree(k, "memblock").error() == Errno::kENOENT);
    CHECK(kho::incoming_block(k, 0).error() == Errno::kENOENT);
}

void check_accept(Incoming& m) {
    m.boot(KhoMachine::kCommandLine, &m.incoming);
    const Kernel& k = m.kernel();
    CHECK(m.logged(Log::kKhoRevived));
    CHECK_FALSE(m.logged(Log::kKhoRevivalDisabled));
    CHECK(k.kho.is_kho_boot == 1);
    CHECK(k.kho.scratch == m.incoming.scratch);
}

}  // namespace

TEST_CASE("kho populate: a good handover flags scratch, reserves the array and leaves memblock scratch-only") {
    for (const Generation generation : test::kBothGenerations) {
        Incoming m(generation);
        Kernel& k = m.kernel();
        kho::populate(k, m.incoming);
        CHECK(k.kho.is_kho_boot == 1);
        CHECK(k.memblock.scratch_only == 1);
        CHECK(k.kho.scratch_count == 3);
        CHECK(k.memblock.memory.total_size == 24 * kMiB);
        for (u64 i = 0; i < k.memblock.memory.cnt; ++i)
            CHECK(memblock::region(k.memblock.memory, i).flags == kMemblockKhoScratch);
        CHECK(memblock::is_reserved(k.memblock, kArrayAt));
        CHECK(k.memblock.reserved.total_size == 48);
        CHECK(m.site_count(Site::kKhoPopulateScratch) == 2);  // the empty area is legal, and nothing
        const auto early = memblock::alloc(k.memblock, 4096, 4096);
        REQUIRE(early);
        CHECK(kho::in_scratch(k, {*early, 4096}));
    }
}

TEST_CASE("kho populate: what is no device tree of ours is rejected by its header") {
    Incoming m;
    SECTION("nothing there") { std::memset(m.fdt(), 0, 4096); }
    SECTION("bad magic") { fdt_set_magic(m.fdt(), 0xd00dfeee); }
    SECTION("a version of the future") {
        fdt_set_version(m.fdt(), 99);
        fdt_set_last_comp_version(m.fdt(), 99);
    }
    SECTION("longer than a page") { fdt_set_totalsize(m.fdt(), 4097); }
    SECTION("longer than what was handed over") { m.incoming.fdt_size = 64; }
    SECTION("structure outside") { fdt_set_off_dt_struct(m.fdt(), 0x7fffffff); }
    SECTION("unaligned") { m.incoming.fdt = kFdtAt + 4; }
    check_reject(m, Log::kKhoRejectHeader);
}

TEST_CASE("kho populate: an FDT without room for a header is rejected unread") {
    Incoming m;
    SECTION("a few bytes") { m.incoming.fdt_size = 8; }
    SECTION("one byte short") { m.incoming.fdt_size = sizeof(fdt_header) - 1; }
    SECTION("none") { m.incoming.fdt_size = 0; }
    check_reject(m, Log::kKhoRejectFdtTooSmall);
}

TEST_CASE("kho populate: the log names libfdt's code") {
    Incoming m;
    std::memset(m.fdt(), 0, 4096);
    kho::populate(m.kernel(), m.incoming);
    for (const auto& [id, args] : m.logs)
        if (id == Log::kKhoRejectHeader) CHECK((args[0] == kFdtAt.value && args[1] == FDT_ERR_BADMAGIC));
    CHECK(m.logged(Log::kKhoRejectHeader));
}

TEST_CASE("kho populate: addresses outside the RAM that is known are rejected") {
    Incoming m;
    Kernel& k = m.kernel();
    SECTION("FDT, memory map known") {
        k.boot.memory_map[0] = {{0}, 256 * kMiB, static_cast<u32>(MemoryType::kRam), 0};
        k.boot.memory_map_count = 1;
        m.incoming.fdt = {kTiB};
        check_reject(m, Log::kKhoRejectFdtNotRam);
    }
    SECTION("FDT, memblock known") {
        REQUIRE(memblock::add(k.memblock, m.ram()));
        m.incoming.fdt = m.ram().end() - 2048;
        check_reject(m, Log::kKhoRejectFdtNotRam);
    }
    SECTION("FDT in reserved firmware memory") {
        k.boot.memory_map[0] = {{0}, 256 * kMiB, static_cast<u32>(MemoryType::kReserved), 0};
        k.boot.memory_map_count = 1;
        check_reject(m, Log::kKhoRejectFdtNotRam);
    }
    SECTION("array") {
        REQUIRE(memblock::add(k.memblock, m.ram()));
        m.incoming.scratch = {kTiB};
        check_reject(m, Log::kKhoRejectScratchNotRam);
    }
    SECTION("nothing known: the access decides") {
        m.incoming.fdt = {kTiB};
        const auto fault = m.run([&] { kho::populate(k, m.incoming); });
        CHECK(fault.kind == sim::Fault::Kind::kBadAccess);
    }
}

TEST_CASE("kho populate: another compatible string is another version") {
    Incoming m;
    SECTION("later") { REQUIRE(kho::write_root_fdt(kFdtAt, 4096, {"kho-v2", "fdt", {0}, {}})); }
    SECTION("prefix") { REQUIRE(kho::write_root_fdt(kFdtAt, 4096, {"kho-v", "fdt", {0}, {}})); }
    SECTION("longer") { REQUIRE(kho::write_root_fdt(kFdtAt, 4096, {"kho-v11", "fdt", {0}, {}})); }
    check_reject(m, Log::kKhoRejectCompatible);
}

TEST_CASE("kho populate: a tree without a compatible string does not say what it is") {
    Incoming m;
    u8* tree = m.fdt();
    REQUIRE(fdt_open_into(tree, tree, 4096) == 0);
    REQUIRE(fdt_delprop(tree, 0, "compatible") == 0);
    check_reject(m, Log::kKhoRejectNoCompatible);
}

TEST_CASE("kho populate: a scratch array that is no array is rejected") {
    Incoming m;
    SECTION("no entries") {
        m.incoming.scratch_bytes = 0;
        check_reject(m, Log::kKhoRejectScratchEmpty);
    }
    SECTION("half an entry") {
        m.incoming.scratch_bytes = 40;
        check_reject(m, Log::kKhoRejectScratchRagged);
    }
    SECTION("more areas than nodes can be") {
        m.incoming.scratch_bytes = 16 * 67;
        check_reject(m, Log::kKhoRejectScratchLong);
    }
    SECTION("an absurd size") {
        m.incoming.scratch_bytes = ~u64{15};
        check_reject(m, Log::kKhoRejectScratchLong);
    }
}

TEST_CASE("kho populate: an area that wraps is rejected; earlier areas stay flagged (B71)") {
    Incoming m;
    m.set_area(2, {{~u64{0} - 4095}, 8192});
    kho::populate(m.kernel(), m.incoming);
    CHECK(m.logged(Log::kKhoRejectAreaWraps));
    CHECK(m.kernel().kho.is_kho_boot == 0);
    CHECK(m.kernel().memblock.scratch_only == 0);
    REQUIRE(m.kernel().memblock.memory.cnt == 1);
    CHECK(memblock::region(m.kernel().memblock.memory, 0).flags == kMemblockKhoScratch);
}

TEST_CASE("kho populate: a missing, empty or mis-sized memory map is accepted with at most one error line") {
    for (const Generation generation : test::kBothGenerations) {
        for (int how = 0; how < 3; ++how) {
            CAPTURE(how);
            Incoming m(generation);
            u8* tree = m.fdt();
            REQUIRE(fdt_open_into(tree, tree, 4096) == 0);
            if (how == 1) REQUIRE(fdt_setprop_u32(tree, 0, kho::kMapProperty, 1) == 0);
            if (how == 2) REQUIRE(fdt_delprop(tree, 0, kho::kMapProperty) == 0);
            check_accept(m);
            CHECK(m.logged(Log::kKhoRejectMap) == (how != 0));
            CHECK(m.site_count(Site::kKhoDeserialiseBlock) == 0);
        }
    }
}
