// SPDX-License-Identifier: GPL-2.0-only
// `baton points`: the schedule points, where devices may act and scenarios may break or poke.
#include <nlohmann/json.hpp>

#include "cli/output.hpp"
#include "cli/verbs.hpp"
#include "model/sites.hpp"

namespace baton::cli {

Exit points(const PointsArguments& arguments) {
    std::vector<Row> rows{{"SITE", "PHASE", "", "WHAT HAPPENS"}};
    nlohmann::ordered_json out;
    for (const SiteInfo& site : kSites) {
        const PhaseInfo& phase = info(site.phase);
        rows.push_back(
            {std::string(site.name), std::string(phase.code), std::string(phase.name), std::string(site.meaning)});
        out["points"].push_back(
            {{"name", site.name}, {"phase", phase.code}, {"phase_name", phase.name}, {"meaning", site.meaning}});
    }
    return print(arguments.json ? out.dump(2) + "\n" : columns(rows), Exit::kPass);
}

}  // namespace baton::cli
