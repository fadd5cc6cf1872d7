// SPDX-License-Identifier: GPL-2.0-only
#include "scenarios/explore/window.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "scenarios/engine/engine.hpp"
#include "scenarios/engine/parse.hpp"
#include "scenarios/engine/quantity.hpp"
#include "scenarios/explore/toml_text.hpp"

namespace baton::scenarios {
namespace {

namespace fs = std::filesystem;

template <class... Kinds>
bool is_one_of(const Step& step) {
    return (std::holds_alternative<Kinds>(step.action) || ...);
}

bool starts_device(const Step& s) { return is_one_of<step::DmaStart, step::NicStart, step::VmStart>(s); }
bool is_exec(const Step& s) { return is_one_of<step::Exec>(s); }

/// What keeps a scenario from being explored, or the first step of its window.
std::optional<u32> first_step(const Scenario& scenario, const WindowChoice& choice, DiagnosticSink& sink) {
    const auto& steps = scenario.steps;
    const auto started = std::ranges::find_if(steps, starts_device);
    const auto exec = std::ranges::find_if(steps, is_exec);
    if (scenario.devices.empty())
        sink.add({}, "the scenario has no device: there is nothing to move", "add [device.NAME] and start it");
    else if (started == steps.end())
        sink.add({}, "no step starts a device: none would ever write", "dma_start, nic_start or vm_start does");
    if (exec == steps.end()) sink.add({}, "no step is an exec: there is no kexec to explore", "add do = \"exec\"");
    if (!sink.empty()) return std::nullopt;
    if (choice.from && (*choice.from == 0 || *choice.from >= steps.size())) {
        sink.add({}, fmt::format("step {} cannot be the first of the window", *choice.from + 1),
                 fmt::format("2 to {}: the machine is booted before", steps.size()));
        return std::nullopt;
    }
    const u32 from =
        choice.from.value_or(static_cast<u32>(std::min(started - steps.begin() + 1, exec - steps.begin())));
    for (const Step& s : steps) {
        if (s.index < from) continue;
        const bool stops = s.break_at.has_value() || is_one_of<step::Continue>(s);
        if (stops || is_one_of<step::Boot, step::Load>(s))
            sink.add(s.place,
                     fmt::format("step {} ({}) {}, which cannot be explored", s.index + 1, s.name,
                                 stops ? "belongs to a break" : "makes another machine"),
                     "a window goes to the end of the scenario; --from STEP chooses where it begins");
    }
    if (!sink.empty()) return std::nullopt;
    return from;
}

Value absolute_path(const Value& value, const std::string& folder) {
    Value out = value;
    if (value.type == Value::Type::kText)
        out.text = fs::absolute(fs::path(folder) / value.text).lexically_normal().string();
    for (Value& item : out.items) item = absolute_path(item, folder);
    return out;
}

void make_absolute(Value& table, std::string_view key, const std::string& folder) {
    if (Value* const v = find_value(table, key)) *v = absolute_path(*v, folder);
}

// The file may be written anywhere, and is for one machine of the matrix.
void reduce(Value& root, const Cell& cell, const std::vector<std::shared_ptr<const sim::FirmwareMap>>& maps,
            const std::string& folder) {
    if (find_value(root, "machine") == nullptr) root.entries.push_back({"machine", {}, table_value({})});
    Value& machine = *find_value(root, "machine");
    set_value(machine, "arch", text_value(std::string(geometry_of(cell.arch).name)));
    set_value(machine, "target", text_value(std::string(info(cell.target).name)));
    // A TOML integer has a sign; a quantity as text has not.
    set_value(machine, "seed", cell.seed >> 63 != 0 ? text_value(quantity_text(cell.seed)) : integer_value(cell.seed));
    set_value(machine, "fill", integer_value(cell.fill));
    Value* const map = find_value(machine, "map");
    if (map != nullptr && map->type == Value::Type::kArray && map->items.size() == maps.size() && cell.map)
        for (std::size_t i = 0; i < maps.size(); ++i)
            if (maps[i]->name == cell.map->name) {
                const Value chosen = map->items[i];
                *map = chosen;
                break;
            }
    if (find_value(machine, "ram") != nullptr) {
        if (map != nullptr && cell.map)
            remove_key(machine, "ram");
        else
            set_value(machine, "ram", text_value(quantity_text(cell.ram_bytes)));
    }
    make_absolute(machine, "map", folder);
    if (Value* const kernels = find_value(root, "kernel"))
        for (Entry& kernel : kernels->entries) make_absolute(kernel.value, "image", folder);
    for (Value& step : find_value(root, "step")->items) {
        make_absolute(step, "capture", folder);
        make_absolute(step, "file", folder);
    }
}

// Without the schedule that it had, and what was to come of it.
void strip(Value& root, const Scenario& scenario, u32 from, bool keep_turns) {
    remove_key(root, "replay");
    std::vector<Value>& steps = find_value(root, "step")->items;
    std::vector<Value> kept;
    for (u32 i = 0; i < steps.size(); ++i) {
        if (i >= from) {
            if (is_one_of<step::Expect, step::Save>(scenario.steps[i])) continue;
            for (const std::string_view key :
                 {"expect_race", "expect_verdict", "expect_panic", "expect_census", "expect_claim", "loses"})
                remove_key(steps[i], key);
            if (!keep_turns) remove_key(steps[i], "turn");
        }
        kept.push_back(std::move(steps[i]));
    }
    steps = std::move(kept);
}

std::optional<Cell> choose_cell(const Scenario& scenario, const WindowChoice& choice,
                                std::vector<Diagnostic>& diagnostics) {
    MachineMatrix matrix = scenario.machine;
    if (choice.arch) std::erase_if(matrix.archs, [&](GeometryId g) { return g != *choice.arch; });
    const bool native = std::ranges::count(matrix.targets, Target::kNative) != 0;
    if (choice.target)
        matrix.targets = targets_of(scenario, {*choice.target});
    else
        matrix.targets = {native ? Target::kNative : Target::kGuest};
    if (choice.seed) matrix.seeds = {*choice.seed};
    const std::vector<Cell> cells = expand(matrix);
    if (!cells.empty()) return cells.front();
    diagnostics.push_back(
        {choice.file, {}, "the scenario has no machine as chosen", "drop --arch or --target, or name another"});
    return std::nullopt;
}

}  // namespace

std::optional<Window> open_window(const WindowChoice& choice, std::vector<Diagnostic>& diagnostics) {
    DiagnosticSink sink(choice.file);
    const auto text = read_scenario_file(choice.file, sink);
    if (!text) {
        diagnostics = sink.take();
        return std::nullopt;
    }
    Parsed parsed = parse_text(*text, choice.file);
    diagnostics = std::move(parsed.diagnostics);
    if (!parsed.scenario) return std::nullopt;
    const auto cell = choose_cell(*parsed.scenario, choice, diagnostics);
    if (!cell) return std::nullopt;
    WindowChoice asked = choice;
    if (choice.keep_turns && parsed.scenario->replay) asked.from = parsed.scenario->replay->from;
    const auto from = first_step(*parsed.scenario, asked, sink);
    if (!from) {
        diagnostics = sink.take();
        return std::nullopt;
    }
    Window window;
    window.file = choice.file;
    window.from = *from;
    window.record = parsed.scenario->replay;
    window.document = *read_document(*text, sink);
    reduce(window.document, *cell, parsed.scenario->machine.maps, fs::path(choice.file).parent_path().string());
    strip(window.document, *parsed.scenario, *from, choice.keep_turns);
    Parsed bare = parse_text(to_toml(window.document), choice.file);
    if (!bare.scenario || window.from >= bare.scenario->steps.size()) {
        diagnostics = std::move(bare.diagnostics);
        if (diagnostics.empty()) diagnostics.push_back({choice.file, {}, "the window has no step that acts", {}});
        return std::nullopt;
    }
    window.scenario = std::move(*bare.scenario);
    window.scenario.replay = ReplayRecord{.from = window.from};
    const std::vector<Cell> cells = expand(window.scenario.machine);
    window.cell = cells.front();
    return window;
}

}  // namespace baton::scenarios
