// SPDX-License-Identifier: GPL-2.0-only
#include "tests/catch.hpp"
#include "tests/support/bus_rig.hpp"

using namespace baton;
using namespace baton::sim;
using test::BusRig;

namespace {

u64 status(BusRig& rig) { return rig.read(rig.reg(0, device::kDmaStatus), 4); }

}  // namespace

TEST_CASE("DMA engine: writes its pattern round and round, word i being pattern + i") {
    for (const auto kind : {device::Kind::kDmaEngine, device::Kind::kAssigned}) {
        BusRig rig({BusRig::device(kind)});
        rig.set_master(0, true);
        rig.arm(0, 0x100, 40, 16);  // 16, 16, 8, and from the start again
        for (int i = 0; i < 4; ++i) CHECK(rig.bus.turn(0, TurnKind::kBoth, 0));
        REQUIRE(rig.arrivals.size() == 4);
        CHECK(rig.arrivals[1].write.bus == 0x110);
        CHECK(rig.arrivals[2].write.bytes.size() == 8);
        CHECK(rig.word(0x118) == 0x1003);
        CHECK(rig.word(0x120) == 0x1004);
        CHECK(rig.word(0x128) == 0);
        CHECK(rig.arrivals[3].write.bus == 0x100 + 48 % 40);
        CHECK(rig.read(rig.reg(0, device::kDmaPosted), 8) == 4);
        CHECK(status(rig) == device::kEngineRunning);
    }
}

TEST_CASE("DMA engine: stops after its count, and when it is told") {
    BusRig rig({BusRig::device(device::Kind::kDmaEngine)});
    rig.set_master(0, true);
    rig.arm(0, 0x100, 64, 64, 1000, 2);
    CHECK(rig.bus.turn(0, TurnKind::kPost, 0));
    CHECK(rig.bus.turn(0, TurnKind::kPost, 0));
    CHECK_FALSE(rig.bus.turn(0, TurnKind::kPost, 0));
    CHECK(status(rig) == device::kEngineBusy);
    rig.bus.relax(0);
    CHECK(status(rig) == 0);
    rig.arm(0, 0x100, 64);
    rig.write(rig.reg(0, device::kDmaControl), 4, device::kEngineStop);
    CHECK(status(rig) == 0);
    CHECK_FALSE(rig.bus.can(0, TurnKind::kBoth));
    rig.write(rig.reg(0, device::kDmaControl), 4, device::kEngineFire);  // one write, without running
    CHECK(status(rig) == device::kEngineBusy);
    CHECK(rig.bus.posted(0) == 3);
}

TEST_CASE("DMA engine: the stride is from one write to the next") {
    BusRig rig({BusRig::device(device::Kind::kDmaEngine)});
    rig.set_master(0, true);
    rig.arm(0, 0x1000, 0x3000, 8);
    rig.write(rig.reg(0, device::kDmaStride), 8, 0x1000);
    for (int i = 0; i < 4; ++i) rig.bus.turn(0, TurnKind::kBoth, 0);
    CHECK(rig.word(0x1000) == 0x1003);  // round again
    CHECK(rig.word(0x2000) == 0x1001);
    CHECK(rig.word(0x3000) == 0x1002);
}

TEST_CASE("DMA engine: what is no program does not run") {
    struct Row {
        std::string_view what;
        u64 address, length, chunk;
    };
    constexpr Row kRows[] = {
        {"no chunk", 0x100, 64, 0},
        {"chunk of half a word", 0x100, 64, 12},
        {"chunk too large", 0x100, 8192, 4104},
        {"no length", 0x100, 0, 8},
        {"odd length", 0x100, 12, 8},
        {"odd address", 0x104, 64, 8},
        {"it wraps", ~u64{0xff}, 256, 8},
    };
    for (const Row& row : kRows) {
        CAPTURE(row.what);
        BusRig rig({BusRig::device(device::Kind::kDmaEngine)});
        rig.set_master(0, true);
        rig.arm(0, row.address, row.length, row.chunk);
        CHECK(status(rig) == device::kEngineBadProgram);
        CHECK_FALSE(rig.bus.turn(0, TurnKind::kPost, 0));
        rig.write(rig.reg(0, device::kDmaControl), 4, device::kEngineFire);
        CHECK(rig.bus.posted(0) == 0);
        rig.arm(0, 0x100, 64, 8);  // a good one puts it right
        CHECK(status(rig) == device::kEngineRunning);
    }
}

TEST_CASE("DMA engine: registers written while it runs cannot make it write what it has not") {
    for (const u64 chunk : {u64{0}, u64{12}, u64{1} << 20, u64{0xfffffff8}}) {
        CAPTURE(chunk);
        BusRig rig({BusRig::device(device::Kind::kDmaEngine)});
        rig.set_master(0, true);
        rig.arm(0, 0x100, 1 << 24, 64);
        rig.write(rig.reg(0, device::kDmaChunk), 4, chunk);
        CHECK_FALSE(rig.bus.turn(0, TurnKind::kPost, 0));
        CHECK(status(rig) == device::kEngineBadProgram);
    }
    BusRig rig({BusRig::device(device::Kind::kDmaEngine)});
    rig.set_master(0, true);
    rig.arm(0, 0x100, 64);
    rig.write(rig.reg(0, device::kDmaLength), 8, 0);
    CHECK_FALSE(rig.bus.turn(0, TurnKind::kPost, 0));
    CHECK(status(rig) == device::kEngineBadProgram);
}

TEST_CASE("DMA engine: registers have one width each") {
    BusRig rig({BusRig::device(device::Kind::kDmaEngine)});
    for (const u64 reg : {u64{device::kDmaAddress}, u64{device::kDmaLength}, u64{device::kDmaPattern},
                          u64{device::kDmaCount}, u64{device::kDmaPeriod}, u64{device::kDmaStride}}) {
        CHECK(rig.write(rig.reg(0, reg), 8, reg + 5));
        CHECK(rig.read(rig.reg(0, reg), 8) == reg + 5);
        CHECK_FALSE(rig.write(rig.reg(0, reg), 4, 0));
        rig.read(rig.reg(0, reg), 4);
        CHECK_FALSE(rig.known);
    }
    CHECK_FALSE(rig.write(rig.reg(0, device::kDmaStatus), 4, 1));
    CHECK_FALSE(rig.write(rig.reg(0, device::kDmaPosted), 8, 1));
    CHECK_FALSE(rig.write(rig.reg(0, 0x800), 4, 1));
}
