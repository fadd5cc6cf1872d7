// SPDX-License-Identifier: GPL-2.0-only
#include "scenarios/engine/report.hpp"
#include "sim/timeline/timeline.hpp"

namespace baton::scenarios {

std::string report_timeline(const RunReport& report) {
    std::vector<sim::Timeline> runs;
    for (const RunResult& r : report.results)
        if (r.timeline) runs.push_back(*r.timeline);
    return sim::chrome_trace(runs);
}

}  // namespace baton::scenarios
