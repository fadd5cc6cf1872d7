// SPDX-License-Identifier: GPL-2.0-only
// One scenario on one machine, up to a point: what `baton trace`, `baton gdb` and `baton export` are about.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/verbs.hpp"
#include "scenarios/engine/diagnostic.hpp"
#include "scenarios/engine/runner.hpp"
#include "sim/guest/tracer.hpp"

namespace baton::cli {

struct SingleRun {
    scenarios::Scenario scenario;
    scenarios::Cell cell;
    scenarios::RunOptions options;
};

/// `SITE[#k][+n]`
struct PointArgument {
    sim::SitePoint point;
    u64 skip = 0;
};
std::optional<PointArgument> parse_point(std::string_view text, std::vector<scenarios::Diagnostic>& diagnostics);

/// The first machine of the scenario's matrix, on the target of the choice; `arch` and `seed` choose another. Nothing,
/// and `exit` says what to exit with, if the scenario or a choice is wrong.
std::optional<SingleRun> choose_run(const RunChoice& choice, std::vector<scenarios::Diagnostic>& diagnostics,
                                    Exit& exit);

}  // namespace baton::cli
