// SPDX-License-Identifier: GPL-2.0-only
// AArch64 VMSAv8-64 descriptors, stage 1 of EL1, granules of 4, 16 and 64 KiB (specs/boot.md §4).
//
// The access flag is set from the start. Memory is MAIR index 0 (Normal write-back), inner shareable; registers are
// index
// 4. UXN is set on every leaf: nothing here is for EL0.
#pragma once

#include "model/mm/paging/entry.hpp"

namespace baton::paging::aarch64 {

/// Blocks: 2 MiB and 1 GiB with 4K pages, 32 MiB with 16K, 512 MiB with 64K.
constexpr u32 leaf_level_max(const Geometry& g) { return g.page_shift == 12 ? 2 : 1; }

u64 table_entry(PhysAddr table);
u64 leaf_entry(PhysAddr address, u32 level, u32 flags);
Entry decode(const Geometry& g, u64 raw, u32 level);

}  // namespace baton::paging::aarch64
