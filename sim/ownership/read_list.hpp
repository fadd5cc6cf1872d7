// SPDX-License-Identifier: GPL-2.0-only
// What a jump goes by, read from RAM: the entry list (specs/kexec.md §2, §11.4) and page tables.
#pragma once

#include <vector>

#include "model/geometry.hpp"
#include "sim/memory/physical_memory.hpp"

namespace baton::sim {

struct ListCopy {
    PhysAddr from;
    PhysAddr to;
};

struct EntryList {
    std::vector<ListCopy> copies;  // in list order, a page each
    std::vector<PhysAddr> pages;   // of entries, in list order
};

/// Goes through the list as the relocation code of the ISA does. It ends where that would: at DONE, in what is not RAM;
/// when it comes to a page of entries again; and after kListWordsMax, for what is no list may have no end.
inline constexpr u64 kListWordsMax = u64{1} << 23;  // 32 GiB of image in pages of 4 KiB
EntryList read_entry_list(const PhysicalMemory& memory, Isa isa, u64 page_size, u64 head);

/// The pages of a tree of page tables, the root first, each once, no more than kTablesMax; those outside of RAM are
/// left out. `levels` 0: there is no tree.
inline constexpr u64 kTablesMax = u64{1} << 18;
std::vector<PhysAddr> table_pages(const PhysicalMemory& memory, Isa isa, u32 page_shift, u32 levels, PhysAddr root);

}  // namespace baton::sim
