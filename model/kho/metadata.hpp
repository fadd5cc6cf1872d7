// SPDX-License-Identifier: GPL-2.0-only
// Pages that describe the handover: bitmaps, chunks, the root FDT, the memblock blob (specs/kho.md §2.2).
//
// They are ordinary kernel pages, zeroed, never in scratch: the next kernel reads them while it runs in scratch only. A
// debug kernel checks that (§1.6, bug B08). Here is also the one answer to "whose was this memory before it was
// preserved", which the ownership map wants to hear when memory changes hands.
#pragma once

#include "model/kernel.hpp"

namespace baton::kho {

/// One zeroed page; ENOMEM, EINVAL (in scratch, with kOptionKhoDebug).
Result<PhysAddr> alloc_metadata_page(Kernel& k, AllocSite site);
void free_metadata_page(Kernel& k, PhysAddr page);

/// Who has a block when it is not preserved: metadata is the handover's, a reserve_mem region its user's (one that was
/// revived is still handed over: nobody restored it), the rest is whom the page allocator gave it to.
Owner plain_owner(const Kernel& k, PhysRange block);

/// Every byte is memory that memblock knows. Hostile addresses are checked with this before they are followed.
bool is_memory(const Kernel& k, PhysAddr a, u64 bytes);

}  // namespace baton::kho
