// SPDX-License-Identifier: GPL-2.0-only
// `baton run`: plays scenarios and reports.
#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>

#include "cli/choices.hpp"
#include "cli/output.hpp"
#include "cli/paths.hpp"
#include "cli/report_files.hpp"
#include "cli/verbs.hpp"
#include "scenarios/engine/engine.hpp"
#include "scenarios/engine/report.hpp"

namespace baton::cli {
namespace {

using scenarios::Diagnostic;

/// One line that overwrites itself; only on a terminal.
class ProgressLine {
public:
    void show(const scenarios::Progress& p) {
        if (!terminal_) return;
        const std::string line = fmt::format("[{}/{}] {}  {}  step {}/{}", p.run + 1, p.runs, p.file,
                                             geometry_of(p.cell->arch).name, p.step + 1, p.steps);
        std::fputs(("\r\x1b[K" + line).c_str(), stderr);
        shown_ = true;
    }
    void clear() {
        if (shown_) std::fputs("\r\x1b[K", stderr);
        shown_ = false;
    }

private:
    bool terminal_ = standard_error_is_terminal();
    bool shown_ = false;
};

std::vector<Diagnostic> write_reports(const RunArguments& arguments, const scenarios::RunReport& report) {
    std::vector<Diagnostic> wrong;
    if (!arguments.html.empty()) write_report(arguments.html, scenarios::report_html(report), wrong);
    if (!arguments.timeline.empty()) write_report(arguments.timeline, scenarios::report_timeline(report), wrong);
    return wrong;
}

}  // namespace

Exit run(const RunArguments& arguments) {
    std::vector<Diagnostic> diagnostics;
    scenarios::RunRequest request;
    request.paths = arguments.paths;
    request.archs = look_up(arguments.archs, "--arch", kGeometries, &Geometry::id, diagnostics);
    request.targets =
        look_up(arguments.targets, "--target", scenarios::kTargets, &scenarios::TargetInfo::target, diagnostics);
    request.seeds = seeds_of(arguments.seeds, diagnostics);
    request.image_folder = image_folder();
    request.save_on_fail = arguments.save_on_fail;
    if (!diagnostics.empty()) {
        print_diagnostics(diagnostics, arguments.json);
        return Exit::kUsage;
    }

    // All before anything runs: a run whose report is lost is wasted.
    const ReportFiles files(
        {{"--junit", arguments.junit, true}, {"--html", arguments.html}, {"--timeline", arguments.timeline}});
    if (const auto wrong = files.check(scenarios::find_scenarios(request.paths).files); !wrong.empty())
        return print_diagnostics(wrong, arguments.json);
    std::ofstream junit;
    if (!arguments.junit.empty()) {
        junit.open(arguments.junit, std::ios::binary);
        if (!junit)
            return print_diagnostics({{arguments.junit,
                                       {},
                                       fmt::format("cannot be written: {}", std::strerror(errno)),
                                       "--junit names a file"}},
                                     arguments.json);
    }
    request.timeline = !arguments.timeline.empty();
    request.illustrated = !arguments.html.empty();

    ProgressLine progress;
    request.on_progress = [&](const scenarios::Progress& p) { progress.show(p); };
    const scenarios::RunReport report = scenarios::run_paths(request);
    progress.clear();

    if (junit.is_open() && !(junit << scenarios::report_junit(report) << std::flush))
        return print_diagnostics(
            {{arguments.junit, {}, fmt::format("cannot be written: {}", std::strerror(errno)), {}}}, arguments.json);
    if (!report.diagnostics.empty()) return print_diagnostics(report.diagnostics, arguments.json);
    if (const auto wrong = write_reports(arguments, report); !wrong.empty())
        return print_diagnostics(wrong, arguments.json);
    const scenarios::TextStyle style{standard_output_is_terminal(), arguments.verbose};
    return print(
        arguments.json ? scenarios::report_json(report, arguments.verbose) : scenarios::report_text(report, style),
        report.exit_code());
}

}  // namespace baton::cli
