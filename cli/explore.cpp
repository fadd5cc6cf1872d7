// SPDX-License-Identifier: GPL-2.0-only
// `baton explore`: plays one scenario under many schedules, says at once what it finds.
#include "scenarios/explore/explorer.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "cli/choices.hpp"
#include "cli/output.hpp"
#include "cli/paths.hpp"
#include "cli/verbs.hpp"
#include "sim/bytes.hpp"

namespace baton::cli {
namespace {

using nlohmann::ordered_json;
using scenarios::Diagnostic;
using Clock = std::chrono::steady_clock;

inline constexpr u64 kSecondsMax = 365 * 24 * 3600;
inline constexpr u64 kRunsMax = u64{1} << 40;
inline constexpr u32 kDepthMax = 16;
inline constexpr u64 kQuietSeconds = 10;  // between two lines of progress where there is no terminal

/// A number within [min, max]; nothing, with a diagnostic, if the word is none.
std::optional<u64> number(const std::string& word, std::string_view option, u64 min, u64 max,
                          std::vector<Diagnostic>& diagnostics) {
    const auto value = scenarios::parse_quantity(word);
    if (value && *value >= min && *value <= max) return *value;
    diagnostics.push_back(
        {{},
         {},
         fmt::format("{}: {}", option, value ? fmt::format("{} is out of range", word) : value.error().message),
         fmt::format("{} to {}", min, max)});
    return std::nullopt;
}

/// "90", "90s", "5m", "1h" in seconds.
std::optional<u64> duration(const std::string& word, std::vector<Diagnostic>& diagnostics) {
    constexpr std::pair<char, u64> kUnits[] = {{'s', 1}, {'m', 60}, {'h', 3600}};
    std::string digits = word;
    u64 unit = 1;
    for (const auto& [letter, seconds] : kUnits)
        if (!digits.empty() && digits.back() == letter) {
            unit = seconds;
            digits.pop_back();
            break;
        }
    const auto value = scenarios::parse_quantity(digits);
    if (value && *value > 0 && *value <= kSecondsMax / unit) return *value * unit;
    diagnostics.push_back({{},
                           {},
                           fmt::format("--time: \"{}\" is no time to explore in", word),
                           "more than nothing: seconds, or 90s, 5m, 1h"});
    return std::nullopt;
}

struct Asked {
    scenarios::WindowChoice window;
    scenarios::ExploreRequest request;
    std::optional<u64> seconds;
};

template <class Row, std::size_t kRows, class Value>
void choose(const std::string& word, std::string_view option, const Row (&table)[kRows], Value Row::* member,
            std::optional<Value>& to, std::vector<Diagnostic>& diagnostics) {
    if (word.empty()) return;
    const auto found = look_up(std::vector<std::string>{word}, option, table, member, diagnostics);
    if (!found.empty()) to = found.front();
}

Asked read_arguments(const ExploreArguments& a, std::vector<Diagnostic>& diagnostics) {
    Asked asked;
    scenarios::ExploreRequest& r = asked.request;
    asked.window.file = a.file;
    choose(a.arch, "--arch", kGeometries, &Geometry::id, asked.window.arch, diagnostics);
    choose(a.target, "--target", scenarios::kTargets, &scenarios::TargetInfo::target, asked.window.target, diagnostics);
    std::optional<scenarios::StrategyKind> kind;
    choose(a.strategy.empty() ? "?" : a.strategy, "--strategy", scenarios::kStrategies, &scenarios::StrategyInfo::kind,
           kind, diagnostics);
    r.strategy.kind = kind.value_or(scenarios::StrategyKind::kRandom);
    if (r.strategy.kind == scenarios::StrategyKind::kExhaustive) r.strategy.turns = scenarios::kTurnsDefaultExhaustive;
    if (const auto seed = number(a.seed, "--seed", 0, ~u64{0}, diagnostics)) r.strategy.seed = *seed;
    if (!a.turns.empty())
        if (const auto n = number(a.turns, "--turns", 1, scenarios::kTurnsOfRunMax, diagnostics))
            r.strategy.turns = static_cast<u32>(*n);
    if (!a.depth.empty())
        if (const auto n = number(a.depth, "--depth", 1, kDepthMax, diagnostics))
            r.strategy.depth = static_cast<u32>(*n);
    if (const auto n = number(a.jobs, "--jobs", 1, scenarios::kJobsMax, diagnostics)) r.jobs = static_cast<u32>(*n);
    if (!a.runs.empty()) r.runs = number(a.runs, "--runs", 1, kRunsMax, diagnostics);
    if (!a.time.empty()) asked.seconds = duration(a.time, diagnostics);
    if (a.runs.empty() && a.time.empty() && r.strategy.kind != scenarios::StrategyKind::kExhaustive)
        r.runs = scenarios::kRunsDefault;
    if (!a.from.empty())
        if (const auto n = number(a.from, "--from", 2, ~u32{0}, diagnostics))
            asked.window.from = static_cast<u32>(*n - 1);
    r.out = a.out;
    r.image_folder = image_folder();
    r.hashes = a.hashes;
    return asked;
}

/// Makes the folder and a file in it, which goes again: what is found must not be lost for want of a place.
std::optional<Diagnostic> prepare_folder(const std::string& folder) {
    namespace fs = std::filesystem;
    std::error_code error;
    fs::create_directories(folder, error);
    if (!error && !fs::is_directory(folder)) error = std::make_error_code(std::errc::not_a_directory);
    const fs::path probe = fs::path(folder) / fmt::format(".baton-{}", getpid());
    if (!error && !(std::ofstream(probe) << '\n' << std::flush)) error = {errno, std::generic_category()};
    std::error_code ignored;
    fs::remove(probe, ignored);
    if (!error) return std::nullopt;
    return Diagnostic{folder, {}, "cannot be written: " + error.message(), "--out names a folder for what is found"};
}

/// How far it is, on standard error: a line that overwrites itself, or one now and then.
class ProgressLine {
public:
    void show(const scenarios::ExploreProgress& p) {
        const auto now = Clock::now();
        if (!terminal_ && now - last_ < std::chrono::seconds(kQuietSeconds)) return;
        const double seconds = std::chrono::duration<double>(now - last_).count();
        if (terminal_ && seconds < 0.2 && shown_) return;
        const double rate = seconds > 0 ? static_cast<double>(p.runs - runs_) / seconds : 0;
        const std::string of = p.of ? fmt::format("/{}", *p.of) : "";
        std::fputs(fmt::format("{}{}{} runs, {:.0f}/s, {} findings, {} transitions{}", terminal_ ? "\r\x1b[K" : "",
                               p.runs, of, rate, p.findings, p.transitions, terminal_ ? "" : "\n")
                       .c_str(),
                   stderr);
        std::fflush(stderr);
        shown_ = true;
        last_ = now;
        runs_ = p.runs;
    }
    void clear() {
        if (shown_ && terminal_) std::fputs("\r\x1b[K", stderr);
        shown_ = false;
    }

private:
    bool terminal_ = standard_error_is_terminal();
    bool shown_ = false;
    Clock::time_point last_ = Clock::now();
    u64 runs_ = 0;
};

ordered_json coverage_json(const scenarios::Coverage& coverage, const scenarios::Scenario& scenario) {
    ordered_json out = ordered_json::array();
    for (std::size_t slot = 0; slot < scenario.devices.size(); ++slot)
        for (const PhaseInfo& p : kPhases)
            for (u32 owner = 0; owner < static_cast<u32>(Owner::kCount); ++owner)
                if ((coverage[slot][static_cast<u32>(p.phase)] >> owner & 1) != 0)
                    out.push_back({{"device", scenario.devices[slot].name},
                                   {"phase", p.code},
                                   {"owner", name(static_cast<Owner>(owner))}});
    return out;
}

std::string report_json(const scenarios::Window& window, const scenarios::ExploreReport& report,
                        const ExploreArguments& a, Exit exit) {
    ordered_json out = {{"scenario", window.file},
                        {"arch", geometry_of(window.cell.arch).name},
                        {"target", scenarios::info(window.cell.target).name},
                        {"strategy", a.strategy},
                        {"seed", a.seed},
                        {"from", window.from + 1},
                        {"positions", report.positions},
                        {"runs", report.runs},
                        {"out_of_time", report.out_of_time},
                        {"complete", report.complete},
                        {"bound", report.bound},
                        {"transitions", coverage_json(report.coverage, window.scenario)},
                        {"findings", ordered_json::array()},
                        {"exit", static_cast<int>(exit)}};
    for (const scenarios::ReportedFinding& f : report.findings)
        out["findings"].push_back({{"run", f.run},
                                   {"finding", f.identity},
                                   {"story", f.found.story},
                                   {"file", f.file},
                                   {"replay", "baton replay " + f.file},
                                   {"passes", f.passes}});
    return out.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

std::string finding_text(const scenarios::ReportedFinding& f) {
    return fmt::format("{}  {}\n  run {}: {}\n", f.identity, fmt::format("baton replay {}", f.file), f.run,
                       f.found.story);
}

Exit exit_of(const scenarios::ExploreReport& report, bool runs_given) {
    if (!report.findings.empty()) return Exit::kFail;
    // Who gave only a time asked for no more than that.
    return report.out_of_time && runs_given ? Exit::kBudget : Exit::kPass;
}

}  // namespace

Exit explore(const ExploreArguments& arguments) {
    std::vector<Diagnostic> diagnostics;
    Asked asked = read_arguments(arguments, diagnostics);
    if (!diagnostics.empty()) {
        print_diagnostics(diagnostics, arguments.json);
        return Exit::kUsage;
    }
    const auto window = scenarios::open_window(asked.window, diagnostics);
    if (!window) return print_diagnostics(diagnostics, arguments.json);
    if (const auto wrong = prepare_folder(asked.request.out)) return print_diagnostics({*wrong}, arguments.json);

    const auto start = Clock::now();
    ProgressLine progress;
    if (asked.seconds)
        asked.request.time_is_up = [&] { return Clock::now() - start >= std::chrono::seconds(*asked.seconds); };
    asked.request.on_progress = [&](const scenarios::ExploreProgress& p) { progress.show(p); };
    asked.request.on_finding = [&](const scenarios::ReportedFinding& f) {
        progress.clear();
        if (!arguments.json) print(finding_text(f), Exit::kPass);
    };
    if (!arguments.json)
        print(fmt::format("{}  [{}], steps {} to {}, {}\n", window->file, scenarios::cell_name(window->cell),
                          window->from + 1, window->scenario.steps.size(), arguments.strategy),
              Exit::kPass);
    try {
        const scenarios::ExploreReport report = scenarios::explore(*window, asked.request);
        progress.clear();
        const Exit exit = exit_of(report, asked.request.runs.has_value());
        if (arguments.json) return print(report_json(*window, report, arguments, exit), exit);
        const std::string why = report.complete      ? ", which is all that there are"
                                : report.out_of_time ? ", then the time was up"
                                                     : "";
        return print(fmt::format("{} runs{}; {} findings; {} transitions of (device, phase, owner)\n{}\n", report.runs,
                                 why, report.findings.size(), scenarios::transitions(report.coverage), report.bound),
                     exit);
    } catch (const scenarios::Unplayable& e) {
        return print_diagnostics({{window->file, {}, e.message, {}}}, arguments.json);
    } catch (const sim::SaveError& e) {
        return print_diagnostics({{{}, {}, e.what(), {}}}, arguments.json);
    }
}

}  // namespace baton::cli
