// SPDX-License-Identifier: GPL-2.0-only
// `baton compare`: every machine of a scenario twice, as host code and as machine code (decision D4).
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/choices.hpp"
#include "cli/output.hpp"
#include "cli/paths.hpp"
#include "cli/verbs.hpp"
#include "scenarios/engine/compare.hpp"
#include "scenarios/engine/engine.hpp"
#include "scenarios/engine/parse.hpp"

namespace baton::cli {
namespace {

using nlohmann::ordered_json;
using scenarios::Comparison;

Exit exit_of(const Comparison& c) {
    if (c.unusable()) return c.first.exit_code();
    if (c.second.verdict == scenarios::Verdict::kSkipped || c.second.verdict == scenarios::Verdict::kBadInput)
        return c.second.exit_code();
    return c.difference ? Exit::kFail : Exit::kPass;
}

ordered_json to_json(const Comparison& c) {
    ordered_json out = {{"scenario", c.first.scenario},
                        {"arch", geometry_of(c.first.cell.arch).name},
                        {"seed", c.first.cell.seed},
                        {"verdict", c.first.verdict_name()},
                        {"equal", !c.difference},
                        {"points", c.sites},
                        {"steps", c.states},
                        {"frames", c.frames}};
    out["excluded"] = ordered_json::array();
    for (const sim::UnequalRange& r : c.unequal)
        out["excluded"].push_back(
            {{"start", scenarios::hex(r.range.start)}, {"bytes", r.range.size}, {"why", name(r.why)}});
    if (c.difference)
        out["difference"] = {
            {"what", c.difference->what}, {"native", c.difference->first}, {"guest", c.difference->second}};
    return out;
}

}  // namespace

Exit compare(const CompareArguments& arguments) {
    std::vector<scenarios::Diagnostic> diagnostics;
    const auto archs = look_up(arguments.archs, "--arch", kGeometries, &Geometry::id, diagnostics);
    const auto seeds = seeds_of(arguments.seeds, diagnostics);
    if (!diagnostics.empty()) {
        print_diagnostics(diagnostics, arguments.json);
        return Exit::kUsage;
    }
    scenarios::FoundFiles found = scenarios::find_scenarios(arguments.paths);
    diagnostics = std::move(found.diagnostics);
    std::vector<scenarios::Scenario> all;
    for (const std::string& file : found.files) {
        scenarios::Parsed parsed = scenarios::parse_file(file);
        diagnostics.insert(diagnostics.end(), parsed.diagnostics.begin(), parsed.diagnostics.end());
        if (parsed.scenario) all.push_back(std::move(*parsed.scenario));
    }
    if (!diagnostics.empty()) return print_diagnostics(diagnostics, arguments.json);

    Exit exit = Exit::kPass;
    std::string text;
    ordered_json out;
    out["comparisons"] = ordered_json::array();
    std::size_t equal = 0;
    std::size_t compared = 0;
    std::size_t left_out = 0;
    const scenarios::RunOptions options{.image_folder = image_folder()};
    for (const scenarios::Scenario& scenario : all) {
        scenarios::MachineMatrix matrix = scenario.machine;
        matrix.targets = scenarios::targets_of(scenario, {sim::Target::kNative});
        left_out += matrix.targets.empty();
        if (!seeds.empty()) matrix.seeds = seeds;
        if (!archs.empty())
            std::erase_if(matrix.archs, [&](GeometryId g) { return std::ranges::count(archs, g) == 0; });
        for (const scenarios::Cell& cell : scenarios::expand(matrix)) {
            scenarios::Cell guest = cell;
            guest.target = sim::Target::kGuest;
            const Comparison c = scenarios::compare(scenario, {cell, options}, {guest, options});
            exit = scenarios::more_severe(exit, exit_of(c));
            equal += exit_of(c) == Exit::kPass;
            ++compared;
            text += report_comparison(c);
            out["comparisons"].push_back(to_json(c));
        }
    }
    if (compared == 0)
        return print_diagnostics({{{}, {}, "no scenario has a machine to compare on", {}}}, arguments.json);
    out["exit"] = static_cast<int>(exit);
    text += fmt::format("\n{} compared: {} equal\n", compared, equal);
    if (left_out != 0) text += fmt::format("{} left out: for guests only\n", left_out);
    return print(arguments.json ? out.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n" : text, exit);
}

}  // namespace baton::cli
