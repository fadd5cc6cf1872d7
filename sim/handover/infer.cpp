// SPDX-License-Identifier: GPL-2.0-only
// "kho-v1" is two formats under one name: bitmaps of 512 bytes (6.16) and of one page (specs/kho.md §10.1). Which one a
// chunk list has is told by its looks: slab objects are rarely page aligned, windows are multiples of the bitmap's
// span, and only one reading makes sense of the bits behind the first 512 bytes.
#include <fmt/format.h>

#include <algorithm>

#include "sim/handover/tracker.hpp"

namespace baton::sim {
namespace {

// A 512-byte slab object is page aligned one time in eight: this many by chance, one handover in 4096.
inline constexpr u64 kAlignedEntriesMin = 4;

bool inside(std::span<const PhysRange> ranges, const PhysRange& r) {
    return std::ranges::any_of(ranges, [&](const PhysRange& range) { return range.contains(r); });
}

PhysRange range_of(const HandoverBlock& b, u32 page_shift) { return {b.phys, u64{1} << (b.order.value + page_shift)}; }

struct Structure {
    u64 for_512 = 0;  // entries that cannot be page-size bitmaps
    u64 entries = 0;
    const HandoverBitmap* example = nullptr;
    bool by_address = false;
};

/// Entries whose address or window only a 512-byte bitmap can have.
Structure look_at_entries(const Handover& by_512, u32 page_shift) {
    Structure s;
    for (const HandoverBitmap& b : by_512.bitmaps) {
        const u32 span_shift = page_shift + 3 + page_shift + b.order.value;
        const bool address = b.phys.value % (u64{1} << page_shift) != 0;
        const bool window = span_shift < 64 ? b.window.value % (u64{1} << span_shift) != 0 : b.window.value != 0;
        ++s.entries;
        if (!address && !window) continue;
        ++s.for_512;
        if (s.example != nullptr) continue;
        s.example = &b;
        s.by_address = address;
    }
    return s;
}

/// Blocks that only the reading by page finds, and how many of them cannot be.
struct Tail {
    u64 blocks = 0;
    u64 impossible = 0;
};

Tail look_at_tails(const Handover& by_page, u32 page_shift, std::span<const PhysRange> ram) {
    Tail t;
    for (const HandoverBitmap& b : by_page.bitmaps) {
        const u64 first_unit = b.window.value >> (b.order.value + page_shift);
        for (u64 i = b.first_block; i < b.first_block + b.blocks; ++i) {
            const HandoverBlock& block = by_page.blocks[i];
            if ((block.phys.value >> (block.order.value + page_shift)) - first_unit < 512 * 8) continue;
            const PhysRange r = range_of(block, page_shift);
            ++t.blocks;
            const bool in_scratch =
                std::ranges::any_of(by_page.scratch, [&](const PhysRange& s) { return s.overlaps(r); });
            if (in_scratch || (!ram.empty() && !inside(ram, r))) ++t.impossible;
        }
    }
    return t;
}

bool covers_root(const Handover& h, u32 page_shift) {
    return std::ranges::any_of(
        h.blocks, [&](const HandoverBlock& b) { return range_of(b, page_shift).contains(h.root_fdt.phys); });
}

}  // namespace

BitmapSizeGuess guess_bitmap_size(const Handover& by_page, const Handover& by_512, u32 page_shift,
                                  std::span<const PhysRange> ram) {
    const Structure s = look_at_entries(by_512, page_shift);
    // A majority, not the first: one damaged entry must not change how all others are read.
    if (s.for_512 * 2 > s.entries)
        return {512, true,
                s.by_address ? fmt::format("bitmap at {:#x} is not page aligned", s.example->phys.value)
                             : fmt::format("window at {:#x} of order {} is no multiple of a page-size bitmap's",
                                           s.example->window.value, s.example->order.value)};
    if (by_page.bitmaps.size() < by_512.bitmaps.size() && by_page.bitmaps.size() * 2 <= by_512.bitmaps.size())
        return {512, true, "memory ends 512 bytes into the bitmaps"};
    const bool root_by_page = covers_root(by_page, page_shift);
    const bool root_by_512 = covers_root(by_512, page_shift);
    if (root_by_page && !root_by_512) return {0, true, "only page-size bitmaps preserve the root FDT"};
    if (s.for_512 == 0 && s.entries >= kAlignedEntriesMin)
        return {0, true, fmt::format("all {} bitmaps are page aligned, and so are their windows", s.entries)};
    const Tail t = look_at_tails(by_page, page_shift, ram);
    if (t.blocks == 0) return {0, false, "either bitmap size reads the same"};
    if (t.impossible * 2 > t.blocks)
        return {512, true,
                fmt::format("{} blocks behind byte 512 of the bitmaps are in scratch or outside RAM", t.impossible)};
    return {0, true, fmt::format("bits behind byte 512 of the bitmaps make {} sound blocks", t.blocks - t.impossible)};
}

}  // namespace baton::sim
