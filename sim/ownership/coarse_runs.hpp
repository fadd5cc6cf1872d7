// SPDX-License-Identifier: GPL-2.0-only
// A map of owners for a picture: no more runs than it can show.
#pragma once

#include <vector>

#include "sim/ownership/ownership_map.hpp"

namespace baton::sim {

/// At most `runs_max` runs (at least 1): small runs are taken into their neighbours, with the gaps between them, and
/// larger and larger ones until few enough are left. The larger owner of the two stands for both, where a frame of the
/// handover (preserved memory, metadata) counts as much as kHandoverWeight others.
std::vector<OwnedRun> coarse_runs(std::vector<OwnedRun> runs, std::size_t runs_max);
inline constexpr u64 kHandoverWeight = 64;

}  // namespace baton::sim
