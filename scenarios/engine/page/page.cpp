// SPDX-License-Identifier: GPL-2.0-only
// The HTML report: one page without anything from outside, so that it can be attached, mailed and kept. It tells what
// report_text() tells, and shows what words cannot: whose memory was whose, and where the time went.
#include <fmt/format.h>

#include <algorithm>

#include "scenarios/engine/markup.hpp"
#include "scenarios/engine/page/sections.hpp"
#include "scenarios/engine/page/style.hpp"
#include "scenarios/engine/report.hpp"

namespace baton::scenarios {
namespace page {

std::string verdict_badge(const RunResult& r) {
    const std::string_view colour = r.verdict == Verdict::kPass      ? "good"
                                    : r.verdict == Verdict::kSkipped ? "wait"
                                                                     : "bad";
    return fmt::format("<span class=\"badge {}\">{}</span>", colour, escaped(r.verdict_name()));
}

std::string time_text(u64 ns) {
    if (ns < 10'000) return fmt::format("{} ns", ns);
    if (ns < 10'000'000) return fmt::format("{}.{} µs", ns / 1000, ns % 1000 / 100);
    return fmt::format("{}.{} ms", ns / 1'000'000, ns % 1'000'000 / 100'000);
}

u64 dark_ns(const std::vector<PhaseWork>& phases) {
    u64 sum = 0;
    for (const PhaseWork& p : phases) sum += info(p.phase).dark ? p.time_ns : 0;
    return sum;
}

}  // namespace page

namespace {

using namespace page;

/// "2 runs: 1 pass, 1 fail".
std::string headline(const RunReport& report) {
    std::string counts;
    for (const VerdictInfo& v : kVerdicts)
        if (const auto n = std::ranges::count(report.results, v.verdict, &RunResult::verdict); n != 0)
            counts += fmt::format("{}{} {}", counts.empty() ? "" : ", ", n, v.name);
    const std::size_t runs = report.results.size();
    return fmt::format("{} run{}: {}", runs, runs == 1 ? "" : "s", counts);
}

std::string run_row(const RunResult& r, std::size_t index, bool linked) {
    const std::string title =
        linked ? fmt::format("<a href=\"#run-{}\">{}</a>", index + 1, escaped(r.title)) : escaped(r.title);
    return fmt::format(
        "<tr><td>{}</td><td>{}<br><span class=\"soft m\">{}</span></td><td>{}</td>"
        "<td class=\"num\">{}</td><td class=\"num\">{}</td></tr>\n",
        verdict_badge(r), title, escaped(r.scenario), escaped(cell_name(r.cell)), r.hops.size(),
        r.hops.empty() ? "" : time_text(dark_ns(r.phases)));
}

std::string run_table(const RunReport& report, bool all_have_sections) {
    std::string out = "<section class=\"card wide\">\n";
    if (report.results.size() > kRunsInFull)
        out += "<p><input id=\"filter\" type=\"search\" placeholder=\"filter runs\" aria-label=\"filter runs\"></p>\n";
    out +=
        "<table id=\"runs\"><thead><tr><th>verdict</th><th>scenario</th><th>machine</th><th class=\"num\">hops</th>"
        "<th class=\"num\">dark</th></tr></thead><tbody>\n";
    for (std::size_t i = 0; i < report.results.size(); ++i)
        out += run_row(report.results[i], i, all_have_sections || report.results[i].verdict != Verdict::kPass);
    return out + "</tbody></table>\n</section>\n";
}

}  // namespace

std::string report_html(const RunReport& report) {
    const std::string headline = baton::scenarios::headline(report);
    const bool all = report.results.size() <= kRunsOnPage;
    std::string out = fmt::format(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src &#39;none&#39;; "
        "style-src &#39;unsafe-inline&#39;; script-src &#39;unsafe-inline&#39;\">\n"
        "<title>Baton: {0}</title>\n<style>{1}</style>\n</head>\n<body>\n<main>\n"
        "<p class=\"soft\">Baton · kernel handover across kexec</p>\n<h1>{0}</h1>\n",
        escaped(headline), kCss);
    if (report.left_out != 0)
        out += fmt::format("<p class=\"soft\">{} left out: no machine as chosen</p>\n",
                           report.left_out == 1 ? "1 scenario was" : fmt::format("{} scenarios were", report.left_out));
    for (const Diagnostic& d : report.diagnostics)
        out += fmt::format("<div class=\"finding\"><b>{}</b></div>\n", escaped(to_text(d)));
    if (report.results.size() > 1) out += run_table(report, all);
    for (std::size_t i = 0; i < report.results.size(); ++i) {
        const RunResult& r = report.results[i];
        const bool wrong = r.verdict != Verdict::kPass;
        if (all || wrong) out += run_section(r, i, wrong || report.results.size() <= 2);
    }
    if (!all)
        out += fmt::format("<p class=\"soft\">Runs that passed are shown in full in a report of at most {}.</p>\n",
                           kRunsOnPage);
    out +=
        "<footer>Times are counted work in the costs of a platform profile, not measured; the phases are those of "
        "docs/specs/kexec.md §12.</footer>\n</main>\n";
    return out + fmt::format("<script>{}</script>\n</body>\n</html>\n", kScript);
}

}  // namespace baton::scenarios
