// SPDX-License-Identifier: GPL-2.0-only
#include "cli/single_run.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "cli/paths.hpp"
#include "scenarios/engine/engine.hpp"
#include "scenarios/engine/fields.hpp"
#include "scenarios/engine/parse.hpp"
#include "scenarios/engine/quantity.hpp"

namespace baton::cli {
namespace {

using scenarios::Diagnostic;

/// Cuts the number behind `mark` off the end of `text`; `otherwise` if there is no mark.
std::optional<u64> take_number(std::string_view& text, char mark, u64 otherwise, std::vector<Diagnostic>& diagnostics) {
    const std::size_t at = text.find(mark);
    if (at == std::string_view::npos) return otherwise;
    const auto number = scenarios::parse_quantity(text.substr(at + 1));
    text = text.substr(0, at);
    if (number) return *number;
    diagnostics.push_back({{},
                           {},
                           fmt::format("--at: behind {}: {}", mark, number.error().message),
                           "--at is SITE[#k][+n], such as relocate.page#3+100"});
    return std::nullopt;
}

}  // namespace

std::optional<PointArgument> parse_point(std::string_view text, std::vector<Diagnostic>& diagnostics) {
    PointArgument parsed;
    const auto skip = take_number(text, '+', 0, diagnostics);
    const auto nth = skip ? take_number(text, '#', 1, diagnostics) : std::nullopt;
    if (!skip || !nth) return std::nullopt;
    const SiteInfo* site = std::ranges::find(kSites, text, &SiteInfo::name);
    if (site == std::end(kSites)) {
        diagnostics.push_back({{},
                               {},
                               fmt::format("--at: no schedule point is called \"{}\"", text),
                               scenarios::suggestion(text, scenarios::names_of(kSites), "`baton points` lists them")});
        return std::nullopt;
    }
    if (*nth == 0) {
        diagnostics.push_back({{}, {}, "--at: occurrences count from 1", {}});
        return std::nullopt;
    }
    parsed.point = {.site = site->site, .nth = *nth, .step = {}};
    parsed.skip = *skip;
    return parsed;
}

std::optional<SingleRun> choose_run(const RunChoice& choice, std::vector<Diagnostic>& diagnostics, Exit& exit) {
    exit = Exit::kUsage;
    std::optional<u64> seed;
    if (!choice.seed.empty()) {
        if (const auto number = scenarios::parse_quantity(choice.seed))
            seed = *number;
        else
            diagnostics.push_back({{}, {}, "--seed: " + number.error().message, number.error().hint});
    }
    const Geometry* arch = choice.arch.empty() ? nullptr : std::ranges::find(kGeometries, choice.arch, &Geometry::name);
    if (arch == std::end(kGeometries))
        diagnostics.push_back({{},
                               {},
                               fmt::format("--arch: unknown name \"{}\"", choice.arch),
                               scenarios::suggestion(choice.arch, scenarios::names_of(kGeometries))});
    if (!diagnostics.empty()) return std::nullopt;

    exit = Exit::kBadInput;
    scenarios::Parsed parsed = scenarios::parse_file(choice.file);
    diagnostics = std::move(parsed.diagnostics);
    if (!parsed.scenario) return std::nullopt;
    scenarios::MachineMatrix matrix = parsed.scenario->machine;
    if (arch != nullptr) std::erase_if(matrix.archs, [&](GeometryId g) { return g != arch->id; });
    matrix.targets = {choice.guest ? scenarios::Target::kGuest : scenarios::Target::kNative};
    if (seed) matrix.seeds = {*seed};
    const std::vector<scenarios::Cell> cells = scenarios::expand(matrix);
    if (cells.empty()) {
        diagnostics.push_back({choice.file,
                               {},
                               fmt::format("the scenario has no {} machine", choice.arch),
                               "drop --arch, or name another"});
        return std::nullopt;
    }
    SingleRun run{std::move(*parsed.scenario), cells.front(), {}};
    run.options.image_folder = image_folder();
    return run;
}

}  // namespace baton::cli
