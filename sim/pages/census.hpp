// SPDX-License-Identifier: GPL-2.0-only
// The page census: every page of RAM is exactly one thing, and nothing of it is lost (specs/kho.md §8.8).
//
// It reads what a kernel keeps about its memory from raw RAM (memblock's lists, the memory map, the free lists) with
// code of its own, and compares the three with each other and with the ownership map. No kernel is asked. A page is
//   free       in a block on a free list, or in a section that nobody touched
//   in use     handed out by the page allocator: its struct page says so, and by which site (model/mm/alloc_site.hpp)
//   preserved  reserved by memblock with its struct page left alone: handed over, and not restored
//   reserved   by memblock otherwise: what boot took and keeps
//   offline    in a memory block that was taken offline
// and a page that is nothing of this, or two things at once, is a fault.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "model/mm/alloc_site.hpp"
#include "sim/memory/physical_memory.hpp"
#include "sim/ownership/ownership_map.hpp"

namespace baton {
struct Kernel;
}

namespace baton::sim {

/// Counts of pages of the kernel's size.
struct PageCensus {
    u64 ram = 0;  // whole pages of memblock's memory
    u64 free = 0;
    u64 in_use = 0;
    u64 preserved = 0;
    u64 reserved = 0;
    u64 offline = 0;
    std::array<u64, kAllocSiteCount> by_site{};  // of those in use
    std::vector<std::string> faults;             // what does not add up; no more than kFaultsMax are told
    static constexpr std::size_t kFaultsMax = 8;
};

/// Of the kernel whose object lies at `kernel`; nothing before its page allocator is up.
std::optional<PageCensus> take_census(const PhysicalMemory& memory, const Kernel& kernel, const OwnershipMap& owners);

}  // namespace baton::sim
