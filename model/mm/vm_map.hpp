// SPDX-License-Identifier: GPL-2.0-only
// vmalloc areas in the kernel's address space: addresses, page tables, access (specs/boot.md §3).
//
// The vmalloc range is kVmallocBytes from base() on: on x86-64 a GiB above the start of Linux's, which the port window
// has; on AArch64 a GiB above the image. Areas are placed first fit, a guard page after each, and where they lie is
// kept as page numbers of the range. Runs of a PMD's size or more are mapped by huge leaves if the area allows it, all
// else by pages; the pages of a list are mapped one by one in its order, whatever they are. Tables come from the page
// allocator and stay, as Linux keeps them, until a huge leaf takes the place of an empty one.
#pragma once

#include "model/mm/vm_area.hpp"

namespace baton::vm {

inline constexpr u64 kVmallocBytes = 512 * kGiB;
/// Start of the vmalloc range.
VirtAddr base(const Kernel& k);
/// Of page `page` of the range.
VirtAddr address_of(const Kernel& k, u64 page);

/// Gives an area with all its pages an address and maps it. ENOMEM: no table page, or no room in the range; EEXIST: it
/// is mapped.
Status map(Kernel& k, u32 slot);
/// Takes mapping and address back, if it has them, and flushes the TLB.
void unmap(Kernel& k, u32 slot);

/// Word `index` of a mapped area, through its address.
u64 load_word(const Kernel& k, const VmArea& area, u64 index);
void store_word(Kernel& k, const VmArea& area, u64 index, u64 value);

/// One word more of a sum; `sum` starts as 0. Depends on the order of words.
constexpr u64 add_to_sum(u64 sum, u64 word) { return (sum << 1 | sum >> 63) + word; }
/// Of all words of some pages of the range, read through their addresses. What is not mapped faults. EINVAL: outside of
/// the range.
Result<u64> sum(const Kernel& k, u64 page, u64 pages);

}  // namespace baton::vm
