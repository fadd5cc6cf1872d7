// SPDX-License-Identifier: GPL-2.0-only
// Who moves where in a window.
#pragma once

#include <compare>
#include <vector>

#include "scenarios/engine/scenario.hpp"

namespace baton::scenarios {

/// A schedule point of a window: the nth time (from 1) that a step comes to a site.
struct Position {
    u32 step = 0;
    Site site = Site::kCount;
    u64 nth = 1;
    bool operator==(const Position&) const = default;
};

struct Turn {
    u32 order = 0;  // of its position, among those of the run without turns
    Position at;
    u32 slot = 0;
    sim::TurnKind kind = sim::TurnKind::kBoth;
    u32 times = 1;
};

/// In the order of their positions; at one position, in the order of the list.
using Schedule = std::vector<Turn>;

}  // namespace baton::scenarios
