// SPDX-License-Identifier: GPL-2.0-only
// NUMA: which nodes there are, and which memory is on which (specs/boot.md §5, §6; docs/memory.md).
//
// What firmware says — SRAT on x86-64, numa-node-id in the device tree on AArch64 — is collected in a Layout and then
// believed as a whole or not at all: a machine whose firmware contradicts itself boots without NUMA, as Linux does.
// memblock's memory regions carry the nodes from then on; everything else asks them.
#pragma once

#include "model/types.hpp"

namespace baton {
struct Kernel;

/// In the Kernel object. All zero: a machine without NUMA.
struct NumaState {
    u64 online;       // bit i: node i has memory or a CPU
    u64 with_memory;  // bit i: node i has memory
    u32 local;        // node of the boot CPU
    u32 padding;
};

namespace numa {

struct Block {
    PhysRange range;
    NodeId nid;
    bool hotplug = false;
};

inline constexpr u32 kBlocksMax = 2 * kNodesMax;  // Linux's NR_NODE_MEMBLKS

/// Why a layout is not believed: argument of Log::kNumaOff.
enum class Refusal : u64 {
    kNone = 0,
    kFirmware = 1,   // its tables are damaged; said before
    kTooMany = 2,    // more blocks than kBlocksMax, or nodes than kNodesMax
    kOverlap = 3,    // one address on two nodes
    kUncovered = 4,  // more than kUncoveredMax of RAM on no node
    kPageblock = 5,  // two nodes share a pageblock
};

/// Firmware's word, before anybody believes it.
struct Layout {
    u32 count = 0;
    Block blocks[kBlocksMax];
    u64 cpus = 0;  // bit i: node i has a CPU
    u32 boot_node = 0;
    Refusal refusal = Refusal::kNone;

    void refuse(Refusal why) {
        if (refusal == Refusal::kNone) refusal = why;
    }
    /// Empty blocks and such that wrap are left out.
    void add(const Block& b);
};

/// RAM that firmware may leave on no node; it goes to the node below.
inline constexpr u64 kUncoveredMax = kMiB;

/// Gives memblock's memory its nodes and fills Kernel::numa; or logs why not, and leaves both without nodes. A layout
/// without any block is a machine without NUMA and not worth a word.
void adopt(Kernel& k, Layout& layout);

}  // namespace numa
}  // namespace baton
