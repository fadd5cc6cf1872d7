// SPDX-License-Identifier: GPL-2.0-only
// setup_aarch64: what a kernel makes of its device tree (specs/boot.md §6; specs/kexec.md §11.6; specs/kho.md §2.9).
#include <random>

#include "tests/catch.hpp"
#include "tests/model/boot/boot_data.hpp"

using namespace baton;
using namespace baton::test;
using Kind = sim::Fault::Kind;

namespace {

struct ArmMachine : BudgetMachine {
    explicit ArmMachine(GeometryId id = GeometryId::kAArch64_4K, PhysRange ram = kArmRam) : BudgetMachine(id, ram) {}
    sim::Fault boot_it() {
        return run([&] { boot::setup_aarch64(kernel()); });
    }
    std::string memory() { return regions(kernel().memblock.memory); }
    std::string reserved() { return regions(kernel().memblock.reserved); }
};

u64 refused(const sim::Fault& f) { return f.kind == Kind::kPanic && f.log == Log::kPanicBadBoot ? f.args[1] : 0; }
u64 number(BadBoot b) { return static_cast<u64>(b); }

std::string memory_of(TreeBuilder t) {
    ArmMachine m;
    give(m, t.finish());
    REQUIRE(m.boot_it().kind == Kind::kNone);
    return m.memory();
}

}  // namespace

TEST_CASE("device tree: a cold boot knows RAM, options and what not to touch") {
    ArmMachine m;
    auto t = arm_tree();
    t.node("chosen").text("bootargs", "kho=on quiet");
    t.cells("linux,initrd-start", {0x4a000000}).cells("linux,initrd-end", {0, 0x4a0012f7});
    const auto tree = t.finish();
    give(m, tree);
    std::vector<Site> order;
    m.on_site = [&](Site s, u64, u64) { order.push_back(s); };
    REQUIRE(m.boot_it().kind == Kind::kNone);
    const Kernel& k = m.kernel();
    CHECK(k.command_line() == "kho=on quiet");
    CHECK(k.boot.device_tree == PhysRange{kTreeAt, tree.size()});
    CHECK(k.boot.initrd == PhysRange{{0x4a000000}, 0x12f7});
    CHECK(k.boot.from_kexec == 0);
    CHECK(k.kho.is_kho_boot == 0);
    CHECK(k.memstart.value == 0x40000000);
    CHECK(k.boot.memory_map_count == 1);
    CHECK(m.memory() == "[0x40000000-0x50000000) 0\n");
    char expected[128];
    std::snprintf(expected, sizeof(expected), "[0x40200000-%#llx) 0\n[0x48000000-%#zx) 0\n[0x4a000000-0x4a002000) 0\n",
                  static_cast<unsigned long long>(0x40200000 + kImageSize), 0x48000000 + tree.size());
    CHECK(m.reserved() == expected);
    CHECK(k.memblock.current_limit == 0x50000000);
    CHECK(order == std::vector<Site>{Site::kBootProtocol, Site::kBootMemoryKnown, Site::kBootReserve});
}

TEST_CASE("device tree: the captured KHO boot gives the captured memblock") {
    // Numbers of the 6.16 capture; its dmesg lists these regions.
    ArmMachine m(GeometryId::kAArch64_4K, {{0x40000000}, 512 * kMiB});
    Kernel& k = m.kernel();
    k.image = {0x5e400000};
    k.image_size = 0x6b0000;
    give(m, Handover{{0x40f40000},
                     {0x5f3f0000},
                     {{{0x5e400000}, 16 * kMiB}, {{0x5a400000}, 64 * kMiB}, {{0x58400000}, 32 * kMiB}}});
    auto t = TreeBuilder();
    t.reserve({{0x5eab0000}, 0x426f7});
    t.node("").cells("#address-cells", {2}).cells("#size-cells", {2});
    t.node("memory@40000000").text("device_type", "memory").cells("reg", {0, 0x40000000, 0, 0x20000000}).end();
    t.node("chosen").cells("linux,booted-from-kexec", {});
    t.cells("linux,kho-scratch", {0, 0x5f3f0000, 0, 0x30}).cells("linux,kho-fdt", {0, 0x40f40000, 0, 0x1000});
    t.cells("linux,initrd-end", {0, 0x5eaf26f7}).cells("linux,initrd-start", {0, 0x5eab0000});
    const auto tree = t.finish();
    give(m, tree, {0x5f200000});
    REQUIRE(m.boot_it().kind == Kind::kNone);
    CHECK(m.memory() == "[0x40000000-0x58400000) 0\n[0x58400000-0x5f400000) 0x40\n[0x5f400000-0x60000000) 0\n");
    char expected[160];
    std::snprintf(expected, sizeof(expected),
                  "[0x5e400000-0x5eaf3000) 0\n[0x5f200000-%#zx) 0\n[0x5f3f0000-0x5f3f0030) 0\n",
                  0x5f200000 + tree.size());
    CHECK(m.reserved() == expected);
    CHECK(k.boot.from_kexec == 1);
    CHECK(k.kho.is_kho_boot == 1);
    CHECK(k.memblock.scratch_only == 1);
    CHECK(k.kho.incoming.fdt_size == 0x1000);
}

TEST_CASE("device tree: memory is what device_type says, not the node's name") {
    auto t = TreeBuilder();
    t.node("").cells("#address-cells", {2}).cells("#size-cells", {2});
    t.node("memory@40000000").cells("reg", {0, 0x40000000, 0, 0x1000000}).end();
    t.node("ram")
        .text("device_type", "memory")
        .cells("reg", {0, 0x42000000, 0, 0x1000000, 0, 0x44000000, 0, 0x1000000})
        .end();
    CHECK(memory_of(t) == "[0x42000000-0x43000000) 0\n[0x44000000-0x45000000) 0\n");
}

TEST_CASE("device tree: disabled memory does not count, usable-memory replaces reg") {
    auto t = arm_tree(64);
    const auto bank = [&](const char* name, u32 start, const char* status) -> TreeBuilder& {
        t.node(name).text("device_type", "memory").cells("reg", {0, start, 0, 0x100000});
        if (status != nullptr) t.text("status", status);
        return t;
    };
    bank("memory@46000000", 0x46000000, "disabled").end();
    bank("memory@47000000", 0x47000000, "okay").end();
    bank("memory@49000000", 0x49000000, "ok").end();
    bank("memory@4a000000", 0x4a000000, nullptr).cells("linux,usable-memory", {0, 0x4b000000, 0, 0x200000}).end();
    bank("memory@4d000000", 0x4d000000, nullptr).cells("hotpluggable", {}).end();
    CHECK(memory_of(t) ==
          "[0x40000000-0x44000000) 0\n[0x47000000-0x47100000) 0\n[0x49000000-0x49100000) 0\n[0x4b000000-0x4b200000) 0\n"
          "[0x4d000000-0x4d100000) 0x1\n");
}

TEST_CASE("device tree: one cell is the default width, and partial pages are no memory") {
    auto t = TreeBuilder();
    t.node("").node("memory").text("device_type", "memory");
    t.cells("reg", {0x40000800, 0x1001000, 0x45000000, 0xfff, 0x46000000, 0, 0x47000000});
    CHECK(memory_of(t) == "[0x40001000-0x41001000) 0\n");
}

TEST_CASE("device tree: memory the direct map cannot reach is dropped") {
    // 64K pages: 42 bits of addresses, half of them direct map.
    ArmMachine m(GeometryId::kAArch64_64K);
    auto t = arm_tree();
    t.node("memory@far").text("device_type", "memory").cells("reg", {0x1ff, 0, 2, 0}).end();
    t.node("memory@beyond").text("device_type", "memory").cells("reg", {0xffff0000, 0, 1, 0}).end();
    give(m, t.finish());
    REQUIRE(m.boot_it().kind == Kind::kNone);
    CHECK(m.memory() == "[0x40000000-0x50000000) 0\n[0x1ff00000000-0x20040000000) 0\n");
}

TEST_CASE("device tree: the direct map starts at a large leaf") {
    const auto memstart = [](GeometryId id) {
        ArmMachine m(id, {{0x70000000}, 64 * kMiB});
        auto t = TreeBuilder();
        t.node("").node("memory").text("device_type", "memory").cells("reg", {0x70000000, 64 << 20});
        give(m, t.finish(), {0x71000000});
        REQUIRE(m.boot_it().kind == Kind::kNone);
        return m.kernel().memstart.value;
    };
    CHECK(memstart(GeometryId::kAArch64_4K) == 0x40000000);
    CHECK(memstart(GeometryId::kAArch64_16K) == 0x40000000);
    CHECK(memstart(GeometryId::kAArch64_64K) == 0x60000000);
}

TEST_CASE("device tree: half a handover, or one of another width, is a cold boot") {
    const auto kho_boot = [](const std::vector<u32>& fdt, const std::vector<u32>& scratch) {
        ArmMachine m;
        give(m,
             Handover{
                 {0x4c000000}, {0x4d000000}, {{{0x4d000000}, 16 * kMiB}, {{0x41000000}, kMiB}, {{0x42000000}, kMiB}}});
        auto t = arm_tree();
        t.node("chosen");
        if (!fdt.empty()) t.cells("linux,kho-fdt", fdt);
        if (!scratch.empty()) t.cells("linux,kho-scratch", scratch);
        give(m, t.finish());
        REQUIRE(m.boot_it().kind == Kind::kNone);
        return m.kernel().kho.is_kho_boot == 1;
    };
    const std::vector<u32> fdt{0, 0x4c000000, 0, 0x1000};
    const std::vector<u32> scratch{0, 0x4d000000, 0, 48};
    CHECK(kho_boot(fdt, scratch));
    CHECK_FALSE(kho_boot(fdt, {}));
    CHECK_FALSE(kho_boot({}, scratch));
    CHECK_FALSE(kho_boot({0x4c000000, 0x1000}, scratch));
    CHECK_FALSE(kho_boot(fdt, {0, 0x4d000000, 0, 48, 0}));
}

TEST_CASE("device tree: an initrd that is not in RAM is dropped with a warning") {
    ArmMachine m;
    auto t = arm_tree();
    t.node("chosen").cells("linux,initrd-start", {0x30000000}).cells("linux,initrd-end", {0x30001000});
    give(m, t.finish());
    REQUIRE(m.boot_it().kind == Kind::kNone);
    CHECK(m.kernel().boot.initrd.empty());
    CHECK(m.warnings == 1);
}

TEST_CASE("device tree: what is no device tree panics, and says which check failed") {
    const auto check = [](std::vector<u8> tree, PhysAddr at = kTreeAt) {
        ArmMachine m;
        give(m, tree, at);
        return refused(m.boot_it());
    };
    const auto good = arm_tree().finish();
    CHECK(check(good) == 0);
    CHECK(check(good, kTreeAt + 4) == number(BadBoot::kTreeAlignment));
    auto bad = good;
    bad[0] = 0;
    CHECK(check(bad) == number(BadBoot::kTreeHeader));
    bad = good;
    fdt_set_totalsize(bad.data(), 2 * kMiB + 8);
    CHECK(check(bad) == number(BadBoot::kTreeSize));
    bad = good;
    bad[fdt_off_dt_struct(good.data()) + 3] = 7;  // no such token
    CHECK(check(bad) == number(BadBoot::kTreeStructure));
    bad = good;
    fdt_set_totalsize(bad.data(), fdt_off_dt_struct(good.data()) + 16);
    CHECK(check(bad) == number(BadBoot::kTreeHeader));  // truncated
    CHECK(check(TreeBuilder().node("").cells("#address-cells", {3}).finish()) == number(BadBoot::kTreeCells));
    CHECK(check(TreeBuilder().node("").cells("#size-cells", {0}).finish()) == number(BadBoot::kTreeCells));
    CHECK(check(TreeBuilder().node("").finish()) == number(BadBoot::kTreeNoMemory));
    CHECK(check(TreeBuilder()
                    .node("")
                    .node("memory")
                    .text("device_type", "memory")
                    .cells("reg", {0x40000000, 0})
                    .finish()) == number(BadBoot::kTreeNoMemory));
}

TEST_CASE("device tree: a tree at the end of RAM that claims more ends the kernel, not the simulator") {
    ArmMachine m;
    auto tree = arm_tree().finish();
    tree.resize(4096);
    fdt_set_totalsize(tree.data(), kMiB);
    give(m, tree, kArmRam.end() - 4096);
    CHECK(m.boot_it().kind == Kind::kBadAccess);
    m.kernel().boot.argument = {0x1000};
    CHECK(m.boot_it().kind == Kind::kBadAccess);
}

TEST_CASE("device tree: a tree that changes under the kernel's hands is refused, not trusted") {
    ArmMachine m;
    give(m, arm_tree().finish());
    m.on_site = [&](Site s, u64, u64) {
        if (s == Site::kBootMemoryKnown) fdt_set_totalsize(m.bytes(kTreeAt), 4 * kMiB);
    };
    CHECK(refused(m.boot_it()) == number(BadBoot::kTreeSize));
}

TEST_CASE("device tree: noise never breaks the simulator") {
    std::mt19937_64 rng(13);
    u64 booted = 0;
    auto t = arm_tree();
    t.node("chosen").text("bootargs", "kho=on").cells("linux,initrd-start", {0x4a000000});
    t.cells("linux,initrd-end", {0x4a001000}).cells("linux,kho-fdt", {0, 0x4c000000, 0, 0x1000});
    t.cells("linux,kho-scratch", {0, 0x4d000000, 0, 48});
    const auto good = t.finish();
    for (int round = 0; round < 600; ++round) {
        ArmMachine m;
        auto bad = good;
        for (u64 i = 1 + rng() % 6; i != 0; --i) bad[rng() % bad.size()] = static_cast<u8>(rng());
        give(m, bad);
        const auto fault = m.boot_it();
        CHECK(fault.kind != Kind::kAssert);
        booted += fault.kind == Kind::kNone;
    }
    CHECK(booted > 50);
    CHECK(booted < 600);
}
