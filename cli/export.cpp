// SPDX-License-Identifier: GPL-2.0-only
// `baton export`: a handover of a scenario or of a saved machine, as a capture.
#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "cli/output.hpp"
#include "cli/single_run.hpp"
#include "cli/verbs.hpp"
#include "model/kernel.hpp"
#include "scenarios/engine/quantity.hpp"
#include "scenarios/engine/result.hpp"
#include "sim/capture/export.hpp"
#include "sim/input_error.hpp"
#include "sim/machine.hpp"
#include "sim/monitor.hpp"

namespace baton::cli {
namespace {

using scenarios::Diagnostic;

inline constexpr u64 kHopsMax = 10'000;

struct Wanted {
    std::string name;
    std::string note;
    std::filesystem::path folder;
};

/// Stops at the n-th kernel that is entered with a handover, and writes that.
class Exporter final : public sim::Monitor {
public:
    Exporter(Wanted wanted, u64 hop) : wanted_(std::move(wanted)), left_(hop) {}

    bool at(Site site, u64, u64) override { return site == Site::kKernelEntry && left_ != 0; }
    void stopped(sim::Machine& machine, const sim::Stop& stop) override {
        if (stop.kind != sim::Stop::Kind::kBreak) return;
        if (!machine.handover() || --left_ != 0) return;  // a cold boot is no hop
        write(machine);
        throw sim::RunAbandoned{};
    }
    void write(sim::Machine& machine) {
        sim::HandoverToExport handover = sim::handover_of(machine, wanted_.name);
        handover.note = wanted_.note;
        arch_ = machine.config().geometry;
        done_ = sim::export_capture(handover, wanted_.folder);
    }
    const std::optional<sim::ExportedCapture>& done() const { return done_; }
    GeometryId arch() const { return arch_; }

private:
    Wanted wanted_;
    u64 left_;
    std::optional<sim::ExportedCapture> done_;
    GeometryId arch_ = GeometryId::kX86_64;
};

bool is_saved_machine(const std::string& file) {
    constexpr std::string_view kMagic = "BATONSAV";
    std::ifstream in(file, std::ios::binary);
    std::string magic(kMagic.size(), '\0');
    return in.read(magic.data(), static_cast<std::streamsize>(magic.size())) && magic == kMagic;
}

/// Plays the scenario up to the hop; why there was none.
std::optional<Diagnostic> from_scenario(const SingleRun& run, Exporter& exporter) {
    SingleRun watched = run;
    watched.options.monitor = &exporter;
    try {
        const scenarios::RunResult r = scenarios::run_cell(watched.scenario, watched.cell, watched.options);
        if (!r.message.empty()) return Diagnostic{run.scenario.file, {}, r.message, {}};
        return Diagnostic{run.scenario.file,
                          {},
                          "the scenario has no such hop",
                          r.findings.empty() ? fmt::format("it makes {}", r.hops.size())
                                             : "the run fails before: " + r.findings.front().what};
    } catch (const sim::RunAbandoned&) {
        return std::nullopt;
    }
}

/// From where the machine was saved to the next kernel's first line.
std::optional<Diagnostic> from_saved(const std::string& file, Exporter& exporter) {
    sim::Machine::Loaded loaded = sim::Machine::load(file, {});
    sim::Machine& machine = *loaded.machine;
    const auto at_entry = [&] { return loaded.outcome && loaded.outcome->stopped_at.site == Site::kKernelEntry; };
    if (machine.at_break() && at_entry() && machine.handover()) {
        exporter.write(machine);
        return std::nullopt;
    }
    machine.set_monitor(&exporter);
    try {
        if (machine.at_break()) {
            machine.proceed();
        } else if (machine.waiting() && machine.kernel()->kexec.image.loaded != 0) {
            machine.begin_step();
            machine.command(Op::kExec);
        } else {
            return Diagnostic{file,
                              {},
                              "the machine stands neither in a kexec nor before one",
                              "save it with an image loaded, or at a break of exec"};
        }
    } catch (const sim::RunAbandoned&) {
        return std::nullopt;
    }
    return Diagnostic{file, {}, "no kernel is entered with a handover from here", {}};
}

std::string default_name(const std::string& file, const std::string& arch, u64 hop, bool saved) {
    const std::string stem = std::filesystem::path(file).stem().string();
    return saved ? stem : fmt::format("{}-{}-hop{}", stem, arch, hop);
}

Exit report(const Exporter& exporter, const ExportArguments& a, const std::string& name) {
    const sim::ExportedCapture& e = *exporter.done();
    if (a.json) {
        const nlohmann::ordered_json out = {{"name", name},
                                            {"folder", a.out},
                                            {"arch", geometry_of(exporter.arch()).name},
                                            {"blocks", e.blocks},
                                            {"pages", e.pages},
                                            {"segments", e.segments},
                                            {"bytes", e.bytes},
                                            {"bytes_stored", e.bytes_stored}};
        return print(out.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n", Exit::kPass);
    }
    return print(fmt::format("{}: {} blocks, {} pages; {} segments of {} KiB, {} KiB of them stored\n", a.out, e.blocks,
                             e.pages, e.segments, e.bytes / kKiB, e.bytes_stored / kKiB),
                 Exit::kPass);
}

}  // namespace

Exit export_handover(const ExportArguments& arguments) {
    u64 hop = 1;
    if (!arguments.hop.empty()) {
        const auto number = scenarios::parse_quantity(arguments.hop);
        if (!number || *number == 0 || *number > kHopsMax) {
            print_diagnostics({{{}, {}, fmt::format("--hop: {} is none", arguments.hop), "hops count from 1"}},
                              arguments.json);
            return Exit::kUsage;
        }
        hop = *number;
    }
    std::optional<Diagnostic> wrong;
    try {
        const bool saved = is_saved_machine(arguments.run.file);
        std::optional<SingleRun> run;
        std::string arch;
        if (!saved) {
            RunChoice choice = arguments.run;
            choice.guest = arguments.guest;
            std::vector<Diagnostic> diagnostics;
            Exit exit = Exit::kUsage;
            run = choose_run(choice, diagnostics, exit);
            if (!run) {
                print_diagnostics(diagnostics, arguments.json);
                return exit;
            }
            arch = geometry_of(run->cell.arch).name;
        }
        const std::string name =
            arguments.name.empty() ? default_name(arguments.run.file, arch, hop, saved) : arguments.name;
        Exporter exporter({name, run ? run->scenario.title : "", arguments.out}, saved ? 1 : hop);
        wrong = saved ? from_saved(arguments.run.file, exporter) : from_scenario(*run, exporter);
        if (!wrong) return report(exporter, arguments, name);
    } catch (const sim::InputError& e) {
        wrong = {e.file, {e.line, e.col}, e.what(), e.hint};
    } catch (const sim::SaveError& e) {
        wrong = {{}, {}, e.what(), {}};
    }
    return print_diagnostics({*wrong}, arguments.json);
}

}  // namespace baton::cli
