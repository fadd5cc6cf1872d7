// SPDX-License-Identifier: GPL-2.0-only
#include "scenarios/engine/parse.hpp"

#include <fmt/format.h>

#include <filesystem>

#include "scenarios/engine/limits.hpp"

namespace baton::scenarios {
namespace {

constexpr std::string_view kTopLevelKeys[] = {"title",  "description", "machine", "budget", "budget_instructions",
                                              "kernel", "device",      "step",    "replay"};

std::string parse_title(Fields& top) {
    const auto title = top.text("title");
    if (!title) return {};
    if (title->empty() || title->size() > kTitleBytesMax || title->find('\n') != std::string::npos)
        top.error("title", fmt::format("the title has {} bytes, or several lines", title->size()),
                  fmt::format("one line of 1 to {} bytes", kTitleBytesMax));
    return *title;
}

}  // namespace

Parsed parse_text(std::string_view text, const std::string& file) {
    DiagnosticSink sink(file);
    const auto root = read_document(text, sink);
    if (!root) return {{}, sink.take()};

    Fields top(*root, {1, 1}, "the scenario", sink);
    top.allow_only(kTopLevelKeys);
    const std::string folder = std::filesystem::path(file).parent_path().string();
    Scenario scenario;
    scenario.file = file;
    if (top.require("title", "title = \"what this shows\"")) scenario.title = parse_title(top);
    scenario.description = top.text("description").value_or("");
    scenario.budget.calls = top.integer("budget", 1, kBudgetCallsMax).value_or(0);
    scenario.budget.instructions = top.integer("budget_instructions", 1, kBudgetInstructionsMax).value_or(0);
    scenario.machine = parse_machine(*root, folder, sink);
    scenario.kernels = parse_kernels(*root, folder, sink);
    scenario.devices = parse_devices(*root, sink);
    if (!scenario.devices.empty())
        for (KernelSpec& kernel : scenario.kernels) kernel.options |= kOptionDevices;
    ParsedSteps steps = parse_steps(*root, scenario.kernels, scenario.devices, folder, sink);
    scenario.steps = std::move(steps.steps);
    scenario.replay = parse_replay(*root, scenario.steps.size(), sink);
    adopt_captured_machine(*root, scenario, sink);
    check_order(scenario, steps.complete, sink);

    if (!sink.empty()) return {{}, sink.take()};
    return {std::move(scenario), {}};
}

Parsed parse_file(const std::string& path) {
    DiagnosticSink sink(path);
    const auto text = read_scenario_file(path, sink);
    if (!text) return {{}, sink.take()};
    return parse_text(*text, path);
}

}  // namespace baton::scenarios
