// SPDX-License-Identifier: GPL-2.0-only
// What one page-table entry says, whatever its format, and where it stands in the tree.
//
// Levels count from the leaves: a level-0 entry maps one page of the kernel's page size; each level above covers as
// many times more as a table page has 8-byte entries (512, 2048 or 8192).
#pragma once

#include "model/bits.hpp"
#include "model/geometry.hpp"

namespace baton::paging {

struct Entry {
    enum class Kind : u32 { kNone, kTable, kLeaf } kind = Kind::kNone;
    PhysAddr address;  // of the next table, or of what the leaf maps
    u32 flags = 0;     // MapFlag bits; for a table: what it allows below it
};

constexpr u32 index_bits(const Geometry& g) { return g.page_shift - 3; }
constexpr u32 level_shift(const Geometry& g, u32 level) { return g.page_shift + level * index_bits(g); }
/// Bytes that one entry of a level covers.
constexpr u64 level_bytes(const Geometry& g, u32 level) { return shl(1, level_shift(g, level)); }
constexpr u64 entries_per_table(const Geometry& g) { return g.page_size() / sizeof(u64); }

/// Which entry of a table of `level` leads to `va`. The root may have fewer than a page of entries (16K: two).
constexpr u64 entry_index(const Geometry& g, u32 level, VirtAddr va) {
    const u64 in_tree = va.value & (shl(1, g.va_bits) - 1);
    return (in_tree >> level_shift(g, level)) & (entries_per_table(g) - 1);
}

constexpr bool levels_cover_va_bits(const Geometry& g) {
    return g.levels == div_round_up(g.va_bits - g.page_shift, index_bits(g));
}
static_assert(levels_cover_va_bits(geometry_of(GeometryId::kX86_64)));
static_assert(levels_cover_va_bits(geometry_of(GeometryId::kAArch64_4K)));
static_assert(levels_cover_va_bits(geometry_of(GeometryId::kAArch64_16K)));
static_assert(levels_cover_va_bits(geometry_of(GeometryId::kAArch64_64K)));

}  // namespace baton::paging
