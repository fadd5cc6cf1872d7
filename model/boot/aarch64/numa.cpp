// SPDX-License-Identifier: GPL-2.0-only
// Nodes from the device tree (specs/boot.md §5): memory nodes and CPUs name theirs, as numbers that are taken as they
// are. In Linux the memory nodes are scanned once more for it, after memory is known and reserved; so here.
#include "model/boot/aarch64/device_tree.hpp"
#include "model/boot/aarch64/memstart.hpp"
#include "model/kernel.hpp"

namespace baton::boot {
namespace {

// False: no node has this number. Linux gives up NUMA for one on memory, and ignores one on a CPU.
bool is_possible(i32 nid) {
    if (nid >= 0 && static_cast<u32>(nid) < kNodesMax) return true;
    platform::log(LogLevel::kWarn, Log::kNumaBadNode, static_cast<u32>(nid), kNodesMax);
    return false;
}

void take_memory(const Kernel& k, const Tree& tree, const MemoryNode& node, numa::Layout& layout) {
    if (!is_possible(node.nid.value)) return layout.refuse(numa::Refusal::kTooMany);
    for (u32 i = 0; i < node.pairs; ++i) {
        platform::charge(Work::kListLinks, 1);
        const PhysRange r = memory_pages(geometry(k), memory_range(tree, node, i));
        if (!r.empty()) layout.add({r, node.nid, false});  // scan_memory has flagged what is hotpluggable
    }
}

}  // namespace

void take_nodes_aarch64(Kernel& k, const Tree& tree) {
    numa::Layout layout;
    int offset = 0;
    while (const auto cpu = next_cpu_node(tree, offset)) {
        if (!is_possible(static_cast<i32>(cpu->nid))) continue;
        layout.cpus |= u64{1} << cpu->nid;
        if (cpu->boot) layout.boot_node = cpu->nid;
    }
    offset = 0;
    while (const auto node = next_memory_node(tree, offset))
        if (node->nid != kNoNode) take_memory(k, tree, *node, layout);
    numa::adopt(k, layout);
}

}  // namespace baton::boot
