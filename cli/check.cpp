// SPDX-License-Identifier: GPL-2.0-only
// `baton check`: reads scenarios and says what is wrong, without running them.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cli/output.hpp"
#include "cli/verbs.hpp"
#include "scenarios/engine/engine.hpp"
#include "scenarios/engine/parse.hpp"

namespace baton::cli {

Exit check(const CheckArguments& arguments) {
    if (!arguments.fit.machine.empty()) return check_machine(arguments.fit, arguments.json);
    scenarios::FoundFiles found = scenarios::find_scenarios(arguments.paths);
    std::vector<scenarios::Diagnostic> diagnostics = std::move(found.diagnostics);
    nlohmann::ordered_json out;
    out["scenarios"] = nlohmann::ordered_json::array();
    std::size_t steps = 0;
    std::size_t machines = 0;
    for (const std::string& file : found.files) {
        const scenarios::Parsed parsed = scenarios::parse_file(file);
        diagnostics.insert(diagnostics.end(), parsed.diagnostics.begin(), parsed.diagnostics.end());
        if (!parsed.scenario) continue;
        const std::size_t cells = scenarios::expand(parsed.scenario->machine).size();
        steps += parsed.scenario->steps.size();
        machines += cells;
        out["scenarios"].push_back({{"scenario", file},
                                    {"title", parsed.scenario->title},
                                    {"steps", parsed.scenario->steps.size()},
                                    {"machines", cells}});
    }
    if (!diagnostics.empty()) return print_diagnostics(diagnostics, arguments.json);
    if (arguments.json)
        return print(out.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n", Exit::kPass);
    return print(fmt::format("{} scenario{} right: {} steps, {} machines\n", found.files.size(),
                             found.files.size() == 1 ? " is" : "s are", steps, machines),
                 Exit::kPass);
}

}  // namespace baton::cli
