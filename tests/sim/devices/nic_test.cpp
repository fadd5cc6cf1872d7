// SPDX-License-Identifier: GPL-2.0-only
#include "tests/catch.hpp"
#include "tests/support/bus_rig.hpp"

using namespace baton;
using namespace baton::sim;
using test::BusRig;

namespace {

constexpr u64 kRing = 0x1000;
constexpr u64 kBuffers = 0x4000;
constexpr u64 kPacket = 0x4e49430000000000;

struct Nic : BusRig {
    explicit Nic(DeviceTraits traits = {}, Pace pace = Pace::kSchedule)
        : BusRig({BusRig::device(device::Kind::kNic, pace, traits)}) {
        set_master(0, true);
    }
    u64 reg32(u64 at) { return read(reg(0, at), 4); }
    bool turn(TurnKind kind = TurnKind::kBoth) { return bus.turn(0, kind, now); }
};

}  // namespace

TEST_CASE("NIC: a packet lands in each buffer, and later its descriptor says so") {
    Nic nic;
    nic.start_nic(0, kRing, kBuffers, 8, 3);
    CHECK(nic.turn());
    CHECK(nic.word(kBuffers) == kPacket);
    CHECK(nic.word(kBuffers + 248) == kPacket);
    CHECK(nic.reg32(device::kNicHead) == 3);  // all were fetched ahead
    CHECK(nic.descriptor_state(kRing, 0) == device::kDescriptorFilled);
    CHECK(nic.turn());
    CHECK(nic.turn());
    CHECK(nic.word(kBuffers + 512) == kPacket + 2);
    CHECK(nic.reg32(device::kNicStatus) == (device::kNicRunning | device::kNicBusy));
    CHECK(nic.turn());  // no packet has a place: a completion is what is left
    CHECK(nic.descriptor_state(kRing, 0) == (device::kDescriptorDone | 256 << 8));
    CHECK(nic.descriptor_state(kRing, 1) == device::kDescriptorFilled);
    CHECK(nic.arrivals.back().write.origin == DmaOrigin::kCompletion);
    CHECK(nic.arrivals.back().write.bus == kRing + 12);
    nic.turn();
    nic.turn();
    CHECK(nic.descriptor_state(kRing, 2) == (device::kDescriptorDone | 256 << 8));
    CHECK_FALSE(nic.turn());
    CHECK(nic.reg32(device::kNicStatus) == device::kNicRunning);
    CHECK(nic.read(nic.reg(0, device::kNicPosted), 8) == 3);
}

TEST_CASE("NIC: fetches no more descriptors ahead than it was built for") {
    for (const u32 depth : {1u, 2u, kPrefetchMax}) {
        Nic nic({.prefetch = depth});
        nic.start_nic(0, kRing, kBuffers, 32, 31);
        nic.turn();
        CHECK(nic.reg32(device::kNicHead) == depth);
    }
    Nic nic({.prefetch = ~u32{0}});
    nic.start_nic(0, kRing, kBuffers, 64, 63);
    nic.turn();
    CHECK(nic.reg32(device::kNicHead) == kPrefetchMax);
}

TEST_CASE("NIC: a completion comes when its time has come, though packets come") {
    Nic nic({.write_back_ns = 5000});
    nic.start_nic(0, kRing, kBuffers, 8, 5);
    nic.turn();
    nic.now = 4999;
    nic.turn();
    CHECK(nic.descriptor_state(kRing, 0) == device::kDescriptorFilled);
    nic.now = 5000;
    nic.turn();
    CHECK(nic.descriptor_state(kRing, 0) == (device::kDescriptorDone | 256 << 8));
}

TEST_CASE("NIC: descriptors taken back by the index alone are written all the same, and said to be") {
    Nic nic;
    nic.start_nic(0, kRing, kBuffers, 8, 6);
    nic.turn();
    CHECK(nic.arrivals.back().write.origin == DmaOrigin::kData);
    nic.write(nic.reg(0, device::kNicTail), 4, nic.reg32(device::kNicHead));
    nic.turn();
    CHECK(nic.word(kBuffers + 256) == kPacket + 1);
    CHECK(nic.arrivals.back().write.origin == DmaOrigin::kWithdrawn);
}

TEST_CASE("NIC: the control register makes it give up what it fetched, not the completions it owes") {
    Nic nic;
    nic.start_nic(0, kRing, kBuffers, 8, 6);
    nic.turn();
    nic.write(nic.reg(0, device::kNicControl), 4, 0);
    CHECK(nic.reg32(device::kNicStatus) == device::kNicBusy);
    CHECK(nic.turn());
    CHECK(nic.arrivals.back().write.origin == DmaOrigin::kCompletion);
    CHECK_FALSE(nic.turn());
    CHECK(nic.reg32(device::kNicStatus) == 0);
    CHECK(nic.word(kBuffers + 256) == 0);
}

TEST_CASE("NIC: a ring that is programmed anew begins at its start") {
    Nic nic;
    nic.start_nic(0, kRing, kBuffers, 16, 12);
    for (int i = 0; i < 9; ++i) nic.turn();
    nic.write(nic.reg(0, device::kNicTail), 4, nic.reg32(device::kNicHead));  // withdrawn, not stopped
    nic.start_nic(0, kRing + 0x1000, 0x8000, 4, 3);
    CHECK(nic.reg32(device::kNicHead) == 0);
    nic.now = 1;  // before any completion is late
    nic.turn();
    CHECK(nic.word(0x8000) != 0);
    CHECK(nic.arrivals.back().write.origin == DmaOrigin::kData);
}

TEST_CASE("NIC: what is no ring is not received into") {
    for (const u32 entries : {0u, 1u, device::kNicEntriesMax + 1, ~0u}) {
        CAPTURE(entries);
        Nic nic;
        nic.start_nic(0, kRing, kBuffers, 8, 6);
        nic.turn();  // descriptors are fetched, and head is not tail
        nic.write(nic.reg(0, device::kNicEntries), 4, entries);
        nic.write(nic.reg(0, device::kNicTail), 4, 5);
        CHECK(nic.reg32(device::kNicEntries) == 0);
        nic.bus.turn(0, TurnKind::kPost, 100'000);
        nic.bus.turn(0, TurnKind::kPost, 100'000);
        CHECK(nic.read(nic.reg(0, device::kNicPosted), 8) == 1);
    }
}

TEST_CASE("NIC: no packet without a filled descriptor of at least a word") {
    Nic nic;
    nic.start_nic(0, kRing, kBuffers, 8, 0);
    nic.write(nic.reg(0, device::kNicTail), 4, 4);
    CHECK_FALSE(nic.turn());
    const device::NicDescriptor tiny{kBuffers, 4, device::kDescriptorFilled};
    std::memcpy(nic.memory.data() + kRing, &tiny, sizeof(tiny));
    CHECK_FALSE(nic.turn());
    const device::NicDescriptor good{kBuffers, 20, device::kDescriptorFilled};  // whole words of it
    std::memcpy(nic.memory.data() + kRing, &good, sizeof(good));
    CHECK(nic.turn());
    CHECK(nic.arrivals.back().write.bytes.size() == 16);
}

TEST_CASE("NIC: a ring behind an IOMMU that refuses it is a fault, not a packet") {
    Nic nic;
    nic.start_nic(0, kRing, kBuffers, 8, 6);
    nic.set_mode(device::IommuMode::kBlockAll);
    CHECK_FALSE(nic.turn());
    CHECK(nic.bus.iommu().state().faults == 1);
    nic.set_mode(device::IommuMode::kOff);
    CHECK(nic.turn());
}
