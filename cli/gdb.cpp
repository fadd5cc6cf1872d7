// SPDX-License-Identifier: GPL-2.0-only
// `baton gdb`: plays a scenario on a guest under a debugger.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <memory>

#include "cli/connection.hpp"
#include "cli/output.hpp"
#include "cli/paths.hpp"
#include "cli/single_run.hpp"
#include "scenarios/engine/quantity.hpp"
#include "sim/gdb/session.hpp"

namespace baton::cli {
namespace {

using scenarios::Diagnostic;

// Standard output may be the connection.
void say(const std::string& line) { std::fputs((line + "\n").c_str(), stderr); }

std::optional<u16> port_of(const std::string& text, std::vector<Diagnostic>& diagnostics) {
    const auto port = scenarios::parse_quantity(text);
    if (port && *port <= 0xffff) return static_cast<u16>(*port);
    diagnostics.push_back({{}, {}, "--port: a TCP port is 0 to 65535", "0 takes one that is free"});
    return std::nullopt;
}

std::unique_ptr<sim::gdb::ByteStream> connect(const GdbArguments& arguments, u16 port, const SingleRun& run) {
    if (arguments.stdio) return std::make_unique<FileStream>(STDIN_FILENO, STDOUT_FILENO);
    auto tcp = std::make_unique<TcpStream>(port);
    say(
        fmt::format("{}: listening; connect with\n"
                    "  gdb-multiarch {}/{}/baton.elf -ex 'target remote 127.0.0.1:{}'",
                    scenarios::cell_name(run.cell), image_folder(), geometry_of(run.cell.arch).name, tcp->port()));
    return tcp;
}

Exit play(SingleRun& run, sim::gdb::Session& session, const GdbArguments& arguments) {
    run.options.monitor = &session;
    try {
        const scenarios::RunResult result = scenarios::run_cell(run.scenario, run.cell, run.options);
        session.finished(static_cast<u32>(result.exit_code()));
        if (!result.message.empty()) say(fmt::format("{}: {}", run.scenario.file, result.message));
        for (const scenarios::Finding& f : result.findings)
            say(fmt::format("{}:{}:{}: step {}: {}", run.scenario.file, f.place.line, f.place.col, f.step + 1, f.what));
        if (session.begun() || result.verdict != scenarios::Verdict::kPass) return result.exit_code();
        say(fmt::format("{}: {} is not reached", run.scenario.file, arguments.at));
        return Exit::kFail;
    } catch (const sim::RunAbandoned&) {
        return Exit::kPass;  // the debugger had enough
    }
}

}  // namespace

Exit gdb(const GdbArguments& arguments) {
    std::vector<Diagnostic> diagnostics;
    const std::optional<u16> port = port_of(arguments.port, diagnostics);
    std::optional<PointArgument> start;
    if (!arguments.at.empty()) start = parse_point(arguments.at, diagnostics);
    Exit wrong = Exit::kUsage;
    std::optional<SingleRun> run;
    if (diagnostics.empty()) run = choose_run(arguments.run, diagnostics, wrong);
    if (!run) {
        print_diagnostics(diagnostics, false);
        return wrong;
    }
    try {
        const auto stream = connect(arguments, *port, *run);
        const auto point = start ? std::optional(start->point) : std::nullopt;
        sim::gdb::Session session(*stream, point, start ? start->skip : 0);
        return play(*run, session, arguments);
    } catch (const ConnectionError& error) {
        return print_diagnostics({{{}, {}, error.what(), "--port 0 takes a port that is free"}}, false);
    }
}

}  // namespace baton::cli
