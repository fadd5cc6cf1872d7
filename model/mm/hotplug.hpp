// SPDX-License-Identifier: GPL-2.0-only
// Memory blocks that go offline and away, and come back (specs/kho.md B68, §3.10; specs/kexec.md §5).
//
// A memory block is one memmap section. Offlining isolates its pageblocks, migrates what is movable, and takes the
// pages from the zone: an offline block has no online page, so page_of() finds none. Removing drops its memory region
// and its memmap; adding brings both back, the memmap then from the page allocator. Only what was RAM at boot can come
// back. The direct map keeps covering the block: nothing in it is read or written meanwhile.
#pragma once

#include "model/mm/page_alloc.hpp"

namespace baton::hotplug {

/// EINVAL: not the start of a block, no block there, or not all of it is mapped memory of one zone; EBUSY: a page
/// cannot be moved (the kernel's, reserved, in CMA, pinned; with B68 fixed: preserved); ENOMEM: nowhere to move it to.
/// On error the block is online, its pageblocks movable; what was moved stays moved. An offline block is a success.
Status offline(Kernel& k, PhysAddr block);
/// EINVAL: no block there. An online block is a success.
Status online(Kernel& k, PhysAddr block);
/// A removed block comes back, offline. EINVAL: not a block that was removed (no memory there at boot); EEXIST: it is
/// there; ENOMEM. Driver-managed memory is flagged so in memblock: kexec does not place anything there.
Status add(Kernel& k, PhysAddr block, bool driver_managed);
/// EINVAL: no block there; EBUSY: it is online; ENOMEM: no page for a memblock array to grow into.
Status remove(Kernel& k, PhysAddr block);

struct Blocks {
    u64 bytes;  // of one
    u64 offline;
    u64 removed;
};
Blocks blocks(const Kernel& k);

/// Cuts what is removed or driver-managed out of `count` windows, ascending, of an array of `max`; how many are left.
/// Windows that no longer fit are dropped from the end.
u64 cut_unusable(const Kernel& k, PhysRange* windows, u64 count, u64 max);

}  // namespace baton::hotplug
