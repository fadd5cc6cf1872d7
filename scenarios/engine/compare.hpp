// SPDX-License-Identifier: GPL-2.0-only
// The same scenario on two machines that ought to agree: native and guest (decisions D4, D6f), or two fills of RAM
// (D6c).
//
// Compared are the whole sequence of schedule points with their arguments and the ledger's time, what the run came to,
// work by phase, and, if asked for, every frame after every step but those of the exclusion list.
#pragma once

#include <optional>
#include <string>

#include "scenarios/engine/recording.hpp"

namespace baton::scenarios {

struct Difference {
    std::string what;   // "the 17th schedule point differs", "RAM differs after step 3"
    std::string first;  // what it is on one side
    std::string second;
};

struct Comparison {
    RunResult first;
    RunResult second;
    std::optional<Difference> difference;    // the first one found
    std::size_t sites = 0;                   // compared
    std::size_t states = 0;                  // steps after which RAM was compared, the last among them
    u64 frames = 0;                          // compared after the last of them
    std::vector<sim::UnequalRange> unequal;  // not compared then
    /// Neither run was played: the first says why.
    bool unusable() const { return first.verdict == Verdict::kSkipped || first.verdict == Verdict::kBadInput; }
};

struct Side {
    Cell cell;
    RunOptions run;
};
/// Everything, RAM included.
Comparison compare(const Scenario& scenario, const Side& first, const Side& second);
/// All but RAM.
Comparison compare_sequences(const Scenario& scenario, const Side& first, const Side& second);

/// For people: what was compared, what was not and why, what differs.
std::string report_comparison(const Comparison& comparison);

}  // namespace baton::scenarios
