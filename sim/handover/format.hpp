// SPDX-License-Identifier: GPL-2.0-only
// The wire formats of KHO as an observer knows them (specs/kho.md §2): its own constants, shared with no kernel.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "model/types.hpp"

namespace baton::sim {

enum class TrackerKind : u32 { kChunks, kRadix };

struct HandoverFormat {
    std::string_view generation;  // as in scenarios and manifests
    std::string_view compatible;  // of the root FDT
    TrackerKind tracker;
    u32 bitmap_bytes;                   // 0 = one page
    std::string_view subtree_property;  // u64 address of a subtree's blob
    std::string_view size_property;     // u64 size of it; empty: none
};

std::span<const HandoverFormat> formats();

/// By generation ("6.18", also "6.17", "6.19") or compatible string where that says it ("kho-v3"). Null: unknown.
const HandoverFormat* format_named(std::string_view name);
/// The first generation with this compatible string and, for chunk lists, bitmap size; null if there is none.
const HandoverFormat* format_with(std::string_view compatible, u32 bitmap_bytes);

inline constexpr u32 kPhysBits = 52;  // of either ISA
inline constexpr u64 kPhysEnd = u64{1} << kPhysBits;
/// A block of this order is all of memory.
constexpr u32 order_max(u32 page_shift) { return kPhysBits - page_shift; }

/// The radix tree's shape (§2.3); page_shift 12, 14 or 16.
struct RadixShape {
    u32 width;       // W: bits of a page frame number
    u32 table_bits;  // T: index bits a table
    u32 leaf_bits;   // b: bits of a leaf's index
    u32 depth;       // levels, leaf included

    constexpr explicit RadixShape(u32 page_shift)
        : width(64 - page_shift),
          table_bits(page_shift - 3),
          leaf_bits(page_shift + 3),
          depth((width - leaf_bits + 1 + table_bits - 1) / table_bits + 1) {}
};
static_assert(RadixShape(12).depth == 6 && RadixShape(14).depth == 5 && RadixShape(16).depth == 4);

}  // namespace baton::sim
