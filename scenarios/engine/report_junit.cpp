// SPDX-License-Identifier: GPL-2.0-only
// JUnit's XML, as CI servers read it. Times are left out: they would be the host's, and results hold none of those.
#include <fmt/format.h>

#include <algorithm>

#include "scenarios/engine/markup.hpp"
#include "scenarios/engine/report.hpp"

namespace baton::scenarios {
namespace {

std::string outcome(const RunResult& r) {
    switch (r.verdict) {
        case Verdict::kPass: return {};
        case Verdict::kSkipped: return fmt::format("      <skipped message=\"{}\"/>\n", escaped(r.message));
        case Verdict::kFail:
        case Verdict::kDiverged:
        case Verdict::kBudget: {
            std::string text;
            for (const Finding& f : r.findings)
                text += fmt::format("{}:{}: step {}: {}: {}\n", r.scenario, f.place.line, f.step + 1, f.what, f.detail);
            if (!r.next.empty()) text += "next: " + r.next + "\n";
            const std::string_view what = r.findings.empty() ? r.message : r.findings.front().what;
            return fmt::format("      <failure type=\"{}\" message=\"{}\">{}</failure>\n", escaped(r.verdict_name()),
                               escaped(what), escaped(text));
        }
        default:
            return fmt::format("      <error type=\"{}\" message=\"{}\"/>\n", escaped(r.verdict_name()),
                               escaped(r.message));
    }
}

struct Counts {
    std::size_t tests = 0, failures = 0, errors = 0, skipped = 0;
};

Counts count(const std::vector<RunResult>& results, std::string_view scenario) {
    Counts n;
    for (const RunResult& r : results) {
        if (!scenario.empty() && r.scenario != scenario) continue;
        ++n.tests;
        n.failures += r.verdict == Verdict::kFail || r.verdict == Verdict::kDiverged || r.verdict == Verdict::kBudget;
        n.errors += r.verdict == Verdict::kBadInput || r.verdict == Verdict::kInternal;
        n.skipped += r.verdict == Verdict::kSkipped;
    }
    return n;
}

std::string attributes(std::string_view name, const Counts& n) {
    return fmt::format("name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\"", escaped(name), n.tests,
                       n.failures, n.errors, n.skipped);
}

/// Bad input: nothing ran. A suite a file, an error a mistake, so that a CI server shows them where it shows results.
std::string errors_of(const std::vector<Diagnostic>& diagnostics) {
    std::string out = fmt::format("<testsuites {}>\n",
                                  attributes("baton", {.tests = diagnostics.size(), .errors = diagnostics.size()}));
    for (std::size_t i = 0; i < diagnostics.size();) {
        const std::string& file = diagnostics[i].file;
        std::string cases;
        Counts n;
        for (; i < diagnostics.size() && diagnostics[i].file == file; ++i, ++n.tests, ++n.errors) {
            const Diagnostic& d = diagnostics[i];
            cases += fmt::format("    <testcase classname=\"{}\" name=\"{}:{}\">\n", escaped(file), d.place.line,
                                 d.place.col);
            cases += fmt::format("      <error type=\"bad input\" message=\"{}\">{}</error>\n    </testcase>\n",
                                 escaped(d.message), escaped(to_text(d)));
        }
        out += fmt::format("  <testsuite {}>\n{}  </testsuite>\n", attributes(file, n), cases);
    }
    return out + "</testsuites>\n";
}

}  // namespace

std::string report_junit(const RunReport& report) {
    std::string out = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
    if (!report.diagnostics.empty()) return out + errors_of(report.diagnostics);
    out += fmt::format("<testsuites {}>\n", attributes("baton", count(report.results, {})));
    std::string_view suite;  // results of one scenario stand together
    for (const RunResult& r : report.results) {
        if (r.scenario != suite) {
            if (!suite.empty()) out += "  </testsuite>\n";
            suite = r.scenario;
            out += fmt::format("  <testsuite {}>\n", attributes(suite, count(report.results, suite)));
        }
        const std::string what = outcome(r);
        out +=
            fmt::format("    <testcase classname=\"{}\" name=\"{}\"", escaped(r.scenario), escaped(cell_name(r.cell)));
        out += what.empty() ? "/>\n" : ">\n" + what + "    </testcase>\n";
    }
    if (!suite.empty()) out += "  </testsuite>\n";
    return out + "</testsuites>\n";
}

}  // namespace baton::scenarios
