// SPDX-License-Identifier: GPL-2.0-only
// Machines with NUMA: the RAM of a built-in machine spread over nodes, and what a map with nodes must keep to.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "sim/memory_map.hpp"

namespace baton::sim {

/// The built-in machine of this much RAM in all, each node the next bytes of it in address order; 0 is a node of CPUs.
/// Its name is the sizes. Throws MachineError: no such machine, or no or more than kNodesMax nodes.
FirmwareMap node_map(Isa isa, std::span<const u64> node_bytes);

/// The start of RAM that is on another node than RAM below it in the same pageblock of so many bytes, if there is any:
/// a kernel would boot without NUMA on it.
std::optional<PhysAddr> shared_pageblock(const MachineMap& map, u64 pageblock_bytes);

/// What the boot loader of an x86-64 machine with nodes writes to map.acpi_tables: RSDP, XSDT, SRAT.
std::vector<u8> acpi_tables(const MachineMap& map);

}  // namespace baton::sim
