// SPDX-License-Identifier: GPL-2.0-only
// Moving memory of userspace to other frames (specs/kho.md §4.3, B42, B68).
//
// What userspace asked for as movable is on the LRU (kPgLru) and may lie in CMA, hence in scratch. It is moved folio by
// folio, a page of a run being a folio of order 0: a new folio, a copy, and the old one is freed. What maps it follows:
// it hears of the move through Site::kMmMigrate. Memory that is preserved moves like any other: nothing here asks KHO.
#pragma once

#include "model/mm/page_alloc.hpp"

namespace baton::mm {

/// The head of a folio of userspace (a page alone is one), or nothing: not aligned, free, a tail, the kernel's.
bool is_user_folio(const Kernel& k, PhysAddr a);
/// It can be moved now: on the LRU, and nobody but its mapping holds it.
bool is_migratable(const Kernel& k, PhysAddr a);
/// Moves a migratable folio to memory allocated with `target_flags` (kAllocMovable, or 0: never CMA); where it is then.
/// ENOMEM: it is where it was.
Result<PhysAddr> migrate(Kernel& k, PhysAddr from, u32 target_flags);

}  // namespace baton::mm
