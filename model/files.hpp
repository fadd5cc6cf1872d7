// SPDX-License-Identifier: GPL-2.0-only
// Files that userspace hands to the kernel: the boot image and the initrd of kexec_file_load.
//
// A file is page cache: single movable pages, so its contents need no contiguous memory and userspace (the machine's
// host side) can write them page by page, following a chain of index pages. The kernel finds any page in two steps,
// through directories of the index pages.
//   index page: u64 phys[page_size/8 - 1] of data pages, 0 = none; last word = phys of the next index page, 0 = end
//   directory:  u64 phys[page_size/8] of index pages, 0 = none
#pragma once

#include "model/types.hpp"

namespace baton {
struct Kernel;

inline constexpr u32 kFileDirectoriesMax = 5;
struct File {
    u64 size_bytes;        // 0 = slot unused
    PhysAddr first_index;  // physical address of the first index page
    PhysAddr directories[kFileDirectoriesMax];
};

inline constexpr u32 kFilesMax = 8;
struct Files {
    File slots[kFilesMax];
};

namespace files {
/// A new file of `size_bytes` with zeroed pages; its slot. EINVAL for 0, EFBIG above 4 GiB, ENOSPC, ENOMEM.
Result<u32> create(Kernel& k, u64 size_bytes);
Status remove(Kernel& k, u32 slot);
/// Physical address of the page that holds byte `offset` (which must be inside the file).
PhysAddr page_at(const Kernel& k, u32 slot, u64 offset);
/// Copies [offset, offset + bytes) of a file to host or kernel memory; the range must be inside the file.
void read(const Kernel& k, u32 slot, u64 offset, void* to, u64 bytes);
}  // namespace files
}  // namespace baton
