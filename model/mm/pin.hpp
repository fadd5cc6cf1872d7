// SPDX-License-Identifier: GPL-2.0-only
// Long-term pins on memory of userspace (specs/kho.md §4.3): what is pinned stays where it is.
//
// A folio in CMA is moved out before it is pinned, so that it lies in no scratch area (B42); the target is an
// unmovable allocation. As in Linux, a pin is a reference: of a single page it is a bias of 1024 on the refcount, of a
// larger folio one on the refcount and one on the pin count, in the upper half of its second page's `mapping`
// (offset 0x1c). The folio's mapping is the reference that is left; the folio is free when the last of them goes.
#pragma once

#include "model/mm/page_alloc.hpp"

namespace baton::mm {

inline constexpr i32 kPinBias = 1024;
/// A refcount above it takes no more pins.
inline constexpr i32 kPinnedRefcountMax = i32{1} << 30;

/// Pins a folio of userspace; where it is then. EFAULT: there is none; EBUSY: it lies in CMA and cannot be moved;
/// ENOMEM: nowhere to move it to, or too many pins. On error it is where it was, and not pinned.
Result<PhysAddr> pin(Kernel& k, PhysAddr folio);
/// Takes one pin back, and frees the folio if that was the last reference. EINVAL: it has none.
Status unpin(Kernel& k, PhysAddr folio);
/// Pins of a folio at its head; 0 for anything else.
i32 pin_count(const Kernel& k, PhysAddr folio);

/// Userspace lets go of a folio, or of a run of pages: pinned folios lose their mapping's reference, all else goes to
/// free_pages or free_run. A pinned folio that has no mapping any more is a bad page.
void release_folio(Kernel& k, PhysAddr folio);
void release_run(Kernel& k, PhysAddr start, u64 pages);

}  // namespace baton::mm
