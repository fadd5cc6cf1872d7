// SPDX-License-Identifier: GPL-2.0-only
// setup_x86_64: what a kernel makes of its zero page (specs/kexec.md §7.7, §9; specs/kho.md §1.3, §2.8).
#include <random>

#include "tests/catch.hpp"
#include "tests/model/boot/boot_data.hpp"

using namespace baton;
using namespace baton::test;
using Kind = sim::Fault::Kind;

namespace {

sim::Fault boot_it(BareMachine& m) {
    return m.run([&] { boot::setup_x86_64(m.kernel()); });
}

// The check number of a bad-boot panic, 0 for any other end.
u64 refused(const sim::Fault& f) { return f.kind == Kind::kPanic && f.log == Log::kPanicBadBoot ? f.args[1] : 0; }
u64 number(BadBoot b) { return static_cast<u64>(b); }

PhysAddr kho_node(BareMachine& m, PhysAddr at, const Handover& h, PhysAddr next = {}) {
    poke(m, at, boot::SetupData{.next = next, .type = boot::kSetupKho, .len = 32});
    poke(m, at + 16,
         kho::SetupDataKho{.fdt_addr = h.fdt,
                           .fdt_size = 4096,
                           .scratch_addr = h.scratch,
                           .scratch_size = h.areas.size() * sizeof(kho::ScratchArea)});
    return at;
}

}  // namespace

TEST_CASE("zero page: a cold boot knows RAM, the command line and what not to touch") {
    BareMachine m;
    give(m, zero_page(), "kho=on  quiet");
    REQUIRE(boot_it(m).kind == Kind::kNone);
    const Kernel& k = m.kernel();
    CHECK(k.command_line() == "kho=on  quiet");
    CHECK(k.boot.from_kexec == 0);
    CHECK(k.boot.initrd.empty());
    CHECK(k.boot.memory_map_count == 4);
    CHECK(k.kho.is_kho_boot == 0);
    CHECK(regions(k.memblock.memory) == "[0x1000-0x9f000) 0\n[0x100000-0x10000000) 0\n");
    CHECK(regions(k.memblock.reserved) ==
          "[0-0x9e000) 0\n[0x9e000-0x9f000) 0x20\n[0x9f000-0x100000) 0\n[0x200000-0x280000) 0x20\n");
    CHECK(k.memblock.current_limit == 256 * kMiB);
    CHECK(k.memblock.can_resize == 1);
}

TEST_CASE("zero page: the schedule points come in Linux's order") {
    BareMachine m;
    give(m, zero_page());
    const Handover h{{0x396000}, {0x8000000}, {{{0x8000000}, 16 * kMiB}}};
    give(m, h);
    auto p = zero_page();
    p.header.setup_data = kho_node(m, {0x8100000}, h).value;
    give(m, p);
    std::vector<Site> order;
    m.on_site = [&](Site s, u64, u64) { order.push_back(s); };
    REQUIRE(boot_it(m).kind == Kind::kNone);
    CHECK(order == std::vector<Site>{Site::kBootProtocol, Site::kBootReserve, Site::kKhoPopulateFdt,
                                     Site::kKhoPopulateScratch, Site::kBootMemoryKnown});
}

TEST_CASE("zero page: the captured KHO boot gives the captured memblock") {
    // Numbers of the 6.16 capture; the regions are those its dmesg lists (kho.md §10.14).
    BareMachine m(GeometryId::kX86_64, {{0}, 512 * kMiB}, Generation::k6_16);
    Kernel& k = m.kernel();
    k.image = {0x1e200000};
    k.image_size = 0xc06000;
    const Handover h{
        {0x396000}, {0x1eff0000}, {{{0x1e000000}, 16 * kMiB}, {{0x1a000000}, 64 * kMiB}, {{0x18000000}, 32 * kMiB}}};
    give(m, h);
    auto p = zero_page(0x1ffe0000);
    p.e820_table[p.e820_entries++] = {0x1ffe0000, 0x20000, 2};
    p.e820_table[p.e820_entries++] = {0xfffc0000, 0x40000, 2};
    p.e820_table[p.e820_entries++] = {0xfd00000000, 0x300000000, 2};
    p.header.type_of_loader = boot::kLoaderTypeKexec;
    p.header.ramdisk_image = 0x1efa3000;
    p.header.ramdisk_size = 0x4c04d;
    p.header.setup_data = kho_node(m, {0x1effa0b0}, h).value;
    give(m, p);
    std::string memory, reserved;
    m.on_site = [&](Site s, u64, u64) {
        if (s != Site::kBootMemoryKnown) return;
        memory = regions(k.memblock.memory);
        reserved = regions(k.memblock.reserved);
    };
    REQUIRE(boot_it(m).kind == Kind::kNone);
    CHECK(memory ==
          "[0x1000-0x9f000) 0x40\n[0x100000-0x18000000) 0\n[0x18000000-0x1f000000) 0x40\n[0x1f000000-0x1ffe0000) 0\n");
    CHECK(reserved ==
          "[0-0x10000) 0\n[0x9f000-0x100000) 0\n[0x1e200000-0x1ee06000) 0x20\n[0x1efa3000-0x1eff0000) 0x20\n"
          "[0x1eff0000-0x1eff0030) 0\n[0x1effa0b0-0x1effa0e0) 0x20\n");
    CHECK(k.kho.is_kho_boot == 1);
    CHECK(k.boot.from_kexec == 1);
    CHECK(k.boot.initrd == PhysRange{{0x1efa3000}, 0x4c04d});
    CHECK(k.memblock.scratch_only == 1);
    CHECK(memblock::region(k.memblock.memory, 0).flags == 0);  // cleared again when the trampoline had its place
}

TEST_CASE("zero page: [0, 1 MiB) is scratch on KHO boots, and on every boot of generations with B29") {
    const auto low_is_scratch = [](Generation g) {
        BareMachine m(GeometryId::kX86_64, {{0}, 256 * kMiB}, g);
        give(m, zero_page());
        bool flagged = false;
        m.on_site = [&](Site s, u64, u64) {
            if (s == Site::kBootMemoryKnown)
                flagged = memblock::region(m.kernel().memblock.memory, 0).flags == kMemblockKhoScratch;
        };
        REQUIRE(boot_it(m).kind == Kind::kNone);
        return flagged;
    };
    CHECK(low_is_scratch(Generation::k6_16));
    CHECK_FALSE(low_is_scratch(Generation::k6_18));
}

TEST_CASE("zero page: the RNG seed is used once and erased") {
    BareMachine m;
    auto p = zero_page();
    p.header.setup_data = 0x8000000;
    poke(m, {0x8000000}, boot::SetupData{.next = {}, .type = boot::kSetupRngSeed, .len = 32});
    std::memset(m.bytes({0x8000010}), 0x5a, 33);
    give(m, p);
    REQUIRE(boot_it(m).kind == Kind::kNone);
    CHECK(ram::load<boot::SetupData>({0x8000000}).len == 0);
    for (u64 i = 0; i < 32; ++i) REQUIRE(*m.bytes(PhysAddr{0x8000010 + i}) == std::byte{0});
    CHECK(*m.bytes({0x8000030}) == std::byte{0x5a});
    CHECK(memblock::is_reserved(m.kernel().memblock, {0x800002f}));
    CHECK_FALSE(memblock::is_reserved(m.kernel().memblock, {0x8000030}));
}

TEST_CASE("zero page: an indirect node reserves what it points to") {
    BareMachine m;
    auto p = zero_page();
    p.header.setup_data = 0x8000000;
    poke(m, {0x8000000}, boot::SetupData{.next = {}, .type = boot::kSetupIndirect, .len = 24});
    poke(m, {0x8000010}, boot::SetupDataIndirect{.type = 1, .reserved = 0, .len = 0x3000, .addr = {0x9000000}});
    give(m, p);
    REQUIRE(boot_it(m).kind == Kind::kNone);
    CHECK(memblock::is_reserved(m.kernel().memblock, {0x9002fff}));
    CHECK_FALSE(memblock::is_reserved(m.kernel().memblock, {0x9003000}));
}

TEST_CASE("zero page: what is no zero page panics, and says which check failed") {
    const auto broken = [](auto change) {
        BareMachine m;
        auto p = zero_page();
        change(p);
        give(m, p);
        return refused(boot_it(m));
    };
    CHECK(broken([](auto& p) { p.header.boot_flag = 0; }) == number(BadBoot::kBootFlag));
    CHECK(broken([](auto& p) { p.header.header = 0x12345678; }) == number(BadBoot::kHeaderMagic));
    CHECK(broken([](auto& p) { p.header.version = 0x20b; }) == number(BadBoot::kProtocolVersion));
    CHECK(broken([](auto& p) { p.e820_entries = 0; }) == number(BadBoot::kNoMemory));
    CHECK(broken([](auto& p) {
              for (auto& e : p.e820_table) e.type = 2;
          }) == number(BadBoot::kNoMemory));
    CHECK(broken([](auto& p) { p.ext_cmd_line_ptr = 1; }) == number(BadBoot::kCommandLine));
    CHECK(broken([](auto&) {}) == 0);
}

TEST_CASE("zero page: fields that an old writer does not know are ignored") {
    BareMachine m;
    auto p = zero_page();
    p.sentinel = 0xff;
    p.ext_cmd_line_ptr = 0xdeadbeef;
    p.ext_ramdisk_size = 1;
    p.acpi_rsdp = 0x1234;
    p.header.ramdisk_image = 0x8000000;
    p.header.ramdisk_size = 0x1000;
    give(m, p, "a=b");
    REQUIRE(boot_it(m).kind == Kind::kNone);
    CHECK(m.kernel().command_line() == "a=b");
    CHECK(m.kernel().boot.initrd == PhysRange{{0x8000000}, 0x1000});
    CHECK(m.kernel().boot.acpi_rsdp == 0);
}

TEST_CASE("zero page: an unterminated command line is cut") {
    BareMachine m;
    give(m, zero_page(), std::string(5000, 'x'));
    REQUIRE(boot_it(m).kind == Kind::kNone);
    CHECK(m.kernel().command_line() == std::string(2047, 'x'));
}

TEST_CASE("zero page: pointers out of RAM end the kernel, not the simulator") {
    SECTION("the zero page itself") {
        BareMachine m;
        m.kernel().boot.argument = {256 * kMiB - 100};
        CHECK(boot_it(m).kind == Kind::kBadAccess);
    }
    SECTION("the setup_data list") {
        BareMachine m;
        auto p = zero_page();
        p.header.setup_data = 0xfffffffffffffff8;
        give(m, p);
        CHECK(boot_it(m).kind == Kind::kBadAccess);
    }
    SECTION("a command line that runs off the end of RAM") {
        BareMachine m;
        std::memset(m.bytes({256 * kMiB - 64}), 'x', 64);
        auto p = zero_page();
        give(m, p);
        p.header.cmd_line_ptr = 256 * kMiB - 64;
        poke(m, kZeroPageAt, p);
        CHECK(boot_it(m).kind == Kind::kBadAccess);
    }
}

TEST_CASE("zero page: a setup_data list that bites its tail is a hang") {
    BudgetMachine m;
    auto p = zero_page();
    p.header.setup_data = 0x8000000;
    poke(m, {0x8000000}, boot::SetupData{.next = {0x8001000}, .type = 3, .len = 8});
    poke(m, {0x8001000}, boot::SetupData{.next = {0x8000000}, .type = 3, .len = 8});
    give(m, p);
    CHECK(boot_it(m).kind == Kind::kHang);
}

TEST_CASE("zero page: a KHO node of another size is ignored") {
    BareMachine m;
    auto p = zero_page();
    p.header.setup_data = 0x8000000;
    poke(m, {0x8000000}, boot::SetupData{.next = {}, .type = boot::kSetupKho, .len = 31});
    give(m, p);
    REQUIRE(boot_it(m).kind == Kind::kNone);
    CHECK(m.logged(Log::kKhoBadNode));
    CHECK(m.kernel().kho.is_kho_boot == 0);
    CHECK(m.kernel().memblock.scratch_only == 0);
}

TEST_CASE("zero page: a node or initrd of absurd size only makes memory scarce") {
    BareMachine m;
    auto p = zero_page();
    p.header.setup_data = 0x8000000;
    p.header.ramdisk_image = 0x4000000;
    p.header.ramdisk_size = 0xffffffff;
    p.ext_ramdisk_size = 0xffffffff;
    poke(m, {0x8000000}, boot::SetupData{.next = {}, .type = 3, .len = 0xffffffff});
    give(m, p);
    REQUIRE(boot_it(m).kind == Kind::kNone);
    CHECK(memblock::is_reserved(m.kernel().memblock, {256 * kMiB - 1}));
    CHECK_FALSE(memblock::is_reserved(m.kernel().memblock, {0x3fff000}));
}

TEST_CASE("zero page: noise never breaks the simulator") {
    std::mt19937_64 rng(11);
    u64 booted = 0;
    for (int round = 0; round < 400; ++round) {
        BudgetMachine m;
        auto p = zero_page();
        u8 bytes[sizeof(p)];
        std::memcpy(bytes, &p, sizeof(p));
        for (u64 i = rng() % 24; i != 0; --i) bytes[rng() % sizeof(bytes)] = static_cast<u8>(rng());
        std::memcpy(&p, bytes, sizeof(p));
        if (round % 2 == 0) p.header.setup_data = rng() % (256 * kMiB);
        give(m, p);
        const auto fault = boot_it(m);
        CHECK(fault.kind != Kind::kAssert);
        booted += fault.kind == Kind::kNone;
    }
    CHECK(booted > 100);
    CHECK(booted < 400);
}
