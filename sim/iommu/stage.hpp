// SPDX-License-Identifier: GPL-2.0-only
// The IOMMU on the path of every request: off, pass-through, block all, or a list of what may pass, translated.
//
// The first slice of what VT-d and SMMUv3 will be: one list instead of tables in RAM, no caches.
#pragma once

#include <vector>

#include "model/drivers/registers.hpp"
#include "sim/bytes.hpp"

namespace baton::sim {

struct IommuEntry {
    u32 slot = 0;
    u64 bus = 0;  // first bus address
    PhysRange range;
    bool operator==(const IommuEntry&) const = default;
};

class IommuStage {
public:
    using Mode = device::IommuMode;
    struct State {
        Mode mode = Mode::kOff;
        u64 faults = 0;
        IommuEntry staged;  // what the registers hold for the next command
        std::vector<IommuEntry> entries;
        std::vector<IommuEntry> former;  // entries that were there and were removed: what a stale request meant
        bool operator==(const State&) const = default;
    };

    struct Answer {
        bool passes = false;
        PhysAddr phys;
        bool listed = false;  // an entry of this device covers the address, whatever the mode
        bool stale = false;   // one did, and meant another physical address than `phys`
    };
    Answer translate(u32 slot, u64 bus, u64 bytes) const;
    /// A device was reset: what it was once told is forgotten.
    void forget_former(u32 slot) {
        std::erase_if(state_.former, [slot](const IommuEntry& e) { return e.slot == slot; });
    }
    void count_fault() { ++state_.faults; }

    /// A register access; false: no such register.
    bool read(u64 reg, u32 width, u64& value) const;
    bool write(u64 reg, u32 width, u64 value);

    Mode mode() const { return state_.mode; }
    const State& state() const { return state_; }
    void restore(const State& state) { state_ = state; }
    void save(ByteWriter& to) const;
    void load(ByteReader& from);

private:
    void command(device::IommuCommand what);

    State state_;
};

}  // namespace baton::sim
