// SPDX-License-Identifier: GPL-2.0-only
// The state of a bus: snapshots, saved bytes, and bytes that somebody damaged.
#include <algorithm>

#include "sim/random.hpp"
#include "tests/catch.hpp"
#include "tests/support/bus_rig.hpp"
#include "tests/support/hostile.hpp"

using namespace baton;
using namespace baton::sim;
using test::BusRig;

namespace {

constexpr auto kEngine = device::Kind::kDmaEngine;

/// A bus with everything that state can have: lanes, prefetched descriptors, completions, IOMMU entries.
struct Busy : BusRig {
    Busy() : BusRig({device(kEngine, Pace::kTime), device(device::Kind::kNic), device(device::Kind::kAssigned)}) {
        for (u32 i = 0; i < 3; ++i) set_master(i, true);
        arm(0, 0x8000, 0x1000, 24);
        arm(2, 0x9000, 0x1000, 8);
        start_nic(1, 0x1000, 0x4000, 16, 12);
        write(map.iommu + device::kIommuBytes, 8, 0x1000);
        write(map.iommu + device::kIommuCommand, 4, static_cast<u32>(device::IommuCommand::kAdd));
        bus.count_hop();
        bus.advance(3000);
        for (u32 i = 0; i < 3; ++i) bus.turn(i, TurnKind::kPost, 3000);
        bus.turn(1, TurnKind::kBoth, 3000);
        now = 3000;
    }
};

/// Everything a schedule can do to it.
void play(BusRig& rig, Random& random, int moves) {
    for (int i = 0; i < moves; ++i) {
        rig.now += random.bounded(2000);
        const u32 slot = static_cast<u32>(random.bounded(rig.bus.size()));
        switch (random.bounded(8)) {
            case 0: rig.bus.advance(rig.now); break;
            case 1: rig.bus.relax(rig.now); break;
            case 2: rig.set_master(slot, random.bounded(2) != 0); break;
            case 3: rig.set_mode(static_cast<device::IommuMode>(random.bounded(4))); break;
            case 4:
                if (random.bounded(8) == 0)
                    rig.write(rig.config(slot, device::kConfigDeviceControl), 4, device::kControlFlr);
                break;
            case 5: rig.write(rig.reg(slot, random.bounded(16) * 4), 4, random.bounded(70)); break;
            default: rig.bus.turn(slot, static_cast<TurnKind>(random.bounded(3)), rig.now);
        }
    }
}

}  // namespace

TEST_CASE("bus: goes on from a snapshot, and from saved bytes, as it would have") {
    for (u64 seed = 0; seed < 40; ++seed) {
        CAPTURE(seed);
        Busy rig;
        Random random(seed, 0);
        play(rig, random, 60);
        const Bus::State state = rig.bus.snapshot();
        const std::vector<u8> bytes = rig.saved();
        const std::vector<u8> memory = rig.memory;
        const u64 now = rig.now;
        const Random from_here = random;
        play(rig, random, 80);
        const std::vector<u8> end = rig.saved();
        const std::vector<u8> end_memory = rig.memory;

        rig.bus.restore(state);
        rig.memory = memory;
        rig.now = now;
        CHECK((rig.saved() == bytes));
        random = from_here;
        play(rig, random, 80);
        CHECK((rig.saved() == end));
        CHECK((rig.memory == end_memory));

        BusRig other({});
        ByteReader from(bytes, "test");
        other.bus.load(from);
        from.expect_end();
        CHECK((other.saved() == bytes));
        other.memory = memory;
        other.now = now;
        random = from_here;
        play(other, random, 80);
        CHECK((other.saved() == end));
        CHECK((other.memory == end_memory));
    }
}

TEST_CASE("bus: damaged bytes are refused, or a bus that works") {
    const Busy rig;
    const std::vector<u8> good = rig.saved();
    u64 refused = 0;
    u64 taken = 0;
    test::for_each_damage(good, [&](std::span<const u8> bytes) {
        BusRig damaged({});
        damaged.memory = rig.memory;
        try {
            ByteReader from(bytes, "test");
            damaged.bus.load(from);
            from.expect_end();
        } catch (const SaveError&) {
            ++refused;
            return;
        }
        ++taken;
        REQUIRE(damaged.bus.size() <= device::kSlots);
        for (u32 slot = 0; slot < damaged.bus.size(); ++slot) {
            damaged.set_master(slot, true);
            for (int i = 0; i < 4; ++i) damaged.bus.turn(slot, TurnKind::kBoth, 1'000'000'000);
        }
        damaged.bus.relax(2'000'000'000);
        for (const Arrival& a : damaged.arrivals) {
            REQUIRE(a.write.slot < damaged.bus.size());
            REQUIRE(!a.write.bytes.empty());
            REQUIRE(a.write.bytes.size() <= device::kChunkMax);
        }
    });
    CHECK(refused > good.size());
    CHECK(taken > 0);
}

TEST_CASE("bus: a fabric that cannot be is refused") {
    Busy rig;
    const std::vector<u8> good = rig.saved();
    // The first device's name is "d": count 8, length 4, name 1, then kind and pace.
    struct Row {
        std::string_view what;
        u64 at;
        u8 value;
    };
    constexpr Row kRows[] = {
        {"no kind", 13, 0},
        {"another kind", 13, static_cast<u8>(device::Kind::kCount)},
        {"another pace", 17, 2},
    };
    for (const Row& row : kRows) {
        CAPTURE(row.what);
        std::vector<u8> bad = good;
        bad[row.at] = row.value;
        ByteReader from(bad, "test");
        BusRig other({});
        CHECK_THROWS_AS(other.bus.load(from), SaveError);
    }
}

TEST_CASE("bus: more devices than slots, and writes that no device makes, are refused") {
    BusRig crowd(std::vector<DeviceConfig>(device::kSlots + 1, BusRig::device(kEngine)));
    const std::vector<u8> many = crowd.saved();
    ByteReader from_many(many, "test");
    BusRig other({});
    CHECK_THROWS_AS(other.bus.load(from_many), SaveError);

    BusRig rig({BusRig::device(kEngine)});
    rig.set_master(0, true);
    rig.arm(0, 0x100, 64, 8);
    rig.bus.turn(0, TurnKind::kPost, 0);
    std::vector<u8> bytes = rig.saved();
    // Its length and its one word, the pattern.
    const std::vector<u8> write = {8, 0, 0, 0, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0};
    const auto found = std::ranges::search(bytes, write);
    REQUIRE(!found.empty());
    std::vector<u8> empty = bytes;
    const auto at = empty.begin() + (found.begin() - bytes.begin());
    *at = 0;
    empty.erase(at + 8, at + 16);
    ByteReader from_empty(empty, "test");
    CHECK_THROWS_AS(other.bus.load(from_empty), SaveError);
    std::vector<u8> large = bytes;
    const auto where = large.begin() + (found.begin() - bytes.begin());
    where[0] = 8;
    where[1] = 0x10;  // 4104
    large.insert(where + 16, 4096, 0);
    ByteReader from_large(large, "test");
    CHECK_THROWS_AS(other.bus.load(from_large), SaveError);
    ByteReader from_good(bytes, "test");
    other.bus.load(from_good);
    CHECK((other.saved() == bytes));
}
