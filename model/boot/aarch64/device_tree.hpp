// SPDX-License-Identifier: GPL-2.0-only
// What early boot asks of a device tree (specs/boot.md §6; specs/kho.md §2.9), through libfdt.
//
// The tree lies in emulated RAM, where anybody may write. `checked` looks at every byte once and refuses what libfdt
// could trip over; what it returns is good until the next schedule point.
#pragma once

#include <optional>
#include <string_view>

#include "model/boot/boot.hpp"

namespace baton::boot {

struct Tree {
    const void* fdt = nullptr;
    u32 address_cells = 1;
    u32 size_cells = 1;
};

/// The tree at `range`, or why not. A range of size 0 takes the size from the header.
std::expected<Tree, BadBoot> checked_tree(PhysRange range);
u64 tree_bytes(const Tree& tree);

/// A memory node; its ranges come through `memory_range`.
struct MemoryNode {
    const void* ranges = nullptr;  // pairs of cells
    u32 pairs = 0;
    NodeId nid;
    bool hotpluggable = false;
};
/// The next child of the root with device_type "memory" that is not disabled; nothing at the end. `offset` starts at 0.
std::optional<MemoryNode> next_memory_node(const Tree& tree, int& offset);
PhysRange memory_range(const Tree& tree, const MemoryNode& node, u32 pair);

/// numa-node-id of the next child of /cpus with device_type "cpu" that has one; nothing at the end. `offset` starts at
/// 0. `boot` tells whether it is the first CPU of the tree.
struct CpuNode {
    u32 nid;
    bool boot;
};
std::optional<CpuNode> next_cpu_node(const Tree& tree, int& offset);

/// Nodes from numa-node-id of memory and CPUs; without NUMA unless every range of RAM has one.
void take_nodes_aarch64(Kernel& k, const Tree& tree);

/// Properties of /chosen; a missing or malformed one is nothing.
std::string_view chosen_string(const Tree& tree, const char* name);
bool chosen_flag(const Tree& tree, const char* name);
std::optional<u64> chosen_number(const Tree& tree, const char* name);       // one or two cells
std::optional<PhysRange> chosen_range(const Tree& tree, const char* name);  // exactly one address and size

}  // namespace baton::boot
