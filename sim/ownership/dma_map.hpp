// SPDX-License-Identifier: GPL-2.0-only
// Which device may reach which memory, as its drivers said (Site::kDmaMap, Site::kDmaUnmap), across kexecs.
//
// A mapping outlives its kernel if every frame of it is handed over: then the device goes on by right. All others are
// lost at the jump, and remembered: a write through one is a race with a name.
#pragma once

#include <vector>

#include "model/drivers/registers.hpp"
#include "sim/bytes.hpp"
#include "sim/ownership/ownership_map.hpp"

namespace baton::sim {

class DmaMap {
public:
    enum class Fate : u32 { kLive, kUnmapped, kLost };
    struct Mapping {
        u32 slot = 0;
        PhysRange range;
        Fate fate = Fate::kLive;
        bool operator==(const Mapping&) const = default;
    };
    /// What is known of a range for one device; live wins.
    struct Found {
        bool live = false;
        bool unmapped = false;
        bool lost = false;
    };

    void map(u32 slot, PhysRange range);
    void unmap(u32 slot, PhysRange range);
    /// Its kernel gave the memory back, whether it knew of the mapping or not.
    void release(PhysRange range);
    /// A kernel is left.
    void jump(const OwnershipMap& owners);
    Found find(u32 slot, PhysRange range) const;
    const std::vector<Mapping>& mappings() const { return mappings_; }

    void restore(const std::vector<Mapping>& mappings) { mappings_ = mappings; }
    void save(ByteWriter& to) const;
    void load(ByteReader& from);

private:
    std::vector<Mapping> mappings_;
};

}  // namespace baton::sim
