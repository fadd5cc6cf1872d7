// SPDX-License-Identifier: GPL-2.0-only
// `[[step]]`: what every step has in common, around the parse function of its kind.
#include <fmt/format.h>

#include "scenarios/engine/limits.hpp"
#include "scenarios/engine/parse.hpp"
#include "scenarios/engine/steps.hpp"

namespace baton::scenarios {
namespace {

/// `expect_verdict = "panic"`, or `{ guest = "triple fault" }` where only one target shows it, or each another.
void parse_verdict(Fields& fields, Outcome& outcome) {
    const Value* value = fields.value("expect_verdict");
    if (value == nullptr) return;
    static const std::vector<std::string_view> kNames = names_of(kEndings);
    outcome.place = fields.place("expect_verdict");
    if (value->type != Value::Type::kTable) {
        if (const auto chosen = as_choice(*value, "expect_verdict", {"verdict", kNames}, fields.sink()))
            outcome.ending = kEndings[*chosen].ending;
        return;
    }
    Fields each(*value, value->place, "expect_verdict", fields.sink());
    static const std::vector<std::string_view> kTargetNames = names_of(kTargets);
    each.allow_only(kTargetNames);
    outcome.by_target = true;
    for (const TargetInfo& row : kTargets)
        if (const auto chosen = each.choice(row.name, {"verdict", kNames}))
            (row.target == Target::kGuest ? outcome.guest_ending : outcome.ending) = kEndings[*chosen].ending;
    if (value->entries.empty())
        fields.error("expect_verdict", "no target is named", "{ guest = \"triple fault\" }, and nothing for native");
}

Outcome parse_outcome(Fields& fields) {
    Outcome outcome;
    outcome.place = fields.place();
    static const std::vector<std::string_view> kErrorNames = [] {
        std::vector<std::string_view> names = names_of(kErrnoNames);
        std::erase(names, "OK");  // success needs no key
        return names;
    }();
    if (const auto chosen = fields.choice("expect_error", {"errno", kErrorNames, "`baton list --errors` shows them"})) {
        for (const ErrnoName& row : kErrnoNames)
            if (row.name == kErrorNames[*chosen]) outcome.error = row.value;
        outcome.place = fields.place("expect_error");
    }
    parse_verdict(fields, outcome);
    if (const auto panic = fields.text("expect_panic")) {
        if (outcome.ending && *outcome.ending != Ending::kPanic)
            fields.error("expect_panic", "a step cannot both panic and end otherwise", "drop one of the two");
        outcome.ending = Ending::kPanic;
        outcome.panic = *panic;
        outcome.place = fields.place("expect_panic");
    }
    if (const auto census = fields.text("expect_census")) {
        outcome.census = *census;
        outcome.place = fields.place("expect_census");
        if (outcome.census.empty())
            fields.error("expect_census", "\"expect_census\" is empty", "quote what it must say");
    }
    static const std::vector<std::string_view> kRaceIds = names_of(sim::kRaces, &sim::RaceInfo::id);
    for (const Value* v : fields.each("expect_race"))
        if (const auto chosen =
                as_choice(*v, "expect_race", {"race", kRaceIds, "`baton list --races` shows them"}, fields.sink()))
            outcome.races.push_back(sim::kRaces[*chosen].race);
    if (const auto claim = fields.text("expect_claim")) {
        outcome.claim = *claim;
        outcome.place = fields.place("expect_claim");
        if (outcome.claim.empty()) fields.error("expect_claim", "\"expect_claim\" is empty", "quote what it must say");
    }
    if (!outcome.census.empty() && outcome.ending)
        fields.error("expect_census", "a kernel that ended is not counted", "drop one of the two");
    if (outcome.error && outcome.ending)
        fields.error("expect_error", "a step that ends its kernel returns no error", "drop one of the two");
    return outcome;
}

std::vector<ScheduledPoke> parse_schedule(Fields& fields) {
    std::vector<ScheduledPoke> pokes;
    const Value* list = fields.value("at");
    if (list == nullptr) return pokes;
    if (list->type != Value::Type::kArray) {
        fields.error("at", fmt::format("\"at\" is {}", list->type_name()), "write [[step.at]] with a site and a poke");
        return pokes;
    }
    if (list->items.size() > kPokesMax)
        fields.error("at", fmt::format("{} actions in one step are too many", list->items.size()),
                     fmt::format("at most {}", kPokesMax));
    std::vector<std::string_view> keys{"site"};
    for (const StepKey& key : kPokeKeys) keys.push_back(key.name);
    for (const Value& item : list->items) {
        if (item.type != Value::Type::kTable) {
            fields.sink().add(item.place, fmt::format("\"at\" holds {}", item.type_name()), "write [[step.at]]");
            continue;
        }
        Fields action(item, item.place, "[[step.at]]", fields.sink());
        action.allow_only(keys);
        ScheduledPoke poke;
        if (action.require("site", "site = \"relocate.page#3\""))
            if (const auto when = parse_site_point(*action.value("site"), "site", fields.sink())) poke.when = *when;
        poke.poke = parse_poke(action);
        pokes.push_back(std::move(poke));
    }
    return pokes;
}

std::vector<ScheduledTurn> parse_turns(Fields& fields, const StepContext& context) {
    std::vector<ScheduledTurn> turns;
    const Value* list = fields.value("turn");
    if (list == nullptr) return turns;
    if (list->type != Value::Type::kArray) {
        fields.error("turn", fmt::format("\"turn\" is {}", list->type_name()),
                     "write [[step.turn]] with a site and a device");
        return turns;
    }
    if (list->items.size() > kTurnsMax)
        fields.error("turn", fmt::format("{} turns in one step are too many", list->items.size()),
                     fmt::format("at most {}", kTurnsMax));
    constexpr std::string_view kKeys[] = {"site", "device", "do", "times", "after"};
    for (const Value& item : list->items) {
        if (item.type != Value::Type::kTable) {
            fields.sink().add(item.place, fmt::format("\"turn\" holds {}", item.type_name()), "write [[step.turn]]");
            continue;
        }
        Fields turn(item, item.place, "[[step.turn]]", fields.sink());
        turn.allow_only(kKeys);
        ScheduledTurn t{.place = item.place};
        if (turn.require("site", "site = \"relocate.page#3\""))
            if (const auto when = parse_site_point(*turn.value("site"), "site", fields.sink())) t.when = *when;
        if (turn.require("device", "device = \"nic0\"")) t.device = parse_device_name(turn, context);
        if (const auto kind = turn.choice("do", {"kind of turn", sim::kTurnNames}))
            t.kind = static_cast<sim::TurnKind>(*kind);
        t.times = static_cast<u32>(turn.integer("times", 1, kTurnTimesMax).value_or(1));
        t.after = turn.integer("after", 1, kNthMax).value_or(0);
        turns.push_back(t);
    }
    return turns;
}

/// `do`, the keys of the kind, the keys of its actor.
std::vector<std::string_view> allowed_keys(const StepKind& kind) {
    std::vector<std::string_view> allowed{"do"};
    for (const StepKey& key : kind.keys) allowed.push_back(key.name);
    for (const StepKey& key : common_keys(kind.actor)) allowed.push_back(key.name);
    return allowed;
}

std::optional<Step> parse_step(const Value& table, u32 index, const StepContext& context, DiagnosticSink& sink) {
    const u64 before = sink.count();
    Fields anonymous(table, table.place, fmt::format("step {}", index + 1), sink);
    if (!anonymous.require("do", "do = \"boot\"")) return {};
    std::vector<std::string_view> names;
    for (const StepKind& kind : step_kinds()) names.push_back(kind.name);
    const auto chosen = anonymous.choice("do", {"step", names, "`baton list --steps` shows them"});
    if (!chosen) return {};
    const StepKind& kind = step_kinds()[*chosen];

    Fields fields(table, table.place, fmt::format("step \"{}\"", kind.name), sink);
    fields.allow_only(allowed_keys(kind));
    for (const StepKey& key : kind.keys)
        if (key.required) fields.require(key.name);

    Step step;
    step.index = index;
    step.name = kind.name;
    step.place = table.place;
    step.action = kind.parse(fields, context);
    if (kind.actor != StepActor::kHost) {
        step.outcome = parse_outcome(fields);
        if (const Value* point = fields.value("break")) step.break_at = parse_site_point(*point, "break", sink);
        step.at = parse_schedule(fields);
        step.turns = parse_turns(fields, context);
        if (const Value* refused = fields.value("fail_alloc")) step.fail_alloc = parse_refused_alloc(*refused, sink);
        const bool leaves = std::holds_alternative<step::Exec>(step.action);
        if (step.fail_alloc && (leaves || std::holds_alternative<step::Continue>(step.action)))
            fields.error("fail_alloc", fmt::format("\"{}\" is refused no memory", kind.name),
                         leaves ? "a kernel that boots is told by fail_alloc= on its command line"
                                : "say it in the step that breaks");
    }
    if (step.break_at && (step.outcome.error || step.outcome.ending))
        sink.add(step.outcome.place, "a step that breaks has not ended yet",
                 "give the `continue` step this expectation");
    if (sink.count() != before) return {};
    return step;
}

}  // namespace

ParsedSteps parse_steps(const Value& root, const std::vector<KernelSpec>& kernels,
                        const std::vector<sim::DeviceConfig>& devices, const std::string& folder,
                        DiagnosticSink& sink) {
    ParsedSteps parsed;
    const Entry* list = root.find("step");
    if (list == nullptr) {
        sink.add({1, 1}, "the scenario has no step", "add [[step]] with do = \"boot\"");
        return parsed;
    }
    if (list->value.type != Value::Type::kArray) {
        sink.add(list->value.place, fmt::format("\"step\" is {}", list->value.type_name()),
                 "steps are an array of tables: [[step]]");
        return parsed;
    }
    if (list->value.items.empty()) sink.add(list->place, "the scenario has no step", "add [[step]] with do = \"boot\"");
    if (list->value.items.size() > kStepsMax) {
        sink.add(list->place, fmt::format("{} steps are too many", list->value.items.size()),
                 fmt::format("at most {}", kStepsMax));
        return parsed;
    }
    const StepContext context{kernels, devices, folder};
    u32 index = 0;
    for (const Value& item : list->value.items) {
        std::optional<Step> step;
        if (item.type == Value::Type::kTable)
            step = parse_step(item, index, context, sink);
        else
            sink.add(item.place, fmt::format("\"step\" holds {}", item.type_name()), "steps are tables: [[step]]");
        if (step)
            parsed.steps.push_back(std::move(*step));
        else
            parsed.complete = false;
        ++index;
    }
    return parsed;
}

}  // namespace baton::scenarios
