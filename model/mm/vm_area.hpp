// SPDX-License-Identifier: GPL-2.0-only
// vmalloc areas: which frames, in which order, in runs of what size (specs/kho.md §2.5). vm_map.hpp maps them.
//
// An area is memory that need not be contiguous: runs of 2^order pages each. Its page list has an entry a page, kept in
// a chain of index pages, so an area may have any number of pages and needs no contiguous memory. Neither side of a
// handover tells the other a virtual address (§2.5).
//   index page: u64 phys[page_size/8 - 1] of pages; last word = phys of the next index page, 0 = end
#pragma once

#include "model/types.hpp"

namespace baton {
struct Kernel;

/// vm_struct flags, Linux's values.
enum VmFlag : u32 {
    kVmAlloc = 0x2,
    kVmMap = 0x4,
    kVmUserMap = 0x8,
    kVmAllowHuge = 0x400,
};

struct VmArea {
    u32 used;
    u32 flags;  // VmFlag bits
    u32 order;  // pages of a run, log2
    u32 padding;
    u64 pages;       // in the list
    PhysAddr first;  // index page, 0 = none
    PhysAddr last;
    u64 start;   // page of the vmalloc range where it is mapped (vm_map.hpp)
    u64 mapped;  // pages it has there; 0 = no address yet
};

inline constexpr u32 kVmAreasMax = 8;
struct VmAreas {
    VmArea slots[kVmAreasMax];
};

namespace vm {

/// A mapped area of `pages` zeroed pages, which must be whole runs of 2^order; its slot. EINVAL, ENOSPC, ENOMEM.
Result<u32> alloc(Kernel& k, u64 pages, Order order, u32 flags);
/// Unmaps the area, frees every page of it, then the area. ENOENT for a slot that holds none.
Status free(Kernel& k, u32 slot);

/// An area without pages, to be filled by `append` and then mapped: ENOSPC.
Result<u32> create(Kernel& k, Order order, u32 flags);
Status append(Kernel& k, u32 slot, PhysAddr page);
/// Frees the area but not its pages.
void forget(Kernel& k, u32 slot);

/// The area of a slot, or null.
const VmArea* find(const Kernel& k, u32 slot);
/// Page `index` of an area.
PhysAddr page_at(const Kernel& k, const VmArea& area, u64 index);

/// Reads a page list from front to back: each link of the chain is followed once.
class PageCursor {
public:
    PageCursor(const Kernel& k, const VmArea& area);
    /// The next page; there must be one.
    PhysAddr next();

private:
    const Kernel& kernel_;
    PhysAddr index_;
    u64 slot_ = 0;
};

}  // namespace vm
}  // namespace baton
