// SPDX-License-Identifier: GPL-2.0-only
// The verbs of the baton command: what each was asked, and the function that does it.
//
// main.cpp turns the command line into one of these structs; it alone knows the option parser.
#pragma once

#include <string>
#include <vector>

#include "scenarios/engine/verdict.hpp"

namespace baton::cli {

using scenarios::Exit;

struct RunArguments {
    std::vector<std::string> paths;
    std::vector<std::string> archs;
    std::vector<std::string> targets;
    std::vector<std::string> seeds;  // quantities
    std::string junit;               // files; empty: none
    std::string timeline;
    std::string html;
    bool save_on_fail = false;
    bool verbose = false;
    bool json = false;
};
Exit run(const RunArguments& arguments);

struct CompareArguments {
    std::vector<std::string> paths;
    std::vector<std::string> archs;
    std::vector<std::string> seeds;
    bool json = false;
};
Exit compare(const CompareArguments& arguments);

struct ListArguments {
    std::vector<std::string> paths;   // empty: the library
    std::vector<std::string> topics;  // names from list_topics(); empty: scenarios
    bool json = false;
};
Exit list(const ListArguments& arguments);

struct TopicInfo {
    std::string name;
    std::string meaning;
};
/// What `baton list --NAME` prints beside scenarios.
std::vector<TopicInfo> list_topics();

/// What `baton check --machine` was asked; sizes are quantities.
struct FitArguments {
    std::string machine;  // file of a memory map; empty: scenarios are checked
    bool fit = false;
    std::string arch;
    std::string generation;
    std::string cma_align;
    std::string image;       // file
    std::string image_size;  // or a size
    std::string initrd;      // size or file
    std::string scratch;
};
struct CheckArguments {
    std::vector<std::string> paths;
    FitArguments fit;
    bool json = false;
};
Exit check(const CheckArguments& arguments);
Exit check_machine(const FitArguments& arguments, bool json);

struct PointsArguments {
    bool json = false;
};
Exit points(const PointsArguments& arguments);

/// One machine of one scenario.
struct RunChoice {
    std::string file;
    std::string arch;  // empty: the scenario's first
    std::string seed;  // a quantity; empty likewise
    bool guest = true;
};

struct TraceArguments {
    RunChoice run;
    std::string at;    // SITE[#k][+n]
    std::string step;  // from 1; empty: occurrences are counted over the whole run
    std::string count = "20";
    bool json = false;
};
Exit trace(const TraceArguments& arguments);

struct ExportArguments {
    RunChoice run;     // a scenario, or a saved machine
    std::string out;   // folder
    std::string hop;   // from 1; empty: the first
    std::string name;  // of the capture; empty: from the file's name
    bool guest = false;
    bool json = false;
};
Exit export_handover(const ExportArguments& arguments);

struct GdbArguments {
    RunChoice run;
    std::string at;  // SITE[#k][+n]; empty: the first point of all
    std::string port = "0";
    bool stdio = false;
};
Exit gdb(const GdbArguments& arguments);

struct ExploreArguments {
    std::string file;
    std::string arch;    // empty: the scenario's first
    std::string target;  // empty: native, if the scenario has that
    std::string strategy = "random";
    std::string runs;  // quantities; empty: a default, or without end under --time
    std::string time;  // "90", "90s", "5m", "1h"; empty: no limit
    std::string seed = "1";
    std::string jobs = "1";
    std::string out = "findings";
    std::string from;   // a step, from 1
    std::string turns;  // of a run, at most
    std::string depth;  // of pct
    bool hashes = false;
    bool json = false;
};
Exit explore(const ExploreArguments& arguments);

struct ReplayArguments {
    std::string file;
    std::string target;  // empty: the file's
    bool json = false;
};
Exit replay(const ReplayArguments& arguments);

struct ShrinkArguments {
    std::string file;
    bool json = false;
};
Exit shrink(const ShrinkArguments& arguments);

/// A handover: where it is read from, and what is known about it.
struct HandoverChoice {
    std::string source;            // capture, saved machine, ELF dump, FILE@BASE[,…]
    std::vector<std::string> raw;  // FILE@BASE, instead
    std::string fdt;               // quantities; empty: found
    std::string scratch;           // ADDR,LEN
    std::string generation;
    std::string page_size;
};

struct InspectArguments {
    HandoverChoice handover;
    std::string svg;  // file; empty: none
    bool verbose = false;
    bool json = false;
};
Exit inspect(const InspectArguments& arguments);

/// Numbers are quantities.
struct BlackoutArguments {
    std::vector<std::string> archs = {"x86_64"};
    std::vector<std::string> generations = {"6.18"};
    std::vector<std::string> memory = {"1G", "16G", "128G", "1T"};
    std::vector<std::string> orders = {"0", "9", "18"};
    std::string preserve;  // empty: the smaller of half of the memory and 64G
    std::string run_max = "2G";
    std::string scratch_scale = "200";
    std::string initrd = "0";
    std::string cpus = "1";
    std::string devices = "0";
    std::string profile;  // file; empty: the generic one
    bool phases = false;
    bool sources = false;
    bool json = false;
};
Exit bench_blackout(const BlackoutArguments& arguments);

struct DiffArguments {
    HandoverChoice a;
    HandoverChoice b;
    bool contents = false;
    bool verbose = false;
    bool json = false;
};
Exit diff(const DiffArguments& arguments);

}  // namespace baton::cli
