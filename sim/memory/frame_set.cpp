// SPDX-License-Identifier: GPL-2.0-only
#include "sim/memory/frame_set.hpp"

namespace baton::sim {

namespace {
// Words of each bitmap. A top word covers 2^24 frames (64 GiB), and the lower bitmaps are as long as the top one
// reaches: what is never touched is free.
constexpr u64 top_words(u64 frames) { return (frames >> 24) + 1; }
constexpr u64 kSummaryWordsPerTop = 64 * 64;
constexpr u64 kWordsPerTop = kSummaryWordsPerTop * 64;
}  // namespace

FrameSet::FrameSet(u64 frames)
    : top_words_(top_words(frames)),
      mapping_(top_words_ * (1 + kSummaryWordsPerTop + kWordsPerTop) * sizeof(u64), HostMapping::Access::kReadWrite,
               "a set of frames"),
      words_(reinterpret_cast<u64*>(mapping_.data())),
      summary_(words_ + top_words_ * kWordsPerTop),
      top_(summary_ + top_words_ * kSummaryWordsPerTop) {}

bool FrameSet::empty() const { return count() == 0; }

u64 FrameSet::count() const {
    u64 n = 0;
    for_each_word([&](u64, u64 bits) { n += static_cast<u64>(std::popcount(bits)); });
    return n;
}

}  // namespace baton::sim
