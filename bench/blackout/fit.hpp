// SPDX-License-Identifier: GPL-2.0-only
// From two handovers that were really run to one that was not: each count of the ledger as a straight line over the
// number of preserved blocks.
//
// Every block is set in the tracker once, reserved once and restored once, whatever else there is, so counts grow by
// the block. What does not is metadata that holds many blocks (a bitmap page each 32,768, a chunk page each 255
// bitmaps): tests/bench/fit_test.cpp says how far off that is.
#pragma once

#include "bench/blackout/counts.hpp"

namespace baton::blackout {

struct Measured {
    u64 blocks = 0;
    Counts counts;
};

/// Counts of `blocks` blocks, by the line through `a` and `b`, rounded, never below 0. `a` has fewer blocks than `b`.
Counts extrapolate(const Measured& a, const Measured& b, u64 blocks);

}  // namespace baton::blackout
