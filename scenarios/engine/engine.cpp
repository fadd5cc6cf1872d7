// SPDX-License-Identifier: GPL-2.0-only
#include "scenarios/engine/engine.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <filesystem>
#include <map>

#include "scenarios/engine/parse.hpp"
#include "scenarios/engine/quantity.hpp"
#include "scenarios/engine/runner.hpp"
#include "sim/bytes.hpp"
#include "sim/memory/atomic_file.hpp"
#include "sim/node_map.hpp"
#include "sim/timeline/recorder.hpp"

namespace baton::scenarios {
namespace {

namespace fs = std::filesystem;

/// One run to come.
struct Planned {
    const Scenario* scenario;
    Cell cell;
};

void find_in_folder(const std::string& folder, FoundFiles& found) {
    std::vector<std::string> files;
    std::error_code error;
    for (fs::recursive_directory_iterator it(folder, error), end; !error && it != end; it.increment(error))
        if (it->is_regular_file(error) && it->path().extension() == ".toml") files.push_back(it->path().string());
    if (error) found.diagnostics.push_back({folder, {}, "cannot be searched: " + error.message(), {}});
    if (files.empty() && !error)
        found.diagnostics.push_back({folder, {}, "the folder holds no scenario", "scenarios are files named *.toml"});
    std::ranges::sort(files);
    found.files.insert(found.files.end(), files.begin(), files.end());
}

/// Parses all files; diagnostics of all of them.
std::vector<Scenario> parse_all(const std::vector<std::string>& files, std::vector<Diagnostic>& diagnostics) {
    std::vector<Scenario> scenarios;
    for (const std::string& file : files) {
        Parsed parsed = parse_file(file);
        if (parsed.scenario) scenarios.push_back(std::move(*parsed.scenario));
        diagnostics.insert(diagnostics.end(), parsed.diagnostics.begin(), parsed.diagnostics.end());
    }
    return scenarios;
}

std::vector<Planned> plan(const std::vector<Scenario>& scenarios, const RunRequest& request, std::size_t& left_out) {
    std::vector<Planned> runs;
    for (const Scenario& scenario : scenarios) {
        MachineMatrix matrix = scenario.machine;
        if (!request.targets.empty()) matrix.targets = targets_of(scenario, request.targets);
        if (!request.seeds.empty()) matrix.seeds = request.seeds;
        if (!request.archs.empty())
            std::erase_if(matrix.archs, [&](GeometryId g) { return std::ranges::count(request.archs, g) == 0; });
        if (matrix.archs.empty() || matrix.targets.empty()) ++left_out;
        for (const Cell& cell : expand(matrix)) runs.push_back({&scenario, cell});
    }
    return runs;
}

RunResult without_run(const Planned& run, Verdict verdict, std::string message) {
    RunResult result;
    result.scenario = run.scenario->file;
    result.title = run.scenario->title;
    result.cell = run.cell;
    result.verdict = verdict;
    result.message = std::move(message);
    return result;
}

RunResult run_one(const Planned& run, const RunOptions& options) {
    try {
        return run_cell(*run.scenario, run.cell, options);
    } catch (const std::exception& error) {
        return without_run(run, Verdict::kInternal, error.what());
    }
}

/// The scenario's text, for a report that shows where a finding stands; empty if it is gone by now.
std::string source_of(const std::string& file) {
    try {
        const std::vector<u8> bytes = sim::read_whole_file(file);
        return {bytes.begin(), bytes.end()};
    } catch (const sim::SaveError&) {
        return {};
    }
}

}  // namespace

Exit RunReport::exit_code() const {
    if (!diagnostics.empty()) return Exit::kBadInput;
    Exit exit = Exit::kPass;
    for (const RunResult& result : results) exit = more_severe(exit, result.exit_code());
    return exit;
}

FoundFiles find_scenarios(const std::vector<std::string>& paths) {
    FoundFiles found;
    for (const std::string& path : paths) {
        std::error_code error;
        if (fs::is_directory(path, error))
            find_in_folder(path, found);
        else
            found.files.push_back(path);
    }
    std::vector<std::string> once;
    for (std::string& file : found.files)
        if (std::ranges::find(once, file) == once.end()) once.push_back(std::move(file));
    found.files = std::move(once);
    return found;
}

std::vector<Cell> expand(const MachineMatrix& matrix) {
    std::vector<Cell> cells;
    struct Memory {
        u64 ram_bytes;
        std::shared_ptr<const sim::MachineMap> map;
    };
    for (GeometryId arch : matrix.archs) {
        std::vector<Memory> memories;
        for (u64 ram : matrix.ram_bytes) {
            std::shared_ptr<const sim::MachineMap> nodes;
            if (!matrix.node_bytes.empty()) {
                const Isa isa = geometry_of(arch).isa;
                nodes = std::make_shared<const sim::MachineMap>(isa, sim::node_map(isa, matrix.node_bytes));
            }
            memories.push_back({ram, nodes});
        }
        for (const auto& firmware : matrix.maps) {
            auto map = std::make_shared<const sim::MachineMap>(geometry_of(arch).isa, *firmware);
            memories.push_back({map->ram_bytes, map});
        }
        for (Target target : matrix.targets)
            for (const Memory& memory : memories)
                for (u64 seed : matrix.seeds)
                    for (u8 fill : matrix.fills)
                        cells.push_back({arch, target, memory.ram_bytes, memory.map, seed, fill});
    }
    return cells;
}

std::vector<Target> targets_of(const Scenario& scenario, std::vector<Target> asked) {
    if (std::ranges::all_of(scenario.machine.targets, [](Target t) { return t == Target::kGuest; }))
        std::erase(asked, Target::kNative);
    return asked;
}

RunReport run_paths(const RunRequest& request) {
    RunReport report;
    FoundFiles found = find_scenarios(request.paths);
    report.diagnostics = std::move(found.diagnostics);
    const std::vector<Scenario> scenarios = parse_all(found.files, report.diagnostics);
    if (!report.diagnostics.empty()) return report;

    const std::vector<Planned> runs = plan(scenarios, request, report.left_out);
    if (runs.empty())
        report.diagnostics.push_back(
            {{}, {}, "no scenario has a machine as chosen", "drop --arch or --target, or name another"});
    std::vector<std::string> files;
    for (const Scenario& s : scenarios) files.push_back(s.file);
    const std::vector<std::string> names = short_names(files);
    for (std::size_t i = 0; i < runs.size(); ++i) {
        const Planned& run = runs[i];
        RunOptions options;
        options.image_folder = request.image_folder;
        if (request.save_on_fail)
            options.save_on_fail =
                saved_file_name(names[static_cast<std::size_t>(run.scenario - scenarios.data())], run.cell);
        options.on_step = [&](u32 step) {
            if (request.on_progress)
                request.on_progress({i, runs.size(), run.scenario->file, &run.cell, step,
                                     static_cast<u32>(run.scenario->steps.size())});
        };
        options.memory_maps = request.illustrated;
        sim::TimelineRecorder recorder(fmt::format("{} [{}]", run.scenario->file, cell_name(run.cell)));
        if (request.timeline) options.timeline = &recorder;
        RunResult& result = report.results.emplace_back(run_one(run, options));
        if (request.timeline) result.timeline = recorder.finish();
        if (request.illustrated) result.source = source_of(run.scenario->file);
    }
    return report;
}

std::vector<std::string> short_names(const std::vector<std::string>& files) {
    std::vector<std::vector<std::string>> parts;  // of each path, from the file's own name upwards
    for (const std::string& file : files) {
        const fs::path path = fs::absolute(file).lexically_normal();
        std::vector<std::string> names{path.stem().string()};
        for (fs::path folder = path.parent_path(); folder.has_relative_path(); folder = folder.parent_path())
            names.push_back(folder.filename().string());
        parts.push_back(std::move(names));
    }
    std::vector<std::size_t> used(files.size(), 1);
    const auto name = [&](std::size_t i) {
        std::string text = parts[i][0];
        for (std::size_t n = 1; n < used[i]; ++n) text.insert(0, parts[i][n] + "_");
        return text;
    };
    for (bool longer = true; longer;) {
        longer = false;
        std::map<std::string, std::vector<std::size_t>> alike;
        for (std::size_t i = 0; i < files.size(); ++i) alike[name(i)].push_back(i);
        for (const auto& [text, group] : alike)
            for (const std::size_t i : group)
                if (group.size() > 1 && used[i] < parts[i].size()) {
                    ++used[i];
                    longer = true;
                }
    }
    std::vector<std::string> names;
    for (std::size_t i = 0; i < files.size(); ++i) {
        std::string unique = name(i);
        for (u32 n = 2; std::ranges::count(names, unique) != 0; ++n) unique = fmt::format("{}_{}", name(i), n);
        names.push_back(std::move(unique));
    }
    return names;
}

std::string saved_file_name(const std::string& short_name, const Cell& cell) {
    std::string name = fmt::format("{}-{}-{}-{}-seed{}", short_name, geometry_of(cell.arch).name,
                                   info(cell.target).name, memory_name(cell), cell.seed);
    if (cell.fill != 0) name += fmt::format("-fill{:02x}", cell.fill);
    return name + ".baton";
}

}  // namespace baton::scenarios
