// SPDX-License-Identifier: GPL-2.0-only
// The two trackers, from memory to blocks. Internal to sim/handover.
#pragma once

#include <cstring>

#include "sim/handover/handover.hpp"

namespace baton::sim {

/// A page of words of which nearly all are 0: finds those that are not, eight at a time.
class WordScan {
public:
    explicit WordScan(std::span<const u8> bytes) : data_(bytes.data()), words_(bytes.size() / 8) {}
    u64 size() const { return words_; }
    u64 at(u64 i) const {
        u64 v;
        std::memcpy(&v, data_ + i * 8, sizeof(v));
        return v;
    }
    /// The first index from `i` on whose word is not 0; size() if there is none.
    u64 next(u64 i) const {
        for (; i < words_; ++i) {
            while (i % 8 == 0 && i + 8 <= words_ && eight_zeros(i)) i += 8;
            if (i < words_ && at(i) != 0) return i;
        }
        return words_;
    }

private:
    bool eight_zeros(u64 i) const {
        u64 v[8];
        std::memcpy(v, data_ + i * 8, sizeof(v));
        return (v[0] | v[1] | v[2] | v[3] | v[4] | v[5] | v[6] | v[7]) == 0;
    }
    const u8* data_;
    u64 words_;
};

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
