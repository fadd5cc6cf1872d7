// SPDX-License-Identifier: GPL-2.0-only
// The baton command: reads the command line, calls one verb, exits with its code (architecture §9).
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>
#include <functional>

#include "cli/output.hpp"
#include "cli/verbs.hpp"

namespace baton::cli {
namespace {

constexpr const char* kVersion = "baton 0.1";
constexpr const char* kFooter =
    "Exit codes: 0 all expectations hold; 1 one was violated; 2 usage; 3 bad scenario or input file;\n"
    "4 replay diverged; 5 budget ran out; 70 internal error.\n"
    "Start with: baton run scenarios/library/quickstart.toml\n"
    "The language of scenarios: docs/scenarios.md";

scenarios::Diagnostic unknown_verb(const CLI::App& app, const std::string& word) {
    std::vector<std::string> verbs;
    for (const CLI::App* verb : app.get_subcommands([](const CLI::App*) { return true; }))
        verbs.push_back(verb->get_name());
    const std::vector<std::string_view> names(verbs.begin(), verbs.end());
    return {{}, {}, fmt::format("there is no verb \"{}\"", word), scenarios::suggestion(word, names)};
}

/// What was wrong with the command line. The parser's own words do not name a verb that it does not know.
scenarios::Diagnostic usage_error(const CLI::ParseError& error, const CLI::App& app, int argc,
                                  const char* const* argv) {
    const bool verb_missing =
        dynamic_cast<const CLI::RequiredError*>(&error) != nullptr && app.get_subcommands().empty();
    if (verb_missing && argc > 1) return unknown_verb(app, argv[1]);
    if (verb_missing) return {{}, {}, "no verb is given", "baton help lists them"};
    const bool part_missing = dynamic_cast<const CLI::RequiredError*>(&error) != nullptr &&
                              app.get_subcommands().front()->get_require_subcommand_min() != 0;
    if (part_missing && argc > 2 && argv[2][0] != '-') return unknown_verb(*app.get_subcommands().front(), argv[2]);
    return {{}, {}, error.what(), "baton help explains"};
}

/// The option parser, the arguments it fills, and the verb that was chosen.
class CommandLine {
public:
    CommandLine() {
        app_.set_version_flag("--version", kVersion);
        app_.require_subcommand(1);
        app_.footer(kFooter);
        app_.get_formatter()->column_width(32);
        add_run();
        add_compare();
        add_explore();
        add_replay();
        add_shrink();
        add_list();
        add_check();
        add_points();
        add_trace();
        add_gdb();
        add_inspect();
        add_diff();
        add_export();
        add_bench();
        CLI::App* help = app_.add_subcommand("help", "Explain a verb");
        help->add_option("VERB", help_verb_, "which one; all if left out");
        help->callback([this] { verb_ = [this] { return show_help(); }; });
    }

    /// Throws CLI::ParseError.
    void parse(int argc, const char* const* argv) { app_.parse(argc, argv); }
    Exit call() { return verb_(); }
    CLI::App& app() { return app_; }

private:
    void add_json(CLI::App* verb, bool& flag) { verb->add_flag("--json", flag, "for programs, on standard output"); }

    void add_run() {
        CLI::App* verb = app_.add_subcommand("run", "Play scenarios: what survived, what did not, and why");
        verb->add_option("FILE|DIR", run_.paths, "scenario files, and folders of them")->required();
        verb->add_option("--arch", run_.archs, "only machines of this architecture")
            ->delimiter(',')
            ->allow_extra_args(false);
        verb->add_option("--target", run_.targets, "native or guest, instead of what the scenario says")
            ->delimiter(',')
            ->allow_extra_args(false);
        verb->add_option("--seed", run_.seeds, "instead of what the scenario says")
            ->delimiter(',')
            ->allow_extra_args(false);
        verb->add_option("--junit", run_.junit, "also write JUnit's XML to this file");
        verb->add_option("--html", run_.html, "also write a page to read in a browser: memory maps, phases, findings");
        verb->add_option("--timeline", run_.timeline, "also write a timeline for Perfetto (trace event JSON)");
        verb->add_flag("--save-on-fail", run_.save_on_fail, "save the machine of a failed run to the current folder");
        verb->add_flag("-v,--verbose", run_.verbose, "every run in full, with the kernel log");
        add_json(verb, run_.json);
        verb->callback([this] { verb_ = [this] { return run(run_); }; });
    }
    void add_compare() {
        CLI::App* verb = app_.add_subcommand("compare", "Play scenarios natively and as machine code: the same bytes?");
        verb->add_option("FILE|DIR", compare_.paths, "scenario files, and folders of them")->required();
        verb->add_option("--arch", compare_.archs, "only machines of this architecture")
            ->delimiter(',')
            ->allow_extra_args(false);
        verb->add_option("--seed", compare_.seeds, "instead of what the scenario says")
            ->delimiter(',')
            ->allow_extra_args(false);
        add_json(verb, compare_.json);
        verb->callback([this] { verb_ = [this] { return compare(compare_); }; });
    }
    void add_explore() {
        CLI::App* verb =
            app_.add_subcommand("explore", "Let devices move at other points of a scenario: does a race come out?");
        ExploreArguments& e = explore_;
        verb->add_option("FILE", e.file, "a scenario that starts a device and execs")->required();
        verb->add_option("--strategy", e.strategy, "random, pct or exhaustive; random if left out");
        verb->add_option("--runs", e.runs, "how many runs; 10000 if neither this nor --time is given");
        verb->add_option("--time", e.time, "no longer than this: seconds, or 90s, 5m, 1h");
        verb->add_option("--seed", e.seed, "of the schedules; 1 if left out. The machine's is the scenario's first");
        verb->add_option("--jobs", e.jobs, "threads, each with a machine; 1 if left out. No result depends on it");
        verb->add_option("--out", e.out, "folder of the findings; ./findings if left out");
        verb->add_option("--from", e.from, "the first step in which devices may move, from 2; see docs/explore.md");
        verb->add_option("--turns", e.turns, "at most so many turns in a run: 8 (random), 2 (exhaustive)");
        verb->add_option("--depth", e.depth, "of pct: ordering constraints that a fault needs; 3 if left out");
        verb->add_option("--arch", e.arch, "the machine's architecture; the scenario's first if left out");
        verb->add_option("--target", e.target, "native or guest; native if the scenario has that");
        verb->add_flag("--hashes", e.hashes, "also compare the memory that is handed over, in every run; slower");
        add_json(verb, e.json);
        verb->callback([this] { verb_ = [this] { return explore(explore_); }; });
    }
    void add_replay() {
        CLI::App* verb = app_.add_subcommand("replay", "Play a finding again: is it the same run?");
        verb->add_option("FILE", replay_.file, "a scenario with [replay], as explore and shrink write them")
            ->required();
        verb->add_option("--target", replay_.target, "native or guest; the file's if left out");
        add_json(verb, replay_.json);
        verb->callback([this] { verb_ = [this] { return replay(replay_); }; });
    }
    void add_shrink() {
        CLI::App* verb = app_.add_subcommand("shrink", "Make a finding smaller: the fewest turns that still show it");
        verb->add_option("FILE", shrink_.file, "a scenario with [replay]; FILE-shrunk.toml is written beside it")
            ->required();
        add_json(verb, shrink_.json);
        verb->callback([this] { verb_ = [this] { return shrink(shrink_); }; });
    }
    void add_list() {
        CLI::App* verb = app_.add_subcommand("list", "List scenarios, or what a scenario can name");
        verb->add_option("FILE|DIR", list_.paths, "where to look; the library if left out");
        for (const TopicInfo& topic : list_topics())
            verb->add_flag_callback(
                "--" + topic.name, [this, name = topic.name] { list_.topics.push_back(name); }, topic.meaning);
        add_json(verb, list_.json);
        verb->callback([this] { verb_ = [this] { return list(list_); }; });
    }
    void add_check() {
        CLI::App* verb = app_.add_subcommand("check",
                                             "Say what is wrong with scenarios, without running them;\n"
                                             "or what fits on a machine, with --machine M --fit");
        CLI::Option* paths = verb->add_option("FILE|DIR", check_.paths, "scenario files, and folders of them");
        FitArguments& f = check_.fit;
        CLI::Option* machine = verb->add_option("--machine", f.machine,
                                                "a machine: /proc/iomem, an e820 listing or dmesg, a device tree, a "
                                                "capture");
        machine->excludes(paths);
        const auto about = [&](const char* name, std::string& value, const char* meaning) {
            return verb->add_option(name, value, meaning)->needs(machine);
        };
        verb->add_flag("--fit", f.fit, "does the next kernel fit into its scratch, and what would?")->needs(machine);
        about("--arch", f.arch, "the machine's architecture, where its map does not tell");
        about("--generation", f.generation, "of the kernels (`baton list --generations`)");
        about("--cma-align", f.cma_align, "alignment of scratch areas; the architecture's pageblock if left out");
        CLI::Option* image = about("--image", f.image, "the next kernel: a bzImage or an AArch64 Image");
        about("--image-size", f.image_size, "the next kernel's size in memory")->excludes(image);
        about("--initrd", f.initrd, "its initrd: a size or a file");
        about("--scratch", f.scratch, "the kho_scratch= value: low,global,node or N%; the default if left out");
        verb->callback([this, paths, machine] {
            if (paths->empty() && machine->empty()) throw CLI::RequiredError("FILE|DIR or --machine");
            verb_ = [this] { return check(check_); };
        });
        add_json(verb, check_.json);
    }
    void add_points() {
        CLI::App* verb = app_.add_subcommand("points", "List the schedule points: where things can happen");
        add_json(verb, points_.json);
        verb->callback([this] { verb_ = [this] { return points(points_); }; });
    }

    void add_choice(CLI::App* verb, RunChoice& run) {
        verb->add_option("FILE", run.file, "a scenario file; it is played on a guest")->required();
        verb->add_option("--arch", run.arch, "the machine's architecture; the scenario's first if left out");
        verb->add_option("--seed", run.seed, "instead of what the scenario says");
    }
    void add_trace() {
        CLI::App* verb = app_.add_subcommand("trace", "Show the instructions that a guest executes from a point on");
        add_choice(verb, trace_.run);
        verb->add_option("--at", trace_.at, "SITE[#k][+n]: n instructions after the k-th time SITE is passed")
            ->required();
        verb->add_option("--step", trace_.step, "count occurrences of SITE in this step only, not in the whole run");
        verb->add_option("--count", trace_.count, "how many instructions; 20 if left out");
        add_json(verb, trace_.json);
        verb->callback([this] { verb_ = [this] { return trace(trace_); }; });
    }

    void add_gdb() {
        CLI::App* verb = app_.add_subcommand("gdb", "Play a scenario on a guest under GDB");
        add_choice(verb, gdb_.run);
        verb->add_option("--at", gdb_.at, "SITE[#k][+n]: where to wait for GDB; the first point if left out");
        CLI::Option* port = verb->add_option("--port", gdb_.port, "listen here on 127.0.0.1; any port if left out");
        verb->add_flag("--stdio", gdb_.stdio, "for GDB's `target remote | baton gdb FILE --stdio`")->excludes(port);
        verb->callback([this] { verb_ = [this] { return gdb(gdb_); }; });
    }

    void add_handover(CLI::App* verb, HandoverChoice& choice, const std::string& suffix) {
        verb->add_option("--fdt" + suffix, choice.fdt, "physical address of the root FDT, instead of looking for it");
        verb->add_option("--scratch" + suffix, choice.scratch, "ADDR,LEN of the scratch array, likewise");
        verb->add_option("--generation" + suffix, choice.generation,
                         "of the kernel that wrote it, instead of inferring");
        verb->add_option("--page-size" + suffix, choice.page_size, "4K, 16K or 64K; 4K where nothing says");
    }
    void add_inspect() {
        CLI::App* verb = app_.add_subcommand("inspect", "Read a handover from memory: what is in it, what is wrong");
        verb->add_option("SOURCE", inspect_.handover.source, "a capture's folder, a saved machine, or an ELF dump");
        verb->add_option("--raw", inspect_.handover.raw, "FILE@BASE: physical memory from BASE on; several are allowed")
            ->allow_extra_args(false);
        add_handover(verb, inspect_.handover, "");
        verb->add_option("--svg", inspect_.svg, "also draw a memory map to scale into this file");
        verb->add_flag("-v,--verbose", inspect_.verbose, "every block, every piece of metadata");
        add_json(verb, inspect_.json);
        verb->callback([this] { verb_ = [this] { return inspect(inspect_); }; });
    }
    void add_diff() {
        CLI::App* verb = app_.add_subcommand("diff", "Compare two handovers: what is only in one, what moved");
        verb->add_option("A", diff_.a.source, "as for inspect, or FILE@BASE[,FILE@BASE...]")->required();
        verb->add_option("B", diff_.b.source, "the other one")->required();
        add_handover(verb, diff_.a, "-a");
        add_handover(verb, diff_.b, "-b");
        verb->add_flag("--contents", diff_.contents, "compare also what is in the blocks that both have");
        verb->add_flag("-v,--verbose", diff_.verbose, "all lines of long lists");
        add_json(verb, diff_.json);
        verb->callback([this] { verb_ = [this] { return diff(diff_); }; });
    }
    void add_export() {
        CLI::App* verb =
            app_.add_subcommand("export", "Write a handover as a capture, for a real kernel or for `boot`");
        verb->add_option("FILE", export_.run.file, "a scenario, or a machine that one saved")->required();
        verb->add_option("--out", export_.out, "the folder to make")->required();
        verb->add_option("--hop", export_.hop, "which kexec of the scenario, from 1; the first if left out");
        verb->add_option("--name", export_.name, "of the capture; from the file's name if left out");
        verb->add_option("--arch", export_.run.arch, "the machine's architecture; the scenario's first if left out");
        verb->add_option("--seed", export_.run.seed, "instead of what the scenario says");
        verb->add_flag("--guest", export_.guest, "play the scenario as machine code; the handover is the same");
        add_json(verb, export_.json);
        verb->callback([this] { verb_ = [this] { return export_handover(export_); }; });
    }

    void add_bench() {
        CLI::App* bench = app_.add_subcommand("bench", "Measure: what a handover costs");
        bench->require_subcommand(1);
        CLI::App* verb = bench->add_subcommand("blackout", "How long a machine is dark, phase by phase");
        BlackoutArguments& b = blackout_;
        const auto list = [&](const char* name, std::vector<std::string>& words, const char* meaning) {
            verb->add_option(name, words, meaning)->delimiter(',')->allow_extra_args(false)->capture_default_str();
        };
        list("--memory", b.memory, "sizes of the machine");
        list("--order", b.orders, "the preserved memory is blocks of 2^N pages, N from 0 to 18");
        list("--generation", b.generations, "of both kernels (`baton list --generations`)");
        list("--arch", b.archs, "architectures of the machine");
        const auto one = [&](const char* name, std::string& word, const char* meaning) {
            verb->add_option(name, word, meaning)->capture_default_str();
        };
        one("--preserve", b.preserve, "how much is preserved; the smaller of half of the memory and 64G if left out");
        one("--run-max", b.run_max, "the most that is really preserved; cells with more are computed from two such");
        one("--scratch-scale", b.scratch_scale, "the N of kho_scratch=N%");
        one("--initrd", b.initrd, "size of both kernels' initrd");
        one("--cpus", b.cpus, "of the machine, for the profile's constants");
        one("--devices", b.devices, "likewise");
        one("--profile", b.profile, "a TOML file with the cost of each unit of work; the generic one if left out");
        verb->add_flag("--phases", b.phases, "every phase of every cell, with all its work");
        verb->add_flag("--sources", b.sources, "every figure of the profile, and where it comes from");
        add_json(verb, b.json);
        verb->callback([this] { verb_ = [this] { return bench_blackout(blackout_); }; });
    }

    Exit show_help() {
        if (help_verb_.empty()) return print(app_.help(), Exit::kPass);
        for (const CLI::App* verb : app_.get_subcommands([](const CLI::App*) { return true; }))
            if (verb->get_name() == help_verb_) return print(verb->help("baton"), Exit::kPass);
        print_diagnostics({unknown_verb(app_, help_verb_)}, false);
        return Exit::kUsage;
    }

    CLI::App app_{"Baton: simulates kernel handover across kexec.", "baton"};
    RunArguments run_;
    CompareArguments compare_;
    ExploreArguments explore_;
    ReplayArguments replay_;
    ShrinkArguments shrink_;
    ListArguments list_;
    CheckArguments check_;
    PointsArguments points_;
    TraceArguments trace_;
    GdbArguments gdb_;
    InspectArguments inspect_;
    DiffArguments diff_;
    ExportArguments export_;
    BlackoutArguments blackout_;
    std::string help_verb_;
    std::function<Exit()> verb_;
};

bool wants_json(int argc, const char* const* argv) {
    for (int i = 1; i < argc; ++i)
        if (std::strcmp(argv[i], "--json") == 0) return true;
    return false;
}

Exit main(int argc, const char* const* argv) {
    CommandLine line;
    try {
        line.parse(argc, argv);
    } catch (const CLI::CallForHelp&) {
        // The innermost verb on the command line is the one that help was asked about.
        CLI::App* about = &line.app();
        std::string above;
        while (!about->get_subcommands().empty()) {
            above += (above.empty() ? "" : " ") + about->get_name();
            about = about->get_subcommands().front();
        }
        return print(about->help(above), Exit::kPass);
    } catch (const CLI::CallForVersion&) {
        return print(fmt::format("{}\n", kVersion), Exit::kPass);
    } catch (const CLI::ParseError& error) {
        print_diagnostics({usage_error(error, line.app(), argc, argv)}, wants_json(argc, argv));
        return Exit::kUsage;
    }
    return line.call();
}

}  // namespace
}  // namespace baton::cli

int main(int argc, char** argv) {
    std::signal(SIGPIPE, SIG_IGN);  // print() notices that the reader went away
    try {
        return static_cast<int>(baton::cli::main(argc, argv));
    } catch (const std::exception& error) {
        std::fprintf(stderr, "baton: internal error: %s\n", error.what());
    } catch (...) {
        std::fprintf(stderr, "baton: internal error\n");
    }
    return static_cast<int>(baton::scenarios::Exit::kInternal);
}
