// SPDX-License-Identifier: GPL-2.0-only
// Scratch: memory that never holds anything preserved, so that the next kernel can boot in it (specs/kho.md §3.1).
#pragma once

#include "model/kernel.hpp"

namespace baton::kho {

inline constexpr u64 kScratchAreasMax = u64{kNodesMax} + 2;  // low, global, one a node

struct ScratchSizes {
    u64 low;
    u64 global;
};
/// Sizes of the first two areas, from what is reserved for kernel use below the low limit and in all.
ScratchSizes scratch_sizes(const Kernel& k, u64 kern_low_bytes, u64 kern_bytes);
/// Size of one node's area, from what is reserved for kernel use on it.
u64 node_scratch_size(const Kernel& k, u64 kern_node_bytes);

/// Cold boot: chooses the areas and fills the array. A failure is logged, unwound, and disables KHO.
void reserve_scratch(Kernel& k);
/// KHO boot: the pageblocks of the inherited areas become CMA (§3.9.2). An area that is not aligned colours
/// its neighbours too (B26).
void adopt_scratch(Kernel& k);
/// Initcall of a cold boot: the areas go to the page allocator as CMA (§3.1 "release").
void release_scratch(Kernel& k);
/// The same when the initcall failed: the areas become ordinary free memory, KHO has none.
void give_up_scratch(Kernel& k);

}  // namespace baton::kho
