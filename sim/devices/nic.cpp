// SPDX-License-Identifier: GPL-2.0-only
// The receive side of a NIC: fetches descriptors ahead of the packets that will need them, writes each packet to its
// buffer, and later, when it gets round to it, says so in the descriptor (specs/iommu.md §9: M3, M4).
#include <algorithm>
#include <array>

#include "sim/devices/devices.hpp"

namespace baton::sim {
namespace {

struct Fetched {
    u64 address;
    u32 bytes;
    u32 index;
};

struct Completion {
    u64 due_ns;
    u32 index;
    u32 state;
};

struct NicState {
    u64 ring;
    u64 period_ns;
    u64 next_ns;
    u64 posted;
    u32 entries;
    u32 tail;
    u32 head;
    u32 control;
    u32 fetched_count;
    u32 withdrawn;  // the driver moved the tail back over descriptors that were fetched
    u32 completion_count;
    u32 padding;
    Fetched fetched[kPrefetchMax];
    Completion completions[device::kNicEntriesMax];
};

/// What is in a packet: its number, in every word.
inline constexpr u64 kPacketMark = 0x4e49430000000000;

class Nic final : public PlainDevice<NicState> {
public:
    using PlainDevice::PlainDevice;
    device::Kind kind() const override { return device::Kind::kNic; }

    bool read(u64 reg, u32 width, u64& value, const DevicePort& port) const override {
        using namespace device;
        switch (reg) {
            case kNicRing: value = s_.ring; return width == 8;
            case kNicEntries: value = s_.entries; return width == 4;
            case kNicTail: value = s_.tail; return width == 4;
            case kNicHead: value = s_.head; return width == 4;
            case kNicControl: value = s_.control; return width == 4;
            case kNicStatus:
                value = ((s_.control & kNicReceive) != 0 || s_.fetched_count != 0 ? u32{kNicRunning} : 0) |
                        (busy() || port.in_flight() ? u32{kNicBusy} : 0);
                return width == 4;
            case kNicPeriod: value = s_.period_ns; return width == 8;
            case kNicPosted: value = s_.posted; return width == 8;
            default: return false;
        }
    }

    bool write(u64 reg, u32 width, u64 value, DevicePort& port) override {
        using namespace device;
        const u32 v = static_cast<u32>(value);
        switch (reg) {
            case kNicRing: s_.ring = value; return width == 8;
            case kNicEntries: set_entries(v); return width == 4;
            case kNicTail: set_tail(v); return width == 4;
            case kNicControl:
                s_.control = v & kNicReceive;
                if (s_.control == 0) s_.fetched_count = 0;
                s_.next_ns = port.now_ns() + s_.period_ns;
                return width == 4;
            case kNicPeriod: s_.period_ns = value; return width == 8;
            default: return false;
        }
    }

    u64 due_ns() const override {
        u64 due = kNever;
        if (s_.completion_count != 0) due = s_.completions[0].due_ns;
        if (can_receive()) due = std::min(due, s_.next_ns);
        return due;
    }

    // A completion waits for its time while packets come; without packets it is the next thing to do.
    bool act(DevicePort& port) override {
        const bool late = s_.completion_count != 0 && s_.completions[0].due_ns <= port.now_ns();
        if (!late && can_receive() && s_.completion_count < device::kNicEntriesMax && receive(port)) return true;
        return s_.completion_count != 0 && complete(port);
    }

    bool busy() const override { return s_.fetched_count != 0 || s_.completion_count != 0; }

private:
    bool is_sound(const NicState& s) const override {
        if (s.fetched_count > kPrefetchMax || s.completion_count > device::kNicEntriesMax) return false;
        for (u32 i = 0; i < s.fetched_count; ++i)
            if (s.fetched[i].bytes < 8) return false;
        if (s.entries == 0) return s.head == 0 && s.tail == 0;
        return s.entries <= device::kNicEntriesMax && s.head < s.entries && s.tail < s.entries;
    }

    // Another ring: it begins at its start, and what was fetched was of the one before.
    void set_entries(u32 entries) {
        s_.entries = entries >= 2 && entries <= device::kNicEntriesMax ? entries : 0;
        s_.head = s_.tail = 0;
        s_.fetched_count = 0;
        s_.withdrawn = 0;
    }

    bool can_receive() const {
        return s_.fetched_count != 0 ||
               ((s_.control & device::kNicReceive) != 0 && s_.entries != 0 && s_.head != s_.tail);
    }

    void set_tail(u32 tail) {
        if (s_.entries == 0) return;
        s_.tail = tail % s_.entries;
        if (s_.tail == s_.head && s_.fetched_count != 0) s_.withdrawn = 1;
    }

    void prefetch(DevicePort& port) {
        const u32 depth = std::min(traits_.prefetch, kPrefetchMax);
        while ((s_.control & device::kNicReceive) != 0 && s_.fetched_count < depth && s_.head != s_.tail) {
            device::NicDescriptor d{};
            if (!port.fetch(s_.ring + s_.head * sizeof(d), {reinterpret_cast<u8*>(&d), sizeof(d)})) return;
            if (d.state != device::kDescriptorFilled || d.bytes < 8) return;
            s_.fetched[s_.fetched_count++] = {d.address, d.bytes, s_.head};
            s_.head = (s_.head + 1) % s_.entries;
        }
    }

    bool receive(DevicePort& port) {
        prefetch(port);
        s_.next_ns = port.now_ns() + s_.period_ns;
        if (s_.fetched_count == 0) return false;
        const Fetched f = s_.fetched[0];
        std::array<u64, device::kChunkMax / 8> words;
        const u64 bytes = std::min<u64>(f.bytes, device::kChunkMax) / 8 * 8;
        words.fill(kPacketMark + s_.posted);
        const DmaOrigin origin = s_.withdrawn != 0 ? DmaOrigin::kWithdrawn : DmaOrigin::kData;
        if (!port.post(f.address, {reinterpret_cast<const u8*>(words.data()), bytes}, origin)) return false;
        std::copy(s_.fetched + 1, s_.fetched + s_.fetched_count, s_.fetched);
        --s_.fetched_count;
        ++s_.posted;
        s_.completions[s_.completion_count++] = {port.now_ns() + traits_.write_back_ns, f.index,
                                                 device::kDescriptorDone | static_cast<u32>(bytes) << 8};
        return true;
    }

    bool complete(DevicePort& port) {
        const Completion c = s_.completions[0];
        const u64 at = s_.ring + c.index * sizeof(device::NicDescriptor) + offsetof(device::NicDescriptor, state);
        if (!port.post(at, {reinterpret_cast<const u8*>(&c.state), sizeof(c.state)}, DmaOrigin::kCompletion))
            return false;
        std::copy(s_.completions + 1, s_.completions + s_.completion_count, s_.completions);
        --s_.completion_count;
        return true;
    }
};

}  // namespace

std::unique_ptr<Device> make_nic(const DeviceTraits& traits) { return std::make_unique<Nic>(traits); }

}  // namespace baton::sim
