// SPDX-License-Identifier: GPL-2.0-only
// The bus: which device sits in which slot, what each has sent and what has not arrived yet (specs/iommu.md §5, §10).
//
// A write goes through three gates. At the device's port bus mastering is looked at: off stops new requests, not those
// already sent. Then the write is posted: it waits in the lane of its device, in order, for as long as the fabric
// takes. Then the IOMMU translates or refuses it, with the tables of that instant, and memory has it.
//
// Devices move by themselves when their time has come (Pace::kTime), or only in turns that a schedule gives them
// (Pace::kSchedule); either way all of them move while a driver polls, or no driver could wait for one.
#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "sim/devices/device.hpp"
#include "sim/iommu/stage.hpp"

namespace baton::sim {

enum class Pace : u32 { kTime, kSchedule };
/// What a device does in a turn: its next write is sent, the oldest one on the way arrives, or both.
enum class TurnKind : u32 { kPost, kDeliver, kBoth, kCount };
inline constexpr std::string_view kTurnNames[] = {"post", "deliver", "both"};

struct DeviceConfig {
    std::string name;
    device::Kind kind = device::Kind::kNone;
    DeviceTraits traits;
    Pace pace = Pace::kTime;
    bool operator==(const DeviceConfig&) const = default;
};

/// A posted write on its way, and what was true when it was sent.
struct PostedWrite {
    u64 id = 0;
    u32 slot = 0;
    u64 bus = 0;
    std::vector<u8> bytes;
    DmaOrigin origin = DmaOrigin::kData;
    u64 due_ns = 0;
    u64 hop = 0;             // kexecs before it was sent
    bool bus_master = true;  // when it was sent
    u64 times_off = 0;       // how often bus mastering had gone off by then
    bool older = false;      // a kernel that was gone by then had set the device going
    bool was_off = false;    // and another gave bus mastering back
};

/// A write at the end of its way: what arrives where, or does not.
struct Arrival {
    PostedWrite write;
    IommuStage::Answer translated;
};

class Bus {
public:
    /// Told of every write that comes out of the fabric, whether the IOMMU passed it or not.
    using Sink = std::function<void(const Arrival&)>;
    /// Told of every write that is sent.
    using Posted = std::function<void(const PostedWrite&)>;
    using Reader = std::function<bool(PhysAddr, std::span<u8>)>;

    /// Device i sits in slot i; at most device::kSlots.
    Bus(Isa isa, std::vector<DeviceConfig> devices);

    void set_memory(Sink sink, Reader reader);
    void set_posted(Posted posted) { posted_ = std::move(posted); }
    bool empty() const { return slots_.empty(); }
    u32 size() const { return static_cast<u32>(slots_.size()); }
    const DeviceConfig& config(u32 slot) const { return slots_[slot].config; }
    Device& device(u32 slot) { return *slots_[slot].device; }
    const IommuStage& iommu() const { return iommu_; }

    /// Registers of all devices and of the IOMMU. False: nobody has one there.
    bool read(PhysAddr reg, u32 width, u64& value, u64 now_ns);
    bool write(PhysAddr reg, u32 width, u64 value, u64 now_ns);

    /// Everything that is due by `now_ns`, in the order of time, then slot. Only devices of Pace::kTime.
    void advance(u64 now_ns);
    /// A turn of one device. False: it had nothing to do.
    bool turn(u32 slot, TurnKind kind, u64 now_ns);
    /// A driver polls: what is on its way arrives, and every device goes on one step.
    void relax(u64 now_ns);
    /// Every device moves in turns only, whatever its pace.
    void set_scheduled(bool scheduled) { scheduled_ = scheduled; }
    /// The device has something it could do in a turn of this kind.
    bool can(u32 slot, TurnKind kind) const;

    /// A kexec happened.
    void count_hop() { ++hop_; }
    u64 hop() const { return hop_; }
    bool bus_master(u32 slot) const;
    /// How often bus mastering went off, by resets too.
    u64 times_off(u32 slot) const { return slots_[slot].times_off; }
    u64 posted(u32 slot) const { return slots_[slot].posted; }
    u64 arrived(u32 slot) const { return slots_[slot].arrived; }
    u64 refused(u32 slot) const { return slots_[slot].refused; }

    /// All that changes, as plain data.
    struct SlotState {
        u16 command = 0;
        bool disabled = false;  // bus mastering was on, and went off
        u64 times_off = 0;      // how often, resets included
        u64 enabled_hop = 0;
        u64 posted = 0;
        u64 arrived = 0;
        u64 refused = 0;
        std::vector<u8> device;
        std::deque<PostedWrite> lane;
    };
    struct State {
        std::vector<SlotState> slots;
        IommuStage::State iommu;
        u64 next_id = 1;
        u64 hop = 0;
        u64 now_ns = 0;
    };
    State snapshot() const;
    void restore(const State& state);
    void save(ByteWriter& to) const;
    void load(ByteReader& from);

private:
    class Port;
    struct Slot : SlotState {
        DeviceConfig config;
        std::unique_ptr<Device> device;
    };

    struct Place {
        u32 slot = 0;
        u64 offset = 0;
    };
    static std::optional<Place> place_in(PhysAddr pages, PhysAddr reg);
    bool config_read(u32 slot, u64 reg, u32 width, u64& value) const;
    bool config_write(u32 slot, u64 reg, u32 width, u64 value);
    bool act(u32 slot);
    bool deliver(u32 slot);
    /// Bus mastering is on, or the device does not mind.
    bool may_request(const Slot& s) const {
        return (s.command & device::kCommandBusMaster) != 0 || !s.config.traits.honours_bus_master;
    }
    bool moves_by_time(const Slot& s) const { return !scheduled_ && s.config.pace == Pace::kTime; }

    device::BusMap map_;
    std::vector<Slot> slots_;
    IommuStage iommu_;
    Sink sink_;
    Posted posted_;
    Reader reader_;
    u64 next_id_ = 1;
    u64 hop_ = 0;
    u64 now_ns_ = 0;  // of what moved last
    bool scheduled_ = false;
};

}  // namespace baton::sim
