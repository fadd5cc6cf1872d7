// SPDX-License-Identifier: GPL-2.0-only
// A run in full that can be compared with what a file says of it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "scenarios/engine/runner.hpp"

namespace baton::scenarios {

struct Replayed {
    RunResult result;
    std::vector<std::string> steps;  // digest of the sequence of schedule points after each step
    std::string writes;              // of all forbidden writes
};
Replayed play_in_full(const Scenario& scenario, const Cell& cell, const std::string& image_folder);

struct Divergence {
    std::string what;
    std::string written;
    std::string now;
};

/// What of the record is not as the run was: the first of it. Of the state, only where the record has that target's.
std::optional<Divergence> compare_with_record(const Replayed& run, const ReplayRecord& record);

}  // namespace baton::scenarios
