// SPDX-License-Identifier: GPL-2.0-only
#include "bench/blackout/fit.hpp"

#include <algorithm>
#include <limits>
#include <stdexcept>

namespace baton::blackout {
namespace {

using Wide = __int128;

/// `blocks` lies right of `b`, and numbers of blocks are far below 2^48: nothing overflows.
u64 at(const Measured& a, const Measured& b, u64 count_a, u64 count_b, u64 blocks) {
    const Wide rise = static_cast<Wide>(count_b) - static_cast<Wide>(count_a);
    const Wide run = static_cast<Wide>(b.blocks) - static_cast<Wide>(a.blocks);
    const Wide ahead = static_cast<Wide>(blocks) - static_cast<Wide>(b.blocks);
    const Wide scaled = rise * ahead;
    const Wide rounded = (scaled + (scaled < 0 ? -run / 2 : run / 2)) / run;
    const Wide value = static_cast<Wide>(count_b) + rounded;
    return static_cast<u64>(std::clamp(value, Wide{0}, static_cast<Wide>(std::numeric_limits<u64>::max())));
}

}  // namespace

Counts extrapolate(const Measured& a, const Measured& b, u64 blocks) {
    if (a.blocks >= b.blocks) throw std::logic_error("a line needs two points");
    Counts out;
    for (u32 p = 0; p < kPhaseCount; ++p)
        for (u32 w = 0; w < kWorkCount; ++w)
            out.work[p][w] = at(a, b, a.counts.work[p][w], b.counts.work[p][w], blocks);
    return out;
}

}  // namespace baton::blackout
