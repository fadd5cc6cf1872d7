// SPDX-License-Identifier: GPL-2.0-only
// Plays a trace (specs/memblock.md §11) on our memblock and prints what each operation answers; with --time, what the
// measured sections cost instead. Linux's own memblock, behind linux_memblock_trace.c, does exactly the same.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <optional>

#include "bench/peers/memblock_trace.hpp"
#include "bench/peers/trace_machine.hpp"

namespace {

using namespace baton;
using namespace baton::peers;

/// The text of the trace; nothing if the file cannot be opened.
std::optional<std::string> read_all(const std::string& path) {
    std::ifstream file;
    if (path != "-") file.open(path);
    if (!file) return std::nullopt;
    std::istream& in = path == "-" ? std::cin : file;
    return std::string{std::istreambuf_iterator<char>(in), {}};
}

// Two arrays in one place (docs/memblock.md, traps): what follows depends on stale entries and says nothing.
bool arrays_overlap(const Memblock& mb) {
    const auto array = [](const MemblockType& t) {
        return PhysRange{t.regions.phys(), t.max * sizeof(MemblockRegion)};
    };
    return array(mb.memory).overlaps(array(mb.reserved));
}

// Each answer goes out before the next operation, which may be the one that ends the process.
void print_results(const Trace& trace, TracePlayer& player, const Memblock& mb) {
    std::string out;
    for (const TraceOp& op : trace.ops) {
        out.clear();
        player.play(op, &out);
        if (arrays_overlap(mb)) out += "arrays-overlap\n";
        std::fwrite(out.data(), 1, out.size(), stdout);
        if (arrays_overlap(mb)) return;
    }
}

// One clock reading at each end of a section. `name operations nanoseconds checksum`.
void print_times(const Trace& trace, TracePlayer& player) {
    const auto now = [] { return std::chrono::steady_clock::now(); };
    u64 at = 0;
    const auto play_until = [&](u64 end) {
        u64 units = 0;
        for (; at < end; ++at) units += player.play(trace.ops[at], nullptr);
        return units;
    };
    for (u64 s = 0; s < trace.sections.size(); ++s) {
        play_until(trace.sections[s].first);
        const u64 end = s + 1 < trace.sections.size() ? trace.sections[s + 1].first : trace.ops.size();
        const auto start = now();
        const u64 units = play_until(end);
        const std::chrono::nanoseconds spent = now() - start;
        if (!trace.sections[s].name.empty())
            fmt::print("{} {} {} 0x{:x}\n", trace.sections[s].name, units, spent.count(), player.checksum());
    }
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app{"Plays a memblock trace (docs/memblock.md)"};
    std::string path = "-";
    u64 presize = 0;
    bool time = false;
    bool mainline = false;
    app.add_option("trace", path, "the trace; - or nothing reads standard input");
    app.add_option("--presize", presize, "both lists get arrays of this many entries, so that nothing doubles")
        ->check(CLI::Range(u64{0}, TraceMachine::kArrayEntriesMax));
    app.add_flag("--time", time, "print the cost of the sections that `# time NAME` lines begin, nothing else");
    app.add_flag("--mainline", mainline, "mainline's rules; 6.12's otherwise");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& e) {
        return app.exit(e) == 0 ? 0 : 2;
    }
    const auto text = read_all(path);
    if (!text) {
        fmt::print(stderr, "{}: cannot be read: give a trace, or - for standard input\n", path);
        return 3;
    }
    const Trace trace = parse_trace(*text);
    if (!trace.error.empty()) {
        fmt::print(stderr, "{}:{}\n", path, trace.error);
        return 3;
    }
    TraceMachine machine;
    TracePlayer player(machine.memblock(), mainline ? MemblockVersion::kMainline : MemblockVersion::k6_12, presize,
                       machine.presized_arrays());
    if (time)
        print_times(trace, player);
    else
        print_results(trace, player, machine.memblock());
    return 0;
}
