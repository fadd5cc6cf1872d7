// SPDX-License-Identifier: GPL-2.0-only
// Struct pages that are initialised late (specs/memblock.md §5; kOptionDeferredInit).
#pragma once

#include "model/types.hpp"

namespace baton {
struct Kernel;

namespace mm {

/// Once the zones are known, before any struct page is paid for: the last zone keeps the rest for later.
void defer_zones(Kernel& k);
/// KHO is about to say something about the pages of a preserved block, or that an area is scratch: with
/// kOptionKhoDeferred those that were deferred are initialised first, and paid for. Without, nothing happens.
void init_preserved(Kernel& k, PhysRange block);
void init_scratch(Kernel& k, PhysRange area);
/// After free_all, before initcalls: what was deferred is initialised, and what is free of it goes to the page
/// allocator. Nothing to do without the option.
void init_deferred(Kernel& k);

}  // namespace mm
}  // namespace baton
