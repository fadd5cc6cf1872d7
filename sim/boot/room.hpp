// SPDX-License-Identifier: GPL-2.0-only
// Where a boot loader can still put something: the whole pages of RAM, less what the firmware keeps and what was
// placed.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "sim/memory_map.hpp"

namespace baton::sim {

class Room {
public:
    /// RAM as a kernel with pages of `page_bytes` cuts it, less the map's reservations.
    Room(const MachineMap& map, u64 page_bytes);

    /// From now on nobody else's; every page it touches. What is taken already, or no RAM, may be in it.
    void take(PhysRange range);
    bool is_free(PhysRange range) const;
    /// The lowest, or highest, aligned place of a range of `size` bytes in [from, to); nothing if there is none.
    /// `align` is a power of two. It is not taken by this.
    std::optional<PhysAddr> lowest(u64 size, u64 align, PhysAddr from, PhysAddr to) const;
    std::optional<PhysAddr> highest(u64 size, u64 align, PhysAddr from, PhysAddr to) const;
    /// What is left, ascending.
    std::span<const PhysRange> runs() const { return runs_; }

private:
    u64 page_bytes_;
    std::vector<PhysRange> runs_;
};

}  // namespace baton::sim
