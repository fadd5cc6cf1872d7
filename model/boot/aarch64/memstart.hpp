// SPDX-License-Identifier: GPL-2.0-only
// Where an AArch64 kernel's direct map begins, given its memory (specs/boot.md §3).
//
// Two parties ask: early boot, from its memblock, and the entry code of a guest, which must map memory before there is
// a memblock. They must agree, or pointers would not survive the change from the entry code's tables to the kernel's.
#pragma once

#include <algorithm>

#include "model/bits.hpp"
#include "model/geometry.hpp"

namespace baton::boot {

/// The start of DRAM is rounded down so that the direct map can use large leaves: an upper-level block with 4K pages, a
/// contiguous run of 32 blocks with 16K (1 GiB both), one block of 512 MiB with 64K. Never less than a section.
constexpr PhysAddr memstart_of(const Geometry& g, PhysAddr start_of_dram) {
    return align_down(start_of_dram, std::max(g.page_shift == 16 ? 512 * kMiB : kGiB, g.section_bytes()));
}

/// The memory in a range that a tree names: only whole pages, the start rounded up and the end down; perhaps nothing.
constexpr PhysRange memory_pages(const Geometry& g, PhysRange r) {
    constexpr u64 kToTheTop = ~u64{0};
    const u64 end = align_down(r.size > kToTheTop - r.start.value ? kToTheTop : r.end().value, g.page_size());
    const u64 start = align_up(r.start.value, g.page_size());
    return start < r.start.value || end <= start ? PhysRange{} : PhysRange{{start}, end - start};
}

}  // namespace baton::boot
