// SPDX-License-Identifier: GPL-2.0-only
// Plays a window under many schedules and keeps what it finds (docs/explore.md).
//
// Runs are numbered; run i is the same whoever plays it. They are played in chunks, shared among threads with a machine
// each, and looked at in the order of their numbers when the chunk is done: so what is found, and in which file it is,
// does not depend on how many threads there are.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "scenarios/explore/player.hpp"
#include "scenarios/explore/strategy.hpp"
#include "scenarios/explore/window.hpp"

namespace baton::scenarios {

inline constexpr u64 kChunkNative = 512;  // runs between two looks at what was found, and at the clock
inline constexpr u64 kChunkGuest = 16;
inline constexpr u64 kRunsDefault = 10'000;
inline constexpr u32 kJobsMax = 256;

/// A finding, written down.
struct ReportedFinding {
    u64 run = 0;  // 0: the run without turns; else the number of the run, from 1
    Found found;
    std::string identity;
    std::string file;
    bool passes = false;  // `baton run FILE` passes too
};

struct ExploreProgress {
    u64 runs = 0;  // done
    std::optional<u64> of;
    u64 findings = 0;
    u64 transitions = 0;
};

struct ExploreRequest {
    StrategyOptions strategy;
    std::optional<u64> runs;           // nothing: until the time is up, or the strategy has no more
    std::function<bool()> time_is_up;  // asked between chunks; empty: never
    u32 jobs = 1;
    std::string out;  // folder, which exists
    std::string image_folder;
    bool hashes = false;
    std::function<void(const ReportedFinding&)> on_finding;
    std::function<void(const ExploreProgress&)> on_progress;  // after every chunk
};

struct ExploreReport {
    u64 runs = 0;
    bool out_of_time = false;
    bool complete = false;  // the strategy has no more runs
    std::vector<ReportedFinding> findings;
    std::size_t positions = 0;
    std::string bound;
    Coverage coverage{};
};

u64 transitions(const Coverage& coverage);

/// Throws Unplayable, sim::SaveError (a finding cannot be written).
ExploreReport explore(const Window& window, const ExploreRequest& request);

}  // namespace baton::scenarios
