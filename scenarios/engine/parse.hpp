// SPDX-License-Identifier: GPL-2.0-only
// From a TOML file to a checked Scenario, or to everything that is wrong with it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "scenarios/engine/diagnostic.hpp"
#include "scenarios/engine/fields.hpp"
#include "scenarios/engine/scenario.hpp"

namespace baton::scenarios {

struct Parsed {
    std::optional<Scenario> scenario;     // only if nothing is wrong
    std::vector<Diagnostic> diagnostics;  // sorted by place
};

Parsed parse_file(const std::string& path);
/// `file` names the text in diagnostics; relative paths in it start at the file's folder.
Parsed parse_text(std::string_view text, const std::string& file);

// The parts, one file each.
MachineMatrix parse_machine(const Value& root, const std::string& folder, DiagnosticSink& sink);
/// The `map` and `memory_map` keys of `machine`; a map that its architectures cannot have is reported.
void parse_maps(Fields& fields, const std::string& folder, MachineMatrix& matrix);
/// The `nodes` key of `machine`.
void parse_nodes(Fields& fields, MachineMatrix& matrix);
/// Whether kernels of the matrix would believe the nodes of a described machine.
void check_node_rows(const sim::FirmwareMap& map, const MachineMatrix& matrix, Place place, DiagnosticSink& sink);
std::vector<KernelSpec> parse_kernels(const Value& root, const std::string& folder, DiagnosticSink& sink);
struct ParsedSteps {
    std::vector<Step> steps;
    bool complete = true;  // false: some step was wrong and is missing
};
ParsedSteps parse_steps(const Value& root, const std::vector<KernelSpec>& kernels,
                        const std::vector<sim::DeviceConfig>& devices, const std::string& folder, DiagnosticSink& sink);
/// `[device.NAME]`: in the order of the file, which is that of the slots.
std::vector<sim::DeviceConfig> parse_devices(const Value& root, DiagnosticSink& sink);

/// `[replay]`, of a file that `baton explore` wrote; nothing where there is none.
std::optional<ReplayRecord> parse_replay(const Value& root, std::size_t steps, DiagnosticSink& sink);

/// A scenario that boots from a capture and says nothing of its machine plays on the captured one.
void adopt_captured_machine(const Value& root, Scenario& scenario, DiagnosticSink& sink);

/// What needs no machine to be seen wrong: regions, images and kernels used before they exist (check.cpp).
void check_order(const Scenario& scenario, bool complete, DiagnosticSink& sink);

}  // namespace baton::scenarios
