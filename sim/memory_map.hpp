// SPDX-License-Identifier: GPL-2.0-only
// Where a machine has RAM, and what its firmware says about it (decision D21).
//
// The built-in machines come from a size: x86-64 counts like QEMU, up to 3 GiB of the RAM below the MMIO hole and the
// rest from 4 GiB on; AArch64 has one run. Any other comes from a FirmwareMap: what an e820 table, /proc/iomem, a
// device tree or a capture say about a real one (sim/map_file). Firmware does not count in pages: entries keep their
// bytes, kernels cut them down as they do (the last RAM of 0x9fc00 is the page that ends at 0x9f000), and RAM that can
// be written is every frame an entry touches.
#pragma once

#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "model/boot/boot.hpp"
#include "model/geometry.hpp"

namespace baton::sim {

inline constexpr u64 kRamBytesMin = 16 * kMiB;
inline constexpr u64 kRamBytesMax = 16 * kTiB;
inline constexpr u64 kRamBytesUnit = 1 * kMiB;
inline constexpr PhysAddr kRamBaseArm{0x40000000};
inline constexpr u64 kAcpiBytes = 8 * kKiB;  // as many entries as a map can have, and all nodes

/// There is no machine with this much RAM; the message is for a person.
class MachineError : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// A firmware's memory map.
struct FirmwareMap {
    std::string name;                     // the file's, for people
    std::optional<Isa> isa;               // if the form of the file tells it
    std::vector<MemoryMapEntry> entries;  // ascending, disjoint, not empty, none wraps
    std::vector<PhysRange> reserved;      // in RAM, yet not to be used: AArch64's reservations; ascending, disjoint
    std::vector<u8> device_tree;          // AArch64: the tree it came from, which the kernel gets; may be empty
    u32 nodes = 0;                        // NUMA nodes 0 … nodes - 1, with memory or without; 0: no NUMA
    bool operator==(const FirmwareMap&) const = default;
};

struct MachineMap {
    /// A built-in machine. Throws MachineError.
    MachineMap(Isa machine_isa, u64 bytes_of_ram);
    /// A described machine. Throws MachineError: no RAM, RAM beyond 32 TiB or in more than RamView::kRangesMax runs,
    /// more entries than a zero page holds, another ISA than the map's, no place for the tables of a map with nodes.
    MachineMap(Isa machine_isa, FirmwareMap firmware);

    Isa isa;
    u64 ram_bytes;                        // of `ram`; of a built-in machine, what was asked for
    std::vector<PhysRange> ram;           // what can be written, whole frames, ascending
    std::vector<MemoryMapEntry> entries;  // what the firmware reports, ascending
    std::vector<PhysRange> reserved;
    std::vector<u8> device_tree;
    std::string name;  // of the described machine; empty: built in
    u32 nodes = 0;
    PhysRange acpi_tables;  // x86-64 with nodes: where its boot loader writes them; can be written though it is no RAM
    bool operator==(const MachineMap&) const = default;

private:
    void find_acpi_tables();
};

/// The first RAM that lies where kernels look for the simulator (model/port.hpp), if any: such a machine has no guests.
std::optional<PhysRange> ram_in_port_window(const MachineMap& map);

}  // namespace baton::sim
