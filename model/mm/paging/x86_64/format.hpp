// SPDX-License-Identifier: GPL-2.0-only
// x86-64 four-level page-table entries (specs/kexec.md §7.1).
//
// Accessed and dirty are set from the start, so that neither hardware nor emulator ever writes to a table and the bytes
// of a table depend on nothing but what was mapped (decisions D4, D35).
#pragma once

#include "model/mm/paging/entry.hpp"

namespace baton::paging::x86_64 {

inline constexpr u32 kLeafLevelMax = 2;  // 4 KiB, 2 MiB, 1 GiB

/// 0x63: present, writable, accessed, dirty; rights are those of the leaf.
u64 table_entry(PhysAddr table);
/// With write, execute and global: 0x163 at level 0, 0x1e3 above.
u64 leaf_entry(PhysAddr address, u32 level, u32 flags);
Entry decode(u64 raw, u32 level);

}  // namespace baton::paging::x86_64
