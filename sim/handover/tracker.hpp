// SPDX-License-Identifier: GPL-2.0-only
// The two trackers, from memory to blocks. Internal to sim/handover.
#pragma once

#include "sim/handover/handover.hpp"

namespace baton::sim {

struct TrackerJob {
    u32 page_shift;
    u64 bitmap_bytes;  // chunk lists
    const RamReader& read;
    Handover& out;  // tracker, bitmaps, blocks, pages
    WarningSink& warnings;
    u64 tracker_bytes = 0;

    u64 page() const { return u64{1} << page_shift; }
    /// Keeps a piece of metadata; false (and a warning) once there is too much.
    bool keep(PhysAddr phys, std::vector<u8> bytes);
    /// Adds a block; false (and a warning) once there are too many.
    bool add(PhysAddr phys, u32 order);
};

/// `head` is the first chunk, not 0.
void walk_chunk_list(TrackerJob& job, PhysAddr head);
/// `root` is the top table, not 0.
void walk_radix_tree(TrackerJob& job, PhysAddr root);

/// Which bitmap size a kho-v1 chunk list has, from its looks (infer.cpp).
struct BitmapSizeGuess {
    u32 bitmap_bytes = 0;  // 512, or 0 for one page
    bool certain = false;  // false: both read the same
    std::string reason;
};
/// `by_page` and `by_512` are the same handover read either way.
BitmapSizeGuess guess_bitmap_size(const Handover& by_page, const Handover& by_512, u32 page_shift,
                                  std::span<const PhysRange> ram);

}  // namespace baton::sim
