// SPDX-License-Identifier: GPL-2.0-only
#include "sim/fabric/bus.hpp"

#include <algorithm>
#include <utility>

namespace baton::sim {

namespace {
inline constexpr std::size_t kLaneMax = 1024;     // then a device waits
inline constexpr u64 kTurnsPerAdvance = 100'000;  // a period of 0 ns acts once per instant, but bound it all the same
}  // namespace

class Bus::Port final : public DevicePort {
public:
    Port(Bus& bus, u32 slot) : bus_(bus), slot_(slot) {}
    u64 now_ns() const override { return bus_.now_ns_; }
    bool in_flight() const override { return !bus_.slots_[slot_].lane.empty(); }

    bool post(u64 address, std::span<const u8> bytes, DmaOrigin origin) override {
        Slot& s = bus_.slots_[slot_];
        if (!bus_.may_request(s) || s.lane.size() == kLaneMax) return false;
        s.lane.push_back({.id = bus_.next_id_++,
                          .slot = slot_,
                          .bus = address,
                          .bytes = {bytes.begin(), bytes.end()},
                          .origin = origin,
                          .due_ns = bus_.now_ns_ + s.config.traits.latency_ns,
                          .hop = bus_.hop_,
                          .bus_master = bus_.bus_master(slot_),
                          .times_off = s.times_off,
                          .older = bus_.hop_ != 0 && (s.enabled_hop < bus_.hop_ || s.disabled),
                          .was_off = s.disabled && s.enabled_hop == bus_.hop_});
        ++s.posted;
        if (bus_.posted_) bus_.posted_(s.lane.back());
        return true;
    }

    bool fetch(u64 address, std::span<u8> bytes) override {
        if (!bus_.may_request(bus_.slots_[slot_])) return false;
        const IommuStage::Answer a = bus_.iommu_.translate(slot_, address, bytes.size());
        if (!a.passes) bus_.iommu_.count_fault();
        return a.passes && bus_.reader_(a.phys, bytes);
    }

private:
    Bus& bus_;
    u32 slot_;
};

Bus::Bus(Isa isa, std::vector<DeviceConfig> devices) : map_(device::bus_map(isa)) {
    for (DeviceConfig& config : devices) {
        Slot s;
        s.device = make_device(config.kind, config.traits);
        s.config = std::move(config);
        slots_.push_back(std::move(s));
    }
}

void Bus::set_memory(Sink sink, Reader reader) {
    sink_ = std::move(sink);
    reader_ = std::move(reader);
}

bool Bus::bus_master(u32 slot) const { return (slots_[slot].command & device::kCommandBusMaster) != 0; }

// --- registers ------------------------------------------------------------------------------------------------------

// Which slot's page, and where in it. Nothing: the register is in none of the 16 pages from `pages` on.
std::optional<Bus::Place> Bus::place_in(PhysAddr pages, PhysAddr reg) {
    const u64 offset = reg - pages;
    if (offset >= device::kSlots * device::kPageBytes) return std::nullopt;
    return Place{static_cast<u32>(offset / device::kPageBytes), offset % device::kPageBytes};
}

bool Bus::read(PhysAddr reg, u32 width, u64& value, u64 now_ns) {
    now_ns_ = now_ns;
    if (slots_.empty()) return false;
    if (const auto at = place_in(map_.config, reg)) {
        if (at->slot < slots_.size()) return config_read(at->slot, at->offset, width, value);
        value = ~u64{0} >> (64 - 8 * width);
        return true;
    }
    if (const auto at = place_in(map_.registers, reg)) {
        const Port port(*this, at->slot);
        return at->slot < slots_.size() && slots_[at->slot].device->read(at->offset, width, value, port);
    }
    return reg - map_.iommu < device::kPageBytes && iommu_.read(reg - map_.iommu, width, value);
}

bool Bus::write(PhysAddr reg, u32 width, u64 value, u64 now_ns) {
    now_ns_ = now_ns;
    if (slots_.empty()) return false;
    if (const auto at = place_in(map_.config, reg))
        return at->slot >= slots_.size() || config_write(at->slot, at->offset, width, value);
    if (const auto at = place_in(map_.registers, reg)) {
        Port port(*this, at->slot);
        return at->slot < slots_.size() && slots_[at->slot].device->write(at->offset, width, value, port);
    }
    return reg - map_.iommu < device::kPageBytes && iommu_.write(reg - map_.iommu, width, value);
}

// Dwords, as PCI has it; the BAR is a quadword here.
bool Bus::config_read(u32 slot, u64 reg, u32 width, u64& value) const {
    const Slot& s = slots_[slot];
    switch (reg) {
        case device::kConfigId: value = device::kVendor | static_cast<u32>(s.config.kind) << 16; return width == 4;
        case device::kConfigCommand: value = s.command; return width == 4;
        case device::kConfigBar0: value = map_.registers.value + slot * device::kPageBytes; return width == 8;
        case device::kConfigDeviceControl:
            value = s.lane.empty() ? 0 : u64{device::kStatusPending} << 16;
            return width == 4;
        default: value = 0; return width <= 4;  // a register that is not implemented reads as 0
    }
}

bool Bus::config_write(u32 slot, u64 reg, u32 width, u64 value) {
    Slot& s = slots_[slot];
    if (width > 4) return false;
    if (reg == device::kConfigCommand) {
        const bool was = bus_master(slot);
        s.command = static_cast<u16>(value & device::kCommandBusMaster);
        if (was && !bus_master(slot)) {
            s.disabled = true;
            ++s.times_off;
        }
        if (!was && bus_master(slot)) s.enabled_hop = hop_;
    }
    // A function-level reset: the device forgets everything; what it has sent has left it.
    if (reg == device::kConfigDeviceControl && (value & device::kControlFlr) != 0) {
        s.device->reset();
        if (bus_master(slot)) ++s.times_off;
        s.command = 0;
        s.disabled = false;
        iommu_.forget_former(slot);
    }
    return true;
}

// --- moving ---------------------------------------------------------------------------------------------------------

bool Bus::act(u32 slot) {
    Port port(*this, slot);
    return slots_[slot].device->act(port);
}

bool Bus::deliver(u32 slot) {
    Slot& s = slots_[slot];
    if (s.lane.empty()) return false;
    PostedWrite rest = std::move(s.lane.front());
    s.lane.pop_front();
    // Page by page, as it is translated, owned and judged; nearly every write lies in one.
    bool refused = false;
    while (!rest.bytes.empty()) {
        const std::size_t room = kFrameSize - rest.bus % kFrameSize;
        Arrival a{rest.bytes.size() <= room ? std::exchange(rest, {}) : rest, {}};
        if (a.write.bytes.size() > room) {
            a.write.bytes.resize(room);
            rest.bus += room;
            rest.bytes.erase(rest.bytes.begin(), rest.bytes.begin() + static_cast<std::ptrdiff_t>(room));
        }
        a.translated = iommu_.translate(slot, a.write.bus, a.write.bytes.size());
        refused = refused || !a.translated.passes;
        sink_(a);
    }
    ++(refused ? s.refused : s.arrived);
    if (refused) iommu_.count_fault();
    return true;
}

// A device acts at its own time, not at that of the schedule point at which the bus is asked to move.
void Bus::advance(u64 now_ns) {
    now_ns_ = std::min(now_ns_, now_ns);  // an observer's time was taken back
    u32 stuck = 0;  // a bit a slot: its time has come, and it can do nothing; it is asked again at the next point
    for (u64 turns = 0; turns < kTurnsPerAdvance; ++turns) {
        u64 first = Device::kNever;
        u32 who = 0;
        bool arrives = false;
        for (u32 i = 0; i < slots_.size(); ++i) {
            const Slot& s = slots_[i];
            if (!moves_by_time(s)) continue;
            if (!s.lane.empty() && s.lane.front().due_ns < first) {
                first = s.lane.front().due_ns;
                who = i;
                arrives = true;
            }
            if (may_request(s) && (stuck >> i & 1) == 0 && s.device->due_ns() < first) {
                first = s.device->due_ns();
                who = i;
                arrives = false;
            }
        }
        if (first > now_ns) break;
        now_ns_ = std::max(now_ns_, first);
        if (arrives)
            deliver(who);
        else if (!act(who))
            stuck |= u32{1} << who;
    }
    now_ns_ = now_ns;
}

bool Bus::turn(u32 slot, TurnKind kind, u64 now_ns) {
    now_ns_ = now_ns;
    bool did = false;
    if (kind != TurnKind::kDeliver) did = act(slot);
    if (kind != TurnKind::kPost) did = deliver(slot) || did;
    return did;
}

bool Bus::can(u32 slot, TurnKind kind) const {
    const Slot& s = slots_[slot];
    if (kind != TurnKind::kPost && !s.lane.empty()) return true;
    return kind != TurnKind::kDeliver && may_request(s) && s.device->due_ns() != Device::kNever;
}

void Bus::relax(u64 now_ns) {
    now_ns_ = now_ns;
    for (u32 i = 0; i < slots_.size(); ++i) {
        while (deliver(i)) {
        }
        if (slots_[i].device->busy()) act(i);
        while (deliver(i)) {
        }
    }
}

// --- state ----------------------------------------------------------------------------------------------------------

Bus::State Bus::snapshot() const {
    State state{.slots = {}, .iommu = iommu_.state(), .next_id = next_id_, .hop = hop_, .now_ns = now_ns_};
    for (const Slot& s : slots_) {
        SlotState copy = s;
        copy.device = s.device->bytes();
        state.slots.push_back(std::move(copy));
    }
    return state;
}

void Bus::restore(const State& state) {
    for (u32 i = 0; i < slots_.size(); ++i) {
        static_cast<SlotState&>(slots_[i]) = state.slots[i];
        slots_[i].device->load(state.slots[i].device);
    }
    iommu_.restore(state.iommu);
    next_id_ = state.next_id;
    hop_ = state.hop;
    now_ns_ = state.now_ns;
}

namespace {

void put_write(ByteWriter& to, const PostedWrite& w) {
    to.put(w.id);
    to.put(w.bus);
    to.put(static_cast<u32>(w.origin));
    to.put(w.due_ns);
    to.put(w.hop);
    for (const bool flag : {w.bus_master, w.older, w.was_off}) to.put(static_cast<u8>(flag ? 1 : 0));
    to.put(w.times_off);
    to.put(u64{w.bytes.size()});
    to.put_bytes(w.bytes);
}

PostedWrite get_write(ByteReader& from, u32 slot) {
    PostedWrite w;
    w.id = from.get<u64>();
    w.slot = slot;
    w.bus = from.get<u64>();
    const u32 origin = from.get<u32>();
    if (origin > static_cast<u32>(DmaOrigin::kWithdrawn))
        from.fail("has a write on its way of a kind that does not exist");
    w.origin = static_cast<DmaOrigin>(origin);
    w.due_ns = from.get<u64>();
    w.hop = from.get<u64>();
    for (bool* flag : {&w.bus_master, &w.older, &w.was_off}) *flag = from.get<u8>() != 0;
    w.times_off = from.get<u64>();
    const auto bytes = from.get_bytes(from.get<u64>());
    if (bytes.empty() || bytes.size() > device::kChunkMax)
        from.fail("has a write on its way of a size that no device makes");
    w.bytes.assign(bytes.begin(), bytes.end());
    return w;
}

inline constexpr u64 kWriteBytesMin = 8;

}  // namespace

void Bus::save(ByteWriter& to) const {
    to.put(u64{slots_.size()});
    for (const Slot& s : slots_) {
        to.put_string(s.config.name);
        to.put(static_cast<u32>(s.config.kind));
        to.put(static_cast<u32>(s.config.pace));
        to.put(s.config.traits.latency_ns);
        to.put(s.config.traits.write_back_ns);
        to.put(s.config.traits.prefetch);
        to.put(static_cast<u8>(s.config.traits.honours_bus_master ? 1 : 0));
        to.put(s.command);
        to.put(static_cast<u8>(s.disabled ? 1 : 0));
        for (const u64 n : {s.enabled_hop, s.times_off, s.posted, s.arrived, s.refused}) to.put(n);
        const std::vector<u8> bytes = s.device->bytes();
        to.put(u64{bytes.size()});
        to.put_bytes(bytes);
        to.put(u64{s.lane.size()});
        for (const PostedWrite& w : s.lane) put_write(to, w);
    }
    iommu_.save(to);
    to.put(next_id_);
    to.put(hop_);
    to.put(now_ns_);
}

// Replaces everything, the devices themselves too.
void Bus::load(ByteReader& from) {
    slots_.clear();
    const u64 count = from.get_count(kWriteBytesMin);
    if (count > device::kSlots) from.fail("has more devices than a bus has slots");
    for (u32 i = 0; i < count; ++i) {
        Slot s;
        s.config.name = from.get_string();
        const u32 kind = from.get<u32>();
        const u32 pace = from.get<u32>();
        if (kind == 0 || kind >= static_cast<u32>(device::Kind::kCount) || pace > static_cast<u32>(Pace::kSchedule))
            from.fail("has a device of a kind that does not exist");
        s.config.kind = static_cast<device::Kind>(kind);
        s.config.pace = static_cast<Pace>(pace);
        s.config.traits.latency_ns = from.get<u64>();
        s.config.traits.write_back_ns = from.get<u64>();
        s.config.traits.prefetch = from.get<u32>();
        s.config.traits.honours_bus_master = from.get<u8>() != 0;
        s.device = make_device(s.config.kind, s.config.traits);
        s.command = from.get<u16>();
        s.disabled = from.get<u8>() != 0;
        for (u64* n : {&s.enabled_hop, &s.times_off, &s.posted, &s.arrived, &s.refused}) *n = from.get<u64>();
        if (!s.device->load(from.get_bytes(from.get<u64>()))) from.fail("has a device in a state that does not exist");
        const u64 posted = from.get_count(kWriteBytesMin);
        if (posted > kLaneMax) from.fail("has more writes on their way than the bus takes");
        for (u64 n = posted; n > 0; --n) s.lane.push_back(get_write(from, i));
        slots_.push_back(std::move(s));
    }
    iommu_.load(from);
    next_id_ = from.get<u64>();
    hop_ = from.get<u64>();
    now_ns_ = from.get<u64>();
    for (const Slot& s : slots_)
        if (s.enabled_hop > hop_) from.fail("has a device that was switched on after a kexec that is to come");
}

}  // namespace baton::sim
