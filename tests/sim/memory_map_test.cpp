// SPDX-License-Identifier: GPL-2.0-only
// Machine memory maps (decision D21).
#include "sim/memory_map.hpp"

#include "sim/native/target/platform_target.hpp"
#include "tests/catch.hpp"

using namespace baton;
using sim::MachineMap;

TEST_CASE("memory map: x86-64 keeps 3 GiB below the MMIO hole") {
    const MachineMap small(Isa::kX86_64, 512 * kMiB);
    CHECK(small.ram == std::vector<PhysRange>{{{0}, 0xa0000}, {{kMiB}, 511 * kMiB}});
    REQUIRE(small.entries.size() == 4);
    CHECK(small.entries[0].size == 0x9fc00);
    CHECK(small.entries[1].start.value == 0x9fc00);
    CHECK(small.entries[1].type == static_cast<u32>(MemoryType::kReserved));
    CHECK(small.entries[2].start.value == 0xf0000);

    const MachineMap exact(Isa::kX86_64, 3 * kGiB);
    CHECK(exact.ram.size() == 2);
    const MachineMap big(Isa::kX86_64, 8 * kGiB);
    CHECK(big.ram.back() == PhysRange{{4 * kGiB}, 5 * kGiB});
    CHECK(big.ram[1].end().value == 3 * kGiB);
}

TEST_CASE("memory map: AArch64 has one run from 1 GiB") {
    const MachineMap m(Isa::kAArch64, 16 * kTiB);
    CHECK(m.ram == std::vector<PhysRange>{{{0x40000000}, 16 * kTiB}});
    CHECK(m.entries.size() == 1);
}

TEST_CASE("memory map: every size gives few, ascending, disjoint ranges of the right sum") {
    for (const Isa isa : {Isa::kX86_64, Isa::kAArch64}) {
        for (u64 size = 64 * kMiB; size <= 16 * kTiB; size *= 2) {
            for (const u64 extra : {u64{0}, kMiB}) {
                if (size + extra > 16 * kTiB) continue;
                const MachineMap m(isa, size + extra);
                REQUIRE(m.ram.size() <= platform::RamView::kRangesMax);
                u64 sum = 0;
                PhysAddr last{};
                for (const PhysRange& r : m.ram) {
                    REQUIRE(r.start >= last);
                    REQUIRE(r.start.value % 4096 == 0);
                    last = r.end();
                    sum += r.size;
                }
                const u64 video_and_rom = isa == Isa::kX86_64 ? kMiB - 0xa0000 : 0;
                REQUIRE(sum == size + extra - video_and_rom);
                u64 usable = 0;
                for (std::size_t i = 0; i < m.entries.size(); ++i) {
                    const MemoryMapEntry& e = m.entries[i];
                    if (i > 0) REQUIRE(e.start >= m.entries[i - 1].start + m.entries[i - 1].size);
                    if (e.type == static_cast<u32>(MemoryType::kRam)) usable += e.size;
                }
                REQUIRE(usable == sum - (isa == Isa::kX86_64 ? 0x400 : 0));
            }
        }
    }
}

TEST_CASE("memory map: impossible machines are refused with a sentence") {
    for (const u64 bytes : {u64{0}, kMiB, 16 * kTiB + kMiB, ~u64{0}, 64 * kMiB + 4096})
        CHECK_THROWS_AS(MachineMap(Isa::kX86_64, bytes), sim::MachineError);
    CHECK_THROWS_WITH(MachineMap(Isa::kAArch64, 0), Catch::Contains("between 16 MiB and 16 TiB"));
}
