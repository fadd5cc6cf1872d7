// SPDX-License-Identifier: GPL-2.0-only
// The three gates between a device and memory: bus mastering at its port, the lane, the IOMMU.
#include "sim/fabric/bus.hpp"

#include "tests/catch.hpp"
#include "tests/support/bus_rig.hpp"

using namespace baton;
using namespace baton::sim;
using test::BusRig;

namespace {

constexpr auto kEngine = device::Kind::kDmaEngine;

/// An engine that runs, in slot 0.
struct Running : BusRig {
    explicit Running(Pace pace = Pace::kSchedule, DeviceTraits traits = {}) : BusRig({device(kEngine, pace, traits)}) {
        set_master(0, true);
        arm(0, 0x100, 0x1000);
    }
};

}  // namespace

TEST_CASE("bus: bus mastering off stops new requests, not those that were sent") {
    Running rig;
    CHECK(rig.bus.turn(0, TurnKind::kPost, 0));
    CHECK(rig.bus.turn(0, TurnKind::kPost, 0));
    rig.set_master(0, false);
    CHECK_FALSE(rig.bus.can(0, TurnKind::kPost));
    CHECK_FALSE(rig.bus.turn(0, TurnKind::kPost, 0));
    CHECK(rig.bus.posted(0) == 2);
    CHECK(rig.bus.can(0, TurnKind::kDeliver));
    CHECK(rig.bus.turn(0, TurnKind::kDeliver, 0));
    REQUIRE(rig.arrivals.size() == 1);
    CHECK(rig.arrivals[0].write.bus_master);
    CHECK(rig.word(0x100) == 0x1000);
    rig.set_master(0, true);
    CHECK(rig.bus.turn(0, TurnKind::kPost, 0));
    CHECK(rig.bus.snapshot().slots[0].disabled);
}

TEST_CASE("bus: a device that does not mind bus mastering goes on, and its writes say so") {
    Running rig(Pace::kSchedule, {.honours_bus_master = false});
    rig.set_master(0, false);
    CHECK(rig.bus.turn(0, TurnKind::kBoth, 0));
    REQUIRE(rig.arrivals.size() == 1);
    CHECK_FALSE(rig.arrivals[0].write.bus_master);
}

TEST_CASE("bus: the IOMMU judges a write when it arrives, not when it was sent") {
    Running rig;
    rig.bus.turn(0, TurnKind::kPost, 0);
    rig.bus.turn(0, TurnKind::kPost, 0);
    rig.set_mode(device::IommuMode::kBlockAll);
    rig.bus.turn(0, TurnKind::kDeliver, 0);
    rig.set_mode(device::IommuMode::kOff);
    rig.bus.turn(0, TurnKind::kDeliver, 0);
    REQUIRE(rig.arrivals.size() == 2);
    CHECK_FALSE(rig.arrivals[0].translated.passes);
    CHECK(rig.arrivals[1].translated.passes);
    CHECK(rig.bus.refused(0) == 1);
    CHECK(rig.bus.arrived(0) == 1);
    CHECK(rig.bus.iommu().state().faults == 1);
    CHECK(rig.word(0x100) == 0);
    CHECK(rig.word(0x140) == 0x1008);
}

TEST_CASE("bus: writes of a device arrive in the order in which they were sent") {
    Running rig;
    for (int i = 0; i < 5; ++i) rig.bus.turn(0, TurnKind::kPost, 10 * static_cast<u64>(i));
    while (rig.bus.turn(0, TurnKind::kDeliver, 100)) {
    }
    REQUIRE(rig.arrivals.size() == 5);
    for (u64 i = 0; i < 5; ++i) {
        CHECK(rig.arrivals[i].write.id == 1 + i);
        CHECK(rig.arrivals[i].write.bus == 0x100 + 64 * i);
    }
}

TEST_CASE("bus: a function-level reset forgets what the device was told, not what it has sent") {
    Running rig;
    rig.bus.turn(0, TurnKind::kPost, 0);
    rig.write(rig.config(0, device::kConfigDeviceControl), 4, device::kControlFlr);
    CHECK_FALSE(rig.bus.bus_master(0));
    CHECK(rig.read(rig.reg(0, device::kDmaLength), 8) == 0);
    CHECK(rig.read(rig.reg(0, device::kDmaStatus), 4) == device::kEngineBusy);
    rig.set_master(0, true);
    CHECK_FALSE(rig.bus.turn(0, TurnKind::kPost, 0));
    CHECK(rig.bus.turn(0, TurnKind::kDeliver, 0));
    CHECK_FALSE(rig.bus.snapshot().slots[0].disabled);
}

TEST_CASE("bus: what is on the way shows as pending transactions") {
    Running rig;
    const PhysAddr status = rig.config(0, device::kConfigDeviceControl);
    CHECK(rig.read(status, 4) == 0);
    rig.bus.turn(0, TurnKind::kPost, 0);
    rig.set_master(0, false);
    CHECK(rig.read(status, 4) == u64{device::kStatusPending} << 16);
    rig.bus.relax(0);
    CHECK(rig.read(status, 4) == 0);
    CHECK(rig.arrivals.size() == 1);
}

TEST_CASE("bus: a device acts at its time, and its write takes the latency of its lane") {
    Running rig(Pace::kTime, {.latency_ns = 500});  // a write every 1000 ns
    rig.bus.advance(999);
    CHECK(rig.bus.posted(0) == 0);
    rig.bus.advance(1000);
    CHECK(rig.bus.posted(0) == 1);
    rig.bus.advance(1499);
    CHECK(rig.arrivals.empty());
    rig.bus.advance(1500);
    CHECK(rig.arrivals.size() == 1);
    rig.bus.advance(10'000);  // however long nobody looked
    CHECK(rig.bus.posted(0) == 10);
    CHECK(rig.arrivals.size() == 9);
    CHECK(rig.arrivals.back().write.due_ns == 9500);
}

TEST_CASE("bus: how often it is asked to move makes no difference") {
    const auto run = [](u64 step) {
        BusRig rig({BusRig::device(kEngine, Pace::kTime, {.latency_ns = 700}),
                    BusRig::device(device::Kind::kNic, Pace::kTime, {.latency_ns = 10, .write_back_ns = 3000})});
        for (u32 i = 0; i < 2; ++i) rig.set_master(i, true);
        rig.arm(0, 0x8000, 0x1000, 64, 900);
        rig.start_nic(1, 0x1000, 0x4000, 16, 15, 1300);
        for (u64 now = 0; now <= 60'000; now += step) rig.bus.advance(now);
        rig.bus.advance(60'000);
        std::vector<u64> order;
        for (const Arrival& a : rig.arrivals) order.push_back(a.write.bus << 8 | a.write.slot);
        return std::pair(order, rig.saved());
    };
    const auto once = run(60'000);
    CHECK(once.first.size() > 80);
    CHECK(run(1).first == once.first);
    CHECK((run(777) == once));
}

TEST_CASE("bus: devices move in the order of time, and of slots at the same time") {
    BusRig rig({BusRig::device(kEngine, Pace::kTime, {.latency_ns = 5000}),
                BusRig::device(kEngine, Pace::kTime, {.latency_ns = 100}),
                BusRig::device(kEngine, Pace::kTime, {.latency_ns = 100})});
    for (u32 i = 0; i < 3; ++i) {
        rig.set_master(i, true);
        rig.arm(i, 0x1000 * (i + 1), 0x1000, 64, 1000, 1);
    }
    rig.bus.advance(20'000);
    REQUIRE(rig.arrivals.size() == 3);
    CHECK(rig.arrivals[0].write.slot == 1);
    CHECK(rig.arrivals[1].write.slot == 2);
    CHECK(rig.arrivals[2].write.slot == 0);
    CHECK(rig.arrivals[2].write.id == 1);  // sent first all the same
}

TEST_CASE("bus: a device that can do nothing holds up no other") {
    BusRig rig({BusRig::device(device::Kind::kNic, Pace::kTime), BusRig::device(kEngine, Pace::kTime)});
    for (u32 i = 0; i < 2; ++i) rig.set_master(i, true);
    rig.start_nic(0, 0x1000, 0x4000, 8, 0, 0);  // time has come at once, but no descriptor is filled
    rig.write(rig.reg(0, device::kNicTail), 4, 5);
    rig.arm(1, 0x8000, 0x1000);
    rig.bus.advance(5000);
    CHECK(rig.bus.posted(0) == 0);
    CHECK(rig.bus.posted(1) == 5);
}

TEST_CASE("bus: a device without a pause is bounded by its lane, not by patience") {
    Running rig(Pace::kTime);
    rig.arm(0, 0x100, 0x1000, 64, 0);
    rig.bus.advance(100);
    CHECK(rig.bus.posted(0) == 1024);
    rig.bus.advance(10'000);
    CHECK(rig.arrivals.size() >= 1024);
}

TEST_CASE("bus: Pace::kSchedule moves in turns only, and every pace while a driver polls") {
    Running rig;
    rig.bus.advance(1'000'000);
    CHECK(rig.bus.posted(0) == 0);
    rig.bus.relax(1'000'000);
    CHECK(rig.bus.posted(0) == 1);
    CHECK(rig.arrivals.size() == 1);

    Running timed(Pace::kTime);
    timed.bus.set_scheduled(true);
    timed.bus.advance(1'000'000);
    CHECK(timed.bus.posted(0) == 0);
    timed.bus.set_scheduled(false);
    timed.bus.advance(1'000'000);
    CHECK(timed.bus.posted(0) != 0);
}

TEST_CASE("bus: polling moves nothing of a device that is not busy") {
    BusRig rig({BusRig::device(kEngine), BusRig::device(device::Kind::kNic)});
    for (u32 i = 0; i < 2; ++i) rig.set_master(i, true);
    rig.bus.relax(0);
    CHECK(rig.arrivals.empty());
}

TEST_CASE("bus: configuration space, of slots that are taken and of others") {
    for (const Isa isa : {Isa::kX86_64, Isa::kAArch64}) {
        BusRig rig({BusRig::device(device::Kind::kNic)}, isa);
        CHECK(rig.read(rig.config(0, device::kConfigId), 4) == (device::kVendor | u64{2} << 16));
        CHECK(rig.read(rig.config(0, device::kConfigBar0), 8) == rig.reg(0, 0).value);
        CHECK(rig.read(rig.config(0, 0x30), 4) == 0);
        rig.write(rig.config(0, device::kConfigCommand), 2, 0xffff);
        CHECK(rig.read(rig.config(0, device::kConfigCommand), 4) == device::kCommandBusMaster);
        for (const u32 slot : {1u, device::kSlots - 1}) {
            CHECK(rig.read(rig.config(slot, device::kConfigId), 4) == device::kAbsent);
            CHECK(rig.read(rig.config(slot, device::kConfigBar0), 8) == ~u64{0});
            CHECK(rig.read(rig.config(slot, 2), 1) == 0xff);
            CHECK(rig.known);
            CHECK(rig.write(rig.config(slot, device::kConfigCommand), 4, 4));  // nobody hears it
            rig.read(rig.reg(slot, 0), 8);
            CHECK_FALSE(rig.known);
            CHECK_FALSE(rig.write(rig.reg(slot, 0), 8, 0));
        }
    }
}

TEST_CASE("bus: registers of another width, and addresses of nobody, are no registers") {
    BusRig rig({BusRig::device(kEngine)});
    const auto known = [&](PhysAddr at, u32 width) {
        rig.read(at, width);
        return rig.known;
    };
    CHECK_FALSE(known(rig.config(0, device::kConfigId), 8));
    CHECK_FALSE(known(rig.config(0, device::kConfigBar0), 4));
    CHECK_FALSE(known(rig.config(0, 0x30), 8));
    CHECK_FALSE(rig.write(rig.config(0, device::kConfigCommand), 8, 4));
    CHECK_FALSE(known(rig.map.config - 4, 4));
    CHECK_FALSE(known(rig.config(device::kSlots, 0), 4));
    CHECK_FALSE(known(rig.map.iommu + device::kPageBytes, 4));
    CHECK(known(rig.map.iommu, 4));
    BusRig none({});
    none.read(none.map.iommu, 4);
    CHECK_FALSE(none.known);
    CHECK_FALSE(none.write(none.map.iommu + device::kIommuMode, 4, 0));
}

TEST_CASE("bus: in which kexec a device was switched on, and a write sent") {
    Running rig;
    CHECK(rig.bus.snapshot().slots[0].enabled_hop == 0);
    rig.bus.turn(0, TurnKind::kPost, 0);
    rig.bus.count_hop();
    rig.bus.turn(0, TurnKind::kDeliver, 0);
    CHECK(rig.arrivals[0].write.hop == 0);
    rig.set_master(0, true);  // it was on
    CHECK(rig.bus.snapshot().slots[0].enabled_hop == 0);
    rig.set_master(0, false);
    rig.set_master(0, true);
    CHECK(rig.bus.snapshot().slots[0].enabled_hop == 1);
    CHECK(rig.bus.snapshot().slots[0].disabled);
}

TEST_CASE("bus: a write is translated page by page, and a part of it may be refused") {
    BusRig rig({BusRig::device(device::Kind::kDmaEngine)});
    rig.set_master(0, true);
    rig.arm(0, 0xff8, 4096, 24);
    const PhysAddr iommu = rig.map.iommu;
    rig.write(iommu + device::kIommuDevice, 4, 0);
    rig.write(iommu + device::kIommuBus, 8, 0);
    rig.write(iommu + device::kIommuPhys, 8, 0x8000);
    rig.write(iommu + device::kIommuBytes, 8, 0x1000);
    rig.write(iommu + device::kIommuCommand, 4, static_cast<u64>(device::IommuCommand::kAdd));
    rig.set_mode(device::IommuMode::kAllowList);
    REQUIRE(rig.bus.turn(0, TurnKind::kBoth, 0));
    REQUIRE(rig.arrivals.size() == 2);
    CHECK(rig.arrivals[0].translated.passes);
    CHECK(rig.arrivals[0].translated.phys == PhysAddr{0x8ff8});
    CHECK(rig.arrivals[0].write.bytes.size() == 8);
    CHECK_FALSE(rig.arrivals[1].translated.passes);
    CHECK(rig.arrivals[1].write.bytes.size() == 16);
    CHECK(rig.word(0x8ff8) == 0x1000);
    CHECK(rig.bus.refused(0) == 1);
    CHECK(rig.bus.arrived(0) == 0);
}

TEST_CASE("bus: a write remembers who set its device going, whatever a reset forgets") {
    Running rig;
    rig.bus.turn(0, TurnKind::kPost, 0);  // by the kernel that runs
    rig.bus.count_hop();
    rig.bus.turn(0, TurnKind::kPost, 0);  // by one that is gone
    const u64 before = rig.bus.times_off(0);
    rig.write(rig.config(0, device::kConfigDeviceControl), 4, device::kControlFlr);
    rig.set_master(0, true);
    CHECK(rig.bus.times_off(0) == before + 1);
    rig.bus.turn(0, TurnKind::kDeliver, 0);
    rig.bus.turn(0, TurnKind::kDeliver, 0);
    REQUIRE(rig.arrivals.size() == 2);
    CHECK_FALSE(rig.arrivals[0].write.older);
    CHECK(rig.arrivals[1].write.older);
    CHECK(rig.arrivals[1].write.times_off != rig.bus.times_off(0));
}
