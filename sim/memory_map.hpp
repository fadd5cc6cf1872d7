// SPDX-License-Identifier: GPL-2.0-only
// Where a machine has RAM, and what its firmware says about it (decision D21).
//
// x86-64 counts like QEMU: up to 3 GiB of the RAM lie below the MMIO hole, the rest from 4 GiB on. AArch64 has one run.
#pragma once

#include <stdexcept>
#include <vector>

#include "model/boot/boot.hpp"
#include "model/geometry.hpp"

namespace baton::sim {

inline constexpr u64 kRamBytesMin = 16 * kMiB;
inline constexpr u64 kRamBytesMax = 16 * kTiB;
inline constexpr u64 kRamBytesUnit = 1 * kMiB;
inline constexpr PhysAddr kRamBaseArm{0x40000000};

/// There is no machine with this much RAM; the message is for a person.
class MachineError : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

struct MachineMap {
    /// Throws MachineError.
    MachineMap(Isa machine_isa, u64 bytes_of_ram);

    Isa isa;
    u64 ram_bytes;
    std::vector<PhysRange> ram;           // what can be written, ascending; at most platform::RamView::kRangesMax
    std::vector<MemoryMapEntry> entries;  // what the firmware reports, ascending
};

}  // namespace baton::sim
