// SPDX-License-Identifier: GPL-2.0-only
// The part of a scenario that is explored: where devices may move, without the schedule that the scenario itself has.
//
// From the first step after the first one that starts a device, but not later than the first `exec`, to the end. In it
// the scenario's turns, expected races, verdicts, losses and censuses are dropped, and its `expect` and `save` steps:
// they belong to the schedule that it had. An `expect_error` stays. The steps before are played once, as they are.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "scenarios/engine/document.hpp"
#include "scenarios/engine/scenario.hpp"

namespace baton::scenarios {

struct WindowChoice {
    std::string file;
    std::optional<GeometryId> arch;  // nothing: the scenario's first
    std::optional<Target> target;    // nothing: native, if it has that
    std::optional<u64> seed;         // nothing: the scenario's first
    std::optional<u32> from;         // index of the window's first step; nothing: by the rule
    bool keep_turns = false;         // for shrinking: those, and the window that the file's [replay] says
};

struct Window {
    std::string file;   // the scenario's
    Value document;     // for one machine, paths absolute, the window bare; `replay` is not in it
    Scenario scenario;  // the same, parsed
    Cell cell;
    u32 from = 0;                        // index of its first step
    std::optional<ReplayRecord> record;  // of the file, if it has one
};

/// Nothing, and diagnostics, if there is nothing to explore.
std::optional<Window> open_window(const WindowChoice& choice, std::vector<Diagnostic>& diagnostics);

}  // namespace baton::scenarios
