// SPDX-License-Identifier: GPL-2.0-only
// Plays one scenario on one machine.
#pragma once

#include <functional>
#include <string>

#include "scenarios/engine/result.hpp"
#include "scenarios/engine/scenario.hpp"
#include "sim/monitor.hpp"

namespace baton::sim {
class TimelineRecorder;
}

namespace baton::scenarios {

/// How much of a run is looked at.
enum class Watch : u32 {
    kAll,
    kLight,  // only whether steps and kernels go well: no census, no log, no expected races, no report of hops
};

struct RunOptions {
    std::string image_folder;                   // where the build's kernel images lie
    std::string save_on_fail;                   // write the machine of a failed run to this file; empty = do not
    std::function<void(u32 step)> on_step;      // called as each step begins; for progress
    sim::Monitor* monitor = nullptr;            // of every machine of the run; what it throws comes out of run_cell()
    sim::TimelineRecorder* timeline = nullptr;  // told what happens; the caller finishes it
    bool memory_maps = false;                   // Hop::before and Hop::after
    std::function<void(sim::Machine&)> on_machine;  // the steps to come are played on this one
    Watch watch = Watch::kAll;
    bool hash_handed_over = true;  // compare memory at the jump with what arrives; only light runs can do without
    std::function<void(u32 step, sim::Machine&)> on_step_end;  // called when a step has been played, however it ended
};

/// Runs every step, in order, until one ends otherwise than the scenario says; then judges. Throws only for failures of
/// the simulator itself. A target that this build does not have is Verdict::kSkipped; an image or machine file that
/// cannot be read is Verdict::kBadInput.
RunResult run_cell(const Scenario& scenario, const Cell& cell, const RunOptions& options);

}  // namespace baton::scenarios
