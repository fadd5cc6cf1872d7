// SPDX-License-Identifier: GPL-2.0-only
// A bus with a small memory behind it and no machine around: who wrote what, in which order, at which time.
#pragma once

#include <cstring>
#include <vector>

#include "sim/fabric/bus.hpp"

namespace baton::test {

class BusRig {
public:
    static constexpr u64 kMemory = 64 * kKiB;

    explicit BusRig(std::vector<sim::DeviceConfig> devices, Isa isa = Isa::kX86_64)
        : map(device::bus_map(isa)), memory(kMemory), bus(isa, std::move(devices)) {
        bus.set_memory(
            [this](const sim::Arrival& a) {
                arrivals.push_back(a);
                if (a.translated.passes && fits(a.translated.phys, a.write.bytes.size()))
                    std::memcpy(memory.data() + a.translated.phys.value, a.write.bytes.data(), a.write.bytes.size());
            },
            [this](PhysAddr at, std::span<u8> bytes) {
                if (!fits(at, bytes.size())) return false;
                std::memcpy(bytes.data(), memory.data() + at.value, bytes.size());
                return true;
            });
    }

    BusRig(const BusRig&) = delete;  // the bus knows where it is
    BusRig& operator=(const BusRig&) = delete;

    static sim::DeviceConfig device(device::Kind kind, sim::Pace pace = sim::Pace::kSchedule,
                                    sim::DeviceTraits traits = {}) {
        return {.name = "d", .kind = kind, .traits = traits, .pace = pace};
    }
    static bool fits(PhysAddr at, u64 bytes) { return at.value <= kMemory && bytes <= kMemory - at.value; }

    PhysAddr config(u32 slot, u64 reg) const { return map.config + slot * device::kPageBytes + reg; }
    PhysAddr reg(u32 slot, u64 reg) const { return map.registers + slot * device::kPageBytes + reg; }
    bool write(PhysAddr at, u32 width, u64 value) { return bus.write(at, width, value, now); }
    /// What a register says; all ones and a false `known` if there is none.
    u64 read(PhysAddr at, u32 width) {
        u64 value = ~u64{0};
        known = bus.read(at, width, value, now);
        return value;
    }
    void set_master(u32 slot, bool on) {
        write(config(slot, device::kConfigCommand), 4, on ? u64{device::kCommandBusMaster} : 0);
    }
    void set_mode(device::IommuMode mode) { write(map.iommu + device::kIommuMode, 4, static_cast<u64>(mode)); }

    /// An engine that writes `chunk` bytes to [address, address + length) every `period` ns.
    void arm(u32 slot, u64 address, u64 length, u64 chunk = 64, u64 period = 1000, u64 count = 0) {
        write(reg(slot, device::kDmaAddress), 8, address);
        write(reg(slot, device::kDmaLength), 8, length);
        write(reg(slot, device::kDmaPattern), 8, 0x1000 * (slot + 1));
        write(reg(slot, device::kDmaCount), 8, count);
        write(reg(slot, device::kDmaPeriod), 8, period);
        write(reg(slot, device::kDmaStride), 8, 0);
        write(reg(slot, device::kDmaChunk), 4, chunk);
        write(reg(slot, device::kDmaControl), 4, device::kEngineArm);
    }
    /// A NIC with a ring at `ring`, `filled` of whose descriptors have a buffer of 256 bytes from `buffers` on.
    void start_nic(u32 slot, u64 ring, u64 buffers, u32 entries, u32 filled, u64 period = 1000) {
        for (u32 i = 0; i < entries; ++i) {
            const device::NicDescriptor d{buffers + i * 256, 256, i < filled ? u32{device::kDescriptorFilled} : 0};
            std::memcpy(memory.data() + ring + i * sizeof(d), &d, sizeof(d));
        }
        write(reg(slot, device::kNicRing), 8, ring);
        write(reg(slot, device::kNicEntries), 4, entries);
        write(reg(slot, device::kNicPeriod), 8, period);
        write(reg(slot, device::kNicTail), 4, filled);
        write(reg(slot, device::kNicControl), 4, device::kNicReceive);
    }
    u64 word(u64 at) const {
        u64 w;
        std::memcpy(&w, memory.data() + at, sizeof(w));
        return w;
    }
    u32 descriptor_state(u64 ring, u32 index) const {
        device::NicDescriptor d;
        std::memcpy(&d, memory.data() + ring + index * sizeof(d), sizeof(d));
        return d.state;
    }
    std::vector<u8> saved() const {
        sim::ByteWriter to;
        bus.save(to);
        return to.bytes();
    }

    device::BusMap map;
    std::vector<u8> memory;
    std::vector<sim::Arrival> arrivals;
    sim::Bus bus;
    u64 now = 0;
    bool known = false;
};

}  // namespace baton::test
