// SPDX-License-Identifier: GPL-2.0-only
// `baton replay`: is the run of this file the run that was written down?
#include "scenarios/explore/replay.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cli/choices.hpp"
#include "cli/output.hpp"
#include "cli/paths.hpp"
#include "cli/verbs.hpp"
#include "scenarios/engine/engine.hpp"
#include "scenarios/engine/parse.hpp"

namespace baton::cli {
namespace {

using nlohmann::ordered_json;
using scenarios::Diagnostic;

std::string report_json(const scenarios::Scenario& scenario, const scenarios::Replayed& run,
                        const std::optional<scenarios::Divergence>& difference) {
    ordered_json out = {{"scenario", scenario.file},
                        {"arch", geometry_of(run.result.cell.arch).name},
                        {"target", scenarios::info(run.result.cell.target).name},
                        {"finding", scenario.replay->finding},
                        {"equal", !difference.has_value()}};
    if (difference)
        out["difference"] = {{"what", difference->what}, {"recorded", difference->written}, {"now", difference->now}};
    out["state_hash"] = run.result.state_hash;
    out["sequence_hash"] = run.result.sequence_hash;
    return out.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace

Exit replay(const ReplayArguments& arguments) {
    std::vector<Diagnostic> diagnostics;
    std::vector<scenarios::Target> targets;
    if (!arguments.target.empty())
        targets = look_up(std::vector<std::string>{arguments.target}, "--target", scenarios::kTargets,
                          &scenarios::TargetInfo::target, diagnostics);
    if (!diagnostics.empty()) {
        print_diagnostics(diagnostics, arguments.json);
        return Exit::kUsage;
    }
    const scenarios::Parsed parsed = scenarios::parse_file(arguments.file);
    if (!parsed.scenario) return print_diagnostics(parsed.diagnostics, arguments.json);
    const scenarios::Scenario& scenario = *parsed.scenario;
    if (!scenario.replay)
        return print_diagnostics({{scenario.file,
                                   {1, 1},
                                   "the file has no [replay] to compare a run with",
                                   "`baton explore` writes such files; `baton run` plays this one"}},
                                 arguments.json);
    scenarios::MachineMatrix matrix = scenario.machine;
    if (!targets.empty()) matrix.targets = targets;
    const std::vector<scenarios::Cell> cells = scenarios::expand(matrix);
    if (cells.size() != 1)
        return print_diagnostics({{scenario.file, scenario.replay->place,
                                   fmt::format("[replay] is of one machine, and \"machine\" makes {}", cells.size()),
                                   "one arch, one target, one seed"}},
                                 arguments.json);
    const scenarios::Replayed run = scenarios::play_in_full(scenario, cells[0], image_folder());
    if (run.result.verdict == scenarios::Verdict::kSkipped || run.result.verdict == scenarios::Verdict::kBadInput)
        return print_diagnostics({{scenario.file, {}, run.result.message, {}}}, arguments.json);
    const auto difference = scenarios::compare_with_record(run, *scenario.replay);
    const Exit exit = difference ? Exit::kDiverged : Exit::kPass;
    if (arguments.json) return print(report_json(scenario, run, difference), exit);
    std::string text =
        fmt::format("{}  [{}]\n  {}\n", scenario.file, scenarios::cell_name(cells[0]), scenario.replay->finding);
    for (const sim::ForbiddenWrite& w : run.result.races)
        if (const auto race = w.race())
            text += fmt::format("  {} at {}#{}\n", info(*race).id,
                                w.at.site == Site::kCount ? "no point" : info(w.at.site).name, w.at.nth);
    if (!difference) return print(text + "equal: the same run as was written down\n", exit);
    return print(text + fmt::format("diverged: {}\n  written down  {}\n  now           {}\n", difference->what,
                                    difference->written, difference->now),
                 exit);
}

}  // namespace baton::cli
