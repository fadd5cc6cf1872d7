// SPDX-License-Identifier: GPL-2.0-only
// Emptying a memory block: its pageblocks are isolated, its folios moved, its free pages taken (hotplug.cpp).
//
// Free pages of an isolated pageblock stand on the isolate lists, from which nobody allocates, and freed ones go there.
#pragma once

#include <optional>

#include "model/mm/page_internal.hpp"

namespace baton::mm::internal {

/// A run of whole pageblocks inside one section.
struct BlockPages {
    Pfn start;
    u64 pages;
};

/// The first page that no migration can help with, if any: of the kernel, reserved, or in CMA, free or not.
std::optional<Pfn> find_unmovable(const Kernel& k, BlockPages block);
/// Does not fail: what is unmovable was looked for before.
void isolate(Kernel& k, BlockPages block);
/// Undoes it: all pageblocks are movable then.
void unisolate(Kernel& k, BlockPages block);
/// Moves every folio out of an isolated block; how many. On error `stuck` is the one that did not go: EBUSY, ENOMEM.
Result<u64> migrate_all(Kernel& k, BlockPages block, Pfn& stuck);
/// Takes the pages of an isolated block, all free, from the lists.
void take_all(Kernel& k, BlockPages block);

}  // namespace baton::mm::internal
