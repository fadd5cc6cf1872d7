// SPDX-License-Identifier: GPL-2.0-only
// The tracker: which blocks this kernel preserves, and how the next one reads that (specs/kho.md §2.2, §2.3).
//
// A block is (order, pfn). Two variants stand behind this one interface, chosen by Rules::tracker in one function
// (tracker.cpp): bitmaps found by private trees and told by a chunk list (bitmaps.hpp, chunks.hpp), and a radix tree
// that both kernels read (radix.hpp).
//
// A walk reads what another kernel wrote, or what a device wrote over it. It follows no address before memblock says
// that it is memory, reads at most what fits a page, and charges work at every step, so that a list that bites its
// tail runs into the hang budget.
#pragma once

#include <optional>

#include "model/bits.hpp"
#include "model/function_ref.hpp"
#include "model/kernel.hpp"

namespace baton::kho::tracker {

/// What the tracker needs before it can take a block, at kho_init: ENOMEM, EINVAL (as alloc_metadata_page).
Status init(Kernel& k);

/// Sets a block's bit: true if it was clear. ENOMEM; EINVAL when metadata would lie in scratch with kOptionKhoDebug.
Result<bool> set(Kernel& k, Pfn pfn, Order order);

enum class Cleared { kYes, kWasClear, kNoBitmap };
Cleared clear(Kernel& k, Pfn pfn, Order order);

/// Frees everything: nothing is preserved any more.
void destroy(Kernel& k);

/// Calls f(Block) for every block, in the order in which the next kernel will meet them. `f` must not change the
/// tracker.
void for_each_block(const Kernel& k, FunctionRef<void(const Block&)> f);

/// A page of incoming metadata that a walk is about to read.
struct Node {
    PhysAddr at;
    Site site;        // the schedule point that tells of it
    u32 level;        // the order of a chunk's bitmaps; the level of a radix node
    u32 entries;      // a chunk's own word for how many bitmaps it names
    u32 entries_max;  // how many fit
};
struct Visitor {
    FunctionRef<bool(const Block&)> block;  // says whether to go on
    FunctionRef<void(const Node&)> node;
};
enum class WalkEnd { kDone, kStopped, kNotMemory, kBadOrder };
struct WalkResult {
    WalkEnd end = WalkEnd::kDone;
    PhysAddr at;     // the page, or what it points to, where the walk broke
    u64 detail = 0;  // kNotMemory: bytes wanted there; kBadOrder: the order of a chunk, the key of a radix leaf
};
/// Walks what another kernel left, from what its `preserved-memory-map` says; at most `nodes_max` pages. Callbacks may
/// reach schedule points: everything is read anew after them.
WalkResult walk(const Kernel& k, PhysAddr map, u64 nodes_max, const Visitor& visitor);

/// First set bit at or after `from` of the bitmap at `bits`; `count` if there is none. Reads RAM anew at each call.
u64 next_bit(PhysAddr bits, u64 count, u64 from);

}  // namespace baton::kho::tracker
