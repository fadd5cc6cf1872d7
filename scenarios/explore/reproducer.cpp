// SPDX-License-Identifier: GPL-2.0-only
#include "scenarios/explore/reproducer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

#include "scenarios/engine/parse.hpp"
#include "scenarios/explore/replay.hpp"
#include "scenarios/explore/toml_text.hpp"

namespace baton::scenarios {
namespace {

Value turn_value(const Turn& t, const Scenario& scenario) {
    const std::string site =
        t.at.nth == 1 ? std::string(info(t.at.site).name) : fmt::format("{}#{}", info(t.at.site).name, t.at.nth);
    Value v = table_value({{"site", text_value(site)}, {"device", text_value(scenario.devices[t.slot].name)}});
    if (t.kind != sim::TurnKind::kBoth)
        set_value(v, "do", text_value(std::string(sim::kTurnNames[static_cast<u32>(t.kind)])));
    if (t.times != 1) set_value(v, "times", integer_value(t.times));
    return v;
}

/// Where a run in full ends before the scenario does: a step fails, or a write has no name that could be expected.
std::optional<u32> last_step(const Observed& observed) {
    std::optional<u32> last = observed.stopped;
    for (const Found& f : observed.found)
        if (f.key.kind == FoundKind::kRace && f.key.race == static_cast<u32>(sim::Race::kCount))
            last = std::min(last.value_or(f.step), f.step);
    return last;
}

/// The document with the turns, and with what each step comes to.
Value with_schedule(const Window& window, const Schedule& schedule, const Observed& observed, const FoundKey& finding) {
    Value root = window.document;
    set_value(root, "title", text_value(identity(finding, window.scenario)));
    std::string from = fmt::format("Found by exploring {} (\"{}\").", window.file, window.scenario.title);
    if (!window.scenario.description.empty()) from += "\n\n" + window.scenario.description;
    if (!window.record) set_value(root, "description", text_value(std::move(from)));
    std::vector<Value>& steps = find_value(root, "step")->items;
    if (const auto last = last_step(observed)) steps.resize(*last + 1);
    for (u32 i = window.from; i < steps.size(); ++i) {
        std::vector<Value> races;
        for (const auto& [step, race] : observed.races)
            if (step == i) races.push_back(text_value(std::string(info(race).id)));
        if (!races.empty()) set_value(steps[i], "expect_race", array_value(std::move(races)));
        std::vector<Value> turns;
        for (const Turn& t : schedule)
            if (t.at.step == i) turns.push_back(turn_value(t, window.scenario));
        if (!turns.empty()) set_value(steps[i], "turn", array_value(std::move(turns)));
    }
    if (!observed.stopped || *observed.stopped + 1 != steps.size()) return root;
    Value& last = steps.back();
    if (observed.ending) {
        remove_key(last, "expect_error");
        set_value(last, "expect_verdict", text_value(std::string(info(*observed.ending).name)));
    } else if (observed.error) {
        for (const ErrnoName& row : kErrnoNames)
            if (row.value == *observed.error) set_value(last, "expect_error", text_value(std::string(row.name)));
    }
    return root;
}

/// Adds `loses` to the exec steps whose hops lost something. True if there was one.
bool add_losses(Value& root, const RunResult& result) {
    bool added = false;
    for (const Hop& hop : result.hops) {
        Value& step = find_value(root, "step")->items[hop.step];
        if (!hop.lost || find_value(step, "loses") != nullptr) continue;
        Value yes;
        yes.type = Value::Type::kBoolean;
        yes.boolean = true;
        set_value(step, "loses", yes);
        added = true;
    }
    return added;
}

Scenario parse_again(const Value& root, const Window& window) {
    Parsed parsed = parse_text(to_toml(root), window.file);
    if (!parsed.scenario)
        throw std::logic_error("a reproducer that is no scenario: " + to_text(parsed.diagnostics.front()));
    parsed.scenario->replay = ReplayRecord{.from = window.from};
    return std::move(*parsed.scenario);
}

Value record_value(const Window& window, const Replayed& run, const std::string& finding) {
    std::vector<Value> steps;
    for (const std::string& s : run.steps) steps.push_back(text_value(s));
    const bool native = window.cell.target == Target::kNative;
    return table_value({{"from", integer_value(window.from + 1)},
                        {"finding", text_value(finding)},
                        {"verdict", text_value(std::string(run.result.verdict_name()))},
                        {"steps", array_value(std::move(steps))},
                        {"writes", text_value(run.writes)},
                        {native ? "state_native" : "state_guest", text_value(run.result.state_hash)}});
}

}  // namespace

Reproducer make_reproducer(const Window& window, const Schedule& schedule, const Observed& observed,
                           const FoundKey& finding, const std::string& image_folder) {
    Value root = with_schedule(window, schedule, observed, finding);
    Replayed run = play_in_full(parse_again(root, window), window.cell, image_folder);
    if (add_losses(root, run.result)) run = play_in_full(parse_again(root, window), window.cell, image_folder);
    if (last_step(observed) == observed.stopped && run.result.sequence_hash != observed.sequence.hex())
        throw std::logic_error(fmt::format("{}: the run in full passes other schedule points than the explored one: {}",
                                           identity(finding, window.scenario), to_toml(root)));
    set_value(root, "replay", record_value(window, run, identity(finding, window.scenario)));
    Reproducer out;
    out.passes = run.result.verdict == Verdict::kPass;
    out.text = "# SPDX-License-Identifier: GPL-2.0-only\n" + to_toml(root);
    return out;
}

Schedule up_to(const Schedule& schedule, const std::vector<Position>& positions, const Position& last) {
    const auto found = std::ranges::find(positions, last);
    if (found == positions.end()) return schedule;
    Schedule out = schedule;
    std::erase_if(out, [&](const Turn& t) { return t.order > static_cast<u32>(found - positions.begin()); });
    return out;
}

}  // namespace baton::scenarios
