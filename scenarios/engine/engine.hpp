// SPDX-License-Identifier: GPL-2.0-only
// From paths on a command line to results: finds scenario files, expands matrices, runs every cell, judges the whole.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "scenarios/engine/diagnostic.hpp"
#include "scenarios/engine/result.hpp"
#include "scenarios/engine/scenario.hpp"

namespace baton::scenarios {

/// Where a run of many cells stands.
struct Progress {
    std::size_t run = 0;  // from 0
    std::size_t runs = 0;
    std::string_view file;
    const Cell* cell = nullptr;
    u32 step = 0;  // from 0
    u32 steps = 0;
};

struct RunRequest {
    std::vector<std::string> paths;  // files, and folders that are searched for *.toml
    std::vector<GeometryId> archs;   // only cells of these; empty = all
    std::vector<Target> targets;     // instead of the scenarios' own; empty = theirs
    std::vector<u64> seeds;          // instead of the scenarios' own; empty = theirs
    std::string image_folder;
    bool save_on_fail = false;  // machines of failed runs, to the current folder
    bool timeline = false;      // RunResult::timeline
    bool illustrated = false;   // memory maps and sources, for report_html()
    std::function<void(const Progress&)> on_progress;
};

struct RunReport {
    std::vector<RunResult> results;
    std::vector<Diagnostic> diagnostics;  // if any, nothing was run
    std::size_t left_out = 0;             // scenarios with no machine of the chosen kind
    Exit exit_code() const;
};

struct FoundFiles {
    std::vector<std::string> files;  // as given, then sorted inside each folder; each once
    std::vector<Diagnostic> diagnostics;
};
FoundFiles find_scenarios(const std::vector<std::string>& paths);

/// Every combination of the matrix, architectures outermost.
std::vector<Cell> expand(const MachineMatrix& matrix);

/// Those of `asked` that a scenario can be played on: one that names guests alone is about machine code.
std::vector<Target> targets_of(const Scenario& scenario, std::vector<Target> asked);

/// Parses everything first: one wrong file and nothing runs.
RunReport run_paths(const RunRequest& request);

/// A name for each scenario file, in their order, no two alike: the file's own, with as many of the folders above it as
/// tell it from the others ("kho_abort" and "kexec_abort"), and a number where even these are the same.
std::vector<std::string> short_names(const std::vector<std::string>& files);
/// Name of the file that --save-on-fail writes for a cell: "quickstart-x86_64-native-512M-seed7.baton".
std::string saved_file_name(const std::string& short_name, const Cell& cell);

}  // namespace baton::scenarios
