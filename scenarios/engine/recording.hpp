// SPDX-License-Identifier: GPL-2.0-only
// One run, written down so that another can be compared with it: every schedule point, and all RAM after every step.
//
// RAM is kept as a hash per frame that was ever written (some ms a step for 512 MiB; of machines above kStepwiseRamMax
// only the last step is kept); whoever wants a frame's bytes runs again and asks for them, as runs repeat.
#pragma once

#include <array>
#include <vector>

#include "scenarios/engine/runner.hpp"
#include "sim/equality/unequal_frames.hpp"
#include "sim/machine.hpp"

namespace baton::scenarios {

struct PassedSite {
    Site site = Site::kCount;
    u64 nth = 0;      // of this site, from 1, in the whole run
    u64 time_ns = 0;  // ledger
    std::array<u64, 2> args{};
    bool operator==(const PassedSite&) const = default;
};

inline constexpr u64 kStepwiseRamMax = 2 * kGiB;

/// The machine as a step left it.
struct RecordedState {
    u32 step = 0;  // from 0
    bool has_frames = false;
    sim::FrameHashes frames;  // without the unequal ones
    sim::UnequalFrames unequal;
    sim::OwnershipMap::State owners;
};

struct Recording {
    RunResult result;
    std::vector<PassedSite> sites;
    std::vector<RecordedState> states;
    sim::Hash128 untouched;  // of a frame that is in no `frames`
};

/// A frame's bytes after the step that left states[state].
struct FrameRequest {
    std::size_t state = 0;
    u64 frame = 0;
    std::vector<u8> bytes;
};

struct RecordOptions {
    RunOptions run;  // on_machine, on_step_end and monitor are used: on_step_end is called before the state is recorded
    bool frames = true;
    FrameRequest* capture = nullptr;
};
Recording record(const Scenario& scenario, const Cell& cell, const RecordOptions& options);

}  // namespace baton::scenarios
