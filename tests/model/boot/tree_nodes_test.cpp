// SPDX-License-Identifier: GPL-2.0-only
// NUMA from the device tree: numa-node-id of memory and CPUs (specs/boot.md §5).
#include "tests/catch.hpp"
#include "tests/model/boot/boot_data.hpp"

using namespace baton;
using namespace baton::test;
using Kind = sim::Fault::Kind;

namespace {

struct ArmMachine : BudgetMachine {
    ArmMachine() : BudgetMachine(GeometryId::kAArch64_4K, kArmRam) {}
    std::string nodes() {
        std::string out;
        for (u64 i = 0; i < kernel().memblock.memory.cnt; ++i) {
            const MemblockRegion r = memblock::region(kernel().memblock.memory, i);
            out += std::to_string((r.end().value - 0x40000000) >> 20) + ":" + std::to_string(r.nid) + " ";
        }
        return out;
    }
    u64 refusal() const {
        for (const auto& l : logs)
            if (l.first == Log::kNumaOff) return l.second[0];
        return 0;
    }
};

TreeBuilder root() {
    TreeBuilder t;
    t.node("").cells("#address-cells", {2}).cells("#size-cells", {2});
    return t;
}

void memory(TreeBuilder& t, const char* name, u32 start_mib, u32 mib, std::vector<u32> nid) {
    t.node(name).text("device_type", "memory").cells("reg", {0, 0x40000000 + (start_mib << 20), 0, mib << 20});
    if (!nid.empty()) t.cells("numa-node-id", nid);
    t.end();
}

void cpus(TreeBuilder& t, const std::vector<u32>& nids) {
    t.node("cpus").cells("#address-cells", {1}).cells("#size-cells", {0});
    for (u32 i = 0; i < nids.size(); ++i)
        t.node(("cpu@" + std::to_string(i)).c_str()).text("device_type", "cpu").cells("numa-node-id", {nids[i]}).end();
    t.end();
}

}  // namespace

TEST_CASE("device tree: memory gets its nodes, and a node of CPUs is online") {
    ArmMachine m;
    auto t = root();
    memory(t, "memory@40000000", 0, 128, {3});
    memory(t, "memory@48000000", 128, 128, {1});
    cpus(t, {5, 1, 3});
    give(m, t.finish(), {0x42000000});
    REQUIRE(m.run([&] { boot::setup_aarch64(m.kernel()); }).kind == Kind::kNone);
    CHECK(m.nodes() == "128:3 256:1 ");
    CHECK(m.kernel().numa.online == 0b101010);
    CHECK(m.kernel().numa.with_memory == 0b1010);
    CHECK(m.kernel().numa.local == 5);
    CHECK(m.warnings == 0);
}

TEST_CASE("device tree: a handover with scratch areas and an initrd over nodes makes no warning") {
    ArmMachine m;
    auto t = root();
    memory(t, "memory@40000000", 0, 128, {0});
    memory(t, "memory@48000000", 128, 128, {1});
    const Handover h{{0x43000000}, {0x4a000000}, {{{0x4a000000}, 16 * kMiB}, {{0x44000000}, 16 * kMiB}}};
    give(m, h);
    t.node("chosen").cells("linux,kho-fdt", {0, 0x43000000, 0, 0x1000});
    t.cells("linux,kho-scratch", {0, 0x4a000000, 0, 32});
    t.cells("linux,initrd-start", {0x4a800000}).cells("linux,initrd-end", {0x4a900000}).end();
    give(m, t.finish(), {0x4af00000});
    REQUIRE(m.run([&] { boot::setup_aarch64(m.kernel()); }).kind == Kind::kNone);
    CHECK(m.kernel().kho.is_kho_boot == 1);
    CHECK(m.warnings == 0);
    CHECK(m.nodes() == "64:0 80:0 128:0 160:1 176:1 256:1 ");
}

TEST_CASE("device tree: contradictions leave the machine without NUMA, and say why") {
    struct Case {
        std::vector<u32> first, second;
        u32 second_start;
        numa::Refusal why;
    };
    const Case cases[] = {
        {{0}, {}, 128, numa::Refusal::kUncovered},
        {{0}, {64}, 128, numa::Refusal::kTooMany},
        {{0}, {0x80000000}, 128, numa::Refusal::kTooMany},
        {{0}, {1}, 127, numa::Refusal::kOverlap},
    };
    for (const Case& c : cases) {
        ArmMachine m;
        auto t = root();
        memory(t, "memory@40000000", 0, 128, c.first);
        memory(t, "memory@48000000", c.second_start, 256 - c.second_start, c.second);
        give(m, t.finish(), {0x42000000});
        REQUIRE(m.run([&] { boot::setup_aarch64(m.kernel()); }).kind == Kind::kNone);
        CHECK(m.refusal() == static_cast<u64>(c.why));
        CHECK(m.nodes() == "256:-1 ");
        CHECK(m.kernel().numa.online == 0);
    }
}

TEST_CASE("device tree: nodes that share a pageblock are not believed; a CPU on an impossible node is ignored") {
    ArmMachine m;
    auto t = root();
    memory(t, "memory@40000000", 0, 127, {0});
    memory(t, "memory@47f00000", 127, 129, {1});
    cpus(t, {64, 1});
    give(m, t.finish(), {0x42000000});
    REQUIRE(m.run([&] { boot::setup_aarch64(m.kernel()); }).kind == Kind::kNone);
    CHECK(m.logged(Log::kNumaBadNode));
    CHECK(m.refusal() == static_cast<u64>(numa::Refusal::kPageblock));
    CHECK(m.nodes() == "256:-1 ");
}
