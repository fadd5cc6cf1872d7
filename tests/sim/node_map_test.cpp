// SPDX-License-Identifier: GPL-2.0-only
// Machines with NUMA: where nodes lie, the tables that tell of them, and what cannot be.
#include "sim/node_map.hpp"

#include <algorithm>
#include <cstring>

#include "model/boot/x86_64/acpi.hpp"
#include "tests/catch.hpp"

using namespace baton;
using namespace baton::sim;

namespace {

std::string text(const MachineMap& map) {
    std::string out;
    for (const MemoryMapEntry& e : map.entries) {
        if (e.type != static_cast<u32>(MemoryType::kRam)) continue;
        char line[64];
        std::snprintf(line, sizeof(line), "%#llx-%#llx:%u ", static_cast<unsigned long long>(e.start.value),
                      static_cast<unsigned long long>(e.start.value + e.size), e.nid);
        out += line;
    }
    return out;
}

std::string text(Isa isa, std::vector<u64> mib) {
    for (u64& m : mib) m *= kMiB;
    return text(MachineMap(isa, node_map(isa, mib)));
}

u8 sum(const std::vector<u8>& bytes, u64 at, u64 n) {
    u32 s = 0;
    for (u64 i = at; i < at + n; ++i) s += bytes[i];
    return static_cast<u8>(s);
}

}  // namespace

TEST_CASE("node map: RAM goes to nodes in address order, holes are nobody's") {
    CHECK(text(Isa::kAArch64, {256, 0, 256}) == "0x40000000-0x50000000:0 0x50000000-0x60000000:2 ");
    CHECK(text(Isa::kX86_64, {128, 384}) == "0-0x9d000:0 0x100000-0x8000000:0 0x8000000-0x20000000:1 ");
    CHECK(text(Isa::kX86_64, {2048, 2048, 1024}) ==
          "0-0x9d000:0 0x100000-0x80000000:0 0x80000000-0xc0000000:1 0x100000000-0x140000000:1 "
          "0x140000000-0x180000000:2 ");
}

TEST_CASE("node map: x86-64 keeps a place for its tables, which can be written") {
    const MachineMap map(Isa::kX86_64, node_map(Isa::kX86_64, std::vector<u64>{256 * kMiB, 0, 256 * kMiB}));
    CHECK(map.nodes == 3);
    CHECK(map.acpi_tables == PhysRange{{0x9d000}, kAcpiBytes});
    CHECK(std::ranges::any_of(map.ram, [&](PhysRange r) { return r.contains(map.acpi_tables); }));
    CHECK(map.ram == MachineMap(Isa::kX86_64, 512 * kMiB).ram);
    // The same machine from what its map says, as out of a file.
    const MachineMap again(Isa::kX86_64, FirmwareMap{.name = map.name,
                                                     .isa = Isa::kX86_64,
                                                     .entries = map.entries,
                                                     .reserved = {},
                                                     .device_tree = {},
                                                     .nodes = map.nodes});
    CHECK(again.entries == map.entries);
    CHECK(again.ram == map.ram);
    const MachineMap arm(Isa::kAArch64, node_map(Isa::kAArch64, std::vector<u64>{256 * kMiB}));
    CHECK(arm.acpi_tables.empty());
}

TEST_CASE("node map: the tables are whole, and fit with as many entries and nodes as there can be") {
    constexpr u32 kRam = static_cast<u32>(MemoryType::kRam);
    FirmwareMap most{.name = "all", .isa = Isa::kX86_64, .entries = {}, .reserved = {}, .device_tree = {}, .nodes = 64};
    for (u64 i = 0; i < kMemoryMapMax - 1; ++i)
        most.entries.push_back({{i * 4 * kMiB}, 4 * kMiB, kRam, static_cast<u32>(i % 64)});
    most.entries[0].size = 2 * kMiB;
    const MachineMap map(Isa::kX86_64, most);
    const std::vector<u8> bytes = acpi_tables(map);
    CHECK(bytes.size() <= map.acpi_tables.size);
    CHECK(std::memcmp(bytes.data(), "RSD PTR ", 8) == 0);
    CHECK(sum(bytes, 0, 20) == 0);
    CHECK(sum(bytes, 0, 36) == 0);
    for (const u64 at : {u64{0x40}, u64{0x80}}) {
        u32 length = 0;
        std::memcpy(&length, &bytes[at + 4], 4);
        REQUIRE(at + length <= bytes.size());
        CHECK(sum(bytes, at, length) == 0);
    }
    CHECK(bytes.size() == 0x80 + 48 + 64 * 16 + 127 * 40);
}

TEST_CASE("node map: what cannot be is an error") {
    CHECK_THROWS_AS(node_map(Isa::kX86_64, std::vector<u64>{}), MachineError);
    CHECK_THROWS_AS(node_map(Isa::kX86_64, std::vector<u64>(65, 16 * kMiB)), MachineError);
    CHECK_THROWS_AS(node_map(Isa::kX86_64, std::vector<u64>{0, 0}), MachineError);
    FirmwareMap high{.name = "high", .isa = Isa::kX86_64, .entries = {}, .reserved = {}, .device_tree = {}, .nodes = 1};
    high.entries = {{{4 * kGiB}, kGiB, static_cast<u32>(MemoryType::kRam), 0}};
    CHECK_THROWS_AS(MachineMap(Isa::kX86_64, high), MachineError);
}

TEST_CASE("node map: nodes in one pageblock are told") {
    const MachineMap map(Isa::kAArch64, node_map(Isa::kAArch64, std::vector<u64>{130 * kMiB, 126 * kMiB}));
    CHECK_FALSE(shared_pageblock(map, 2 * kMiB));
    CHECK(shared_pageblock(map, 32 * kMiB) == PhysAddr{0x40000000 + 130 * kMiB});
}
