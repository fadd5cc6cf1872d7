// SPDX-License-Identifier: GPL-2.0-only
// A finding as a scenario file: the window with the turns that led to it, what they come to, and `[replay]` to prove
// it.
#pragma once

#include <string>

#include "scenarios/explore/player.hpp"
#include "scenarios/explore/window.hpp"

namespace baton::scenarios {

struct Reproducer {
    std::string text;
    bool passes = false;  // `baton run` finds that it comes to what it says; false where no key can say it
};

/// `observed` is the run of the schedule. The file is made by playing it in full; throws std::logic_error if that is
/// not the run that was observed.
Reproducer make_reproducer(const Window& window, const Schedule& schedule, const Observed& observed,
                           const FoundKey& finding, const std::string& image_folder);

/// The turns of a schedule up to a position, of those that a finding there can depend on.
Schedule up_to(const Schedule& schedule, const std::vector<Position>& positions, const Position& last);

}  // namespace baton::scenarios
