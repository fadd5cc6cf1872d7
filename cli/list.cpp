// SPDX-License-Identifier: GPL-2.0-only
// `baton list`: scenarios with their titles, and the tables that a scenario may name things from.
//
// A topic is a row of kTopics: its option, what it lists, and a function that makes {name, meaning} rows.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cli/output.hpp"
#include "cli/paths.hpp"
#include "cli/verbs.hpp"
#include "model/defects.hpp"
#include "model/drivers/registers.hpp"
#include "model/errno.hpp"
#include "model/mm/alloc_site.hpp"
#include "model/rules.hpp"
#include "model/sites.hpp"
#include "scenarios/engine/engine.hpp"
#include "scenarios/engine/parse.hpp"
#include "scenarios/engine/steps.hpp"
#include "sim/ownership/races.hpp"
#include "sim/ownership/transitions.hpp"

namespace baton::cli {
namespace {

struct Line {
    std::string name;
    std::string meaning;
    bool part = false;  // belongs to the line above that is none
};
using Lines = std::vector<Line>;

template <class Table>
Lines named(const Table& table) {
    Lines lines;
    for (const auto& row : table)
        if (!row.name.empty()) lines.push_back({std::string(row.name), std::string(row.meaning)});
    return lines;
}

void add_keys(Lines& lines, std::span<const scenarios::StepKey> keys) {
    for (const scenarios::StepKey& key : keys)
        lines.push_back({std::string(key.name),
                         fmt::format("{}{}: {}", key.form, key.required ? ", required" : "", key.meaning), true});
}

Lines steps() {
    Lines lines;
    for (const scenarios::StepKind& kind : scenarios::step_kinds()) {
        lines.push_back({std::string(kind.name), std::string(kind.meaning)});
        add_keys(lines, kind.keys);
    }
    lines.push_back({"(commands)", "every step that a kernel executes also takes"});
    add_keys(lines, scenarios::common_keys(scenarios::StepActor::kCommand));
    return lines;
}

Lines defects() {
    Lines lines;
    for (const DefectInfo& row : kDefects) {
        std::string shipped;
        for (const GenerationInfo& generation : kGenerations)
            if ((generation_defects(generation.id) >> static_cast<u32>(row.defect) & 1) != 0)
                shipped += fmt::format("{}{}", shipped.empty() ? " (on in " : ", ", generation.name);
        lines.push_back({fmt::format("{} {}", row.id, row.name),
                         fmt::format("{}{}", row.meaning, shipped.empty() ? "" : shipped + ")")});
    }
    return lines;
}

Lines generations() {
    Lines lines;
    for (const GenerationInfo& row : kGenerations) {
        const Rules& rules = rules_for(row.id);
        const bool radix = rules.tracker == TrackerKind::kRadix;
        const std::string tracker = radix                     ? "radix tree"
                                    : rules.bitmap_bytes == 0 ? "bitmaps of a page"
                                                              : fmt::format("bitmaps of {} bytes", rules.bitmap_bytes);
        constexpr std::string_view kOutgoing[] = {"finalise freezes", "finalise serialises", "no finalise"};
        lines.push_back({std::string(row.name), fmt::format("{}, {}, {}", rules.compatible, tracker,
                                                            kOutgoing[static_cast<u32>(rules.outgoing)])});
    }
    return lines;
}

Lines errors() {
    Lines lines;
    for (const ErrnoName& row : kErrnoNames)
        if (row.value != Errno::kOk)
            lines.push_back({std::string(row.name), fmt::format("errno {}", static_cast<int>(row.value))});
    return lines;
}

Lines sites() { return named(kSites); }
Lines allocs() { return named(kAllocSites); }
Lines places() { return named(scenarios::kPlaces); }
Lines verdicts() { return named(scenarios::kEndings); }

Lines devices() {
    Lines lines = named(device::kKinds);
    lines.erase(lines.begin());  // an empty slot
    return lines;
}
Lines races() {
    Lines lines;
    for (const sim::RaceInfo& row : sim::kRaces)
        lines.push_back({std::string(row.id), fmt::format("{}; prevented by: {}", row.title, row.prevention)});
    return lines;
}

/// "P0-P5, P10"
std::string phases_text(sim::PhaseSet set) {
    std::string text;
    for (u32 first = 0; first < kPhaseCount; ++first) {
        if ((set >> first & 1) == 0) continue;
        u32 last = first;
        while (last + 1 < kPhaseCount && (set >> (last + 1) & 1) != 0) ++last;
        text += fmt::format("{}{}", text.empty() ? "" : ", ", kPhases[first].code);
        if (last != first) text += fmt::format("-{}", kPhases[last].code);
        first = last;
    }
    return text;
}

Lines owners() {
    Lines lines;
    for (const sim::Transition& t : sim::kTransitions)
        lines.push_back(
            {fmt::format("{} -> {}", name(t.from), name(t.to)), fmt::format("{} ({})", t.when, phases_text(t.phases))});
    return lines;
}

struct Topic {
    std::string_view name;
    std::string_view meaning;
    Lines (*lines)();
};
constexpr Topic kTopics[] = {
    {"steps", "what a step can do, and its keys", steps},
    {"defects", "known bugs that a kernel can have switched on", defects},
    {"generations", "kernel generations", generations},
    {"sites", "schedule points (`baton points` adds their phase)", sites},
    {"allocs", "places in a kernel that ask for memory: fail_alloc", allocs},
    {"owners", "changes of owner that memory can go through, and in which phases", owners},
    {"places", "places that a poke can name", places},
    {"devices", "kinds of device", devices},
    {"races", "races between DMA and a handover: expect_race", races},
    {"verdicts", "how a kernel can end: expect_verdict", verdicts},
    {"errors", "errno names: expect_error", errors},
};

Lines scenario_lines(const std::vector<std::string>& paths, std::vector<scenarios::Diagnostic>& diagnostics) {
    scenarios::FoundFiles found = scenarios::find_scenarios(paths);
    diagnostics = std::move(found.diagnostics);
    Lines lines;
    for (const std::string& file : found.files) {
        const scenarios::Parsed parsed = scenarios::parse_file(file);
        diagnostics.insert(diagnostics.end(), parsed.diagnostics.begin(), parsed.diagnostics.end());
        if (parsed.scenario) lines.push_back({file, parsed.scenario->title});
    }
    return lines;
}

nlohmann::ordered_json to_json(const Lines& lines) {
    auto out = nlohmann::ordered_json::array();
    for (const Line& line : lines) {
        if (line.part)
            out.back()["keys"].push_back({{"name", line.name}, {"meaning", line.meaning}});
        else
            out.push_back({{"name", line.name}, {"meaning", line.meaning}});
    }
    return out;
}

std::string to_text(const Lines& lines) {
    std::vector<Row> rows;
    for (const Line& line : lines) rows.push_back({line.part ? "  " + line.name : line.name, line.meaning});
    return columns(rows);
}

}  // namespace

std::vector<TopicInfo> list_topics() {
    std::vector<TopicInfo> topics;
    for (const Topic& topic : kTopics) topics.push_back({std::string(topic.name), std::string(topic.meaning)});
    return topics;
}

Exit list(const ListArguments& arguments) {
    nlohmann::ordered_json out;
    std::string text;
    for (const Topic& topic : kTopics) {
        if (std::ranges::find(arguments.topics, topic.name) == arguments.topics.end()) continue;
        const Lines lines = topic.lines();
        out[std::string(topic.name)] = to_json(lines);
        text += (text.empty() ? "" : "\n") + to_text(lines);
    }
    if (arguments.topics.empty() || !arguments.paths.empty()) {
        std::vector<std::string> paths = arguments.paths;
        if (paths.empty()) paths.push_back(library_folder());
        std::vector<scenarios::Diagnostic> diagnostics;
        const Lines lines = scenario_lines(paths, diagnostics);
        if (!diagnostics.empty()) return print_diagnostics(diagnostics, arguments.json);
        out["scenarios"] = to_json(lines);
        text += (text.empty() ? "" : "\n") + to_text(lines);
    }
    return print(arguments.json ? out.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n" : text,
                 Exit::kPass);
}

}  // namespace baton::cli
