// SPDX-License-Identifier: GPL-2.0-only
// Results for people, for browsers, for programs and for CI servers. All are pure functions of the report.
#pragma once

#include <string>

#include "scenarios/engine/engine.hpp"

namespace baton::scenarios {

struct TextStyle {
    bool colour = false;   // on a terminal
    bool verbose = false;  // every run in full, with the kernel log
};

/// Aligned text. Up to kRunsInFull runs, and all that failed, are shown in full; of others one line each.
std::string report_text(const RunReport& report, const TextStyle& style);
inline constexpr std::size_t kRunsInFull = 4;

/// `{"runs": […]}`; addresses are hexadecimal strings. The kernel log is included on request.
std::string report_json(const RunReport& report, bool with_log);

/// JUnit's XML: one test suite a scenario, one test case a machine; of bad input an error each.
std::string report_junit(const RunReport& report);

/// The timelines of all runs (RunRequest::timeline) as one file that Perfetto opens: sim/timeline/timeline.hpp.
std::string report_timeline(const RunReport& report);

/// One page that needs nothing else: what was run, what is wrong and where, what was handed over and what it cost, and
/// memory before and after each hop (RunRequest::illustrated). Of more than kRunsOnPage runs, those that passed are
/// lines of the first table only.
std::string report_html(const RunReport& report);
inline constexpr std::size_t kRunsOnPage = 64;

}  // namespace baton::scenarios
