// SPDX-License-Identifier: GPL-2.0-only
// One machine that plays a window again and again: the steps before once, then a checkpoint to go back to.
//
// What is judged: writes of devices to memory that was not theirs, kernels that end, commands that fail, steps that
// find something wrong and, if asked for, handed-over memory that changed. A census, logs and reports would cost more
// than the machine does; who writes a finding down runs it again in full.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <vector>

#include "scenarios/engine/play.hpp"
#include "scenarios/explore/finding.hpp"
#include "scenarios/explore/window.hpp"

namespace baton::scenarios {

/// Why a window cannot be played.
struct Unplayable {
    std::string message;
};

/// Owners written, by device and phase: what an exploration has seen.
using Coverage = std::array<std::array<u32, kPhaseCount>, device::kSlots>;

struct Observed {
    std::vector<Found> found;                      // in the order in which they happened; empty: clean
    std::vector<std::pair<u32, sim::Race>> races;  // step, race: each once
    std::optional<u32> stopped;                    // the step that failed
    std::optional<Ending> ending;                  // how
    std::optional<Errno> error;                    // likewise
    sim::Hash128 sequence;                         // of schedule points, from power-on
};

struct PlayerOptions {
    std::string image_folder;
    bool hashes = false;
};

class Player {
public:
    /// Plays the prefix. Throws Unplayable.
    Player(const Window& window, const PlayerOptions& options);
    Player(const Player&) = delete;
    Player& operator=(const Player&) = delete;

    /// The schedule points of the window when nobody moves; found by a run of it, whose result is `baseline()`.
    const std::vector<Position>& positions() const { return positions_; }
    const Observed& baseline() const { return baseline_; }

    Observed run(const Schedule& schedule);
    /// Those of its turns whose points the run comes to.
    Schedule reached(const Schedule& schedule);
    Coverage coverage() const;

private:
    void note_races(u32 step, Observed& out);
    void judge_failure(Observed& out);

    Scenario scenario_;  // its turns change from run to run
    Cell cell_;
    u32 from_;
    RunOptions options_;
    std::unique_ptr<Play> play_;
    std::optional<sim::Machine::Moment> moment_;
    PlayState state_;
    std::vector<u64> known_;  // forbidden writes of each kind, by the step before
    std::vector<Position> positions_;
    Observed* under_way_ = nullptr;
    Schedule* reached_ = nullptr;
    Observed baseline_;
};

}  // namespace baton::scenarios
