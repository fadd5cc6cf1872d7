// SPDX-License-Identifier: GPL-2.0-only
// `baton trace`: the instructions that a guest executes from a schedule point on.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cli/output.hpp"
#include "cli/single_run.hpp"
#include "scenarios/engine/quantity.hpp"

namespace baton::cli {
namespace {

using nlohmann::ordered_json;
using scenarios::Diagnostic;
using sim::TracedAccess;
using sim::TracedInstruction;
using sim::Tracer;

inline constexpr u64 kInstructionsMax = 1'000'000;

std::string hex(u64 value) { return fmt::format("{:#018x}", value); }

// Little-endian numbers up to 8 bytes; longer ones in memory order.
std::string value_text(const std::vector<u8>& value) {
    std::string text;
    if (value.size() > sizeof(u64)) {
        for (const u8 byte : value) text += fmt::format("{}{:02x}", text.empty() ? "" : " ", byte);
        return text;
    }
    u64 number = 0;
    for (std::size_t i = 0; i < value.size(); ++i) number |= static_cast<u64>(value[i]) << (8 * i);
    return fmt::format("{:#x}", number);
}

std::string_view kind_text(const TracedAccess& a) {
    if (a.access.read && a.access.write) return "read-write";
    return a.access.write ? "write" : "read";
}

std::string flags_text(const sim::PageWalk& w) {
    return fmt::format("{} r{}{}", scenarios::quantity_text(w.leaf_bytes), w.kernel_write ? 'w' : '-',
                       w.kernel_execute ? 'x' : '-');
}

std::string access_text(const TracedAccess& a) {
    std::string text = fmt::format("        {:<10} {} ", kind_text(a), hex(a.access.address));
    if (!a.walk.allowed()) return text + "-> not mapped\n";
    if (a.walk.leaf_bytes == 0)
        text += fmt::format("-> {} (no translation)", hex(a.walk.address.value));
    else
        text += fmt::format("-> {} ({})", hex(a.walk.address.value), flags_text(a.walk));
    return text + (a.value.empty() ? "  not RAM\n" : fmt::format("  = {}\n", value_text(a.value)));
}

std::string site_text(const sim::SiteSeen& s) {
    return fmt::format("{} ({:#x}, {:#x})", info(s.site).name, s.arg0, s.arg1);
}

ordered_json access_json(const TracedAccess& a) {
    ordered_json out = {{"kind", kind_text(a)}, {"address", hex(a.access.address)}, {"bytes", a.access.bytes}};
    out["mapped"] = a.walk.allowed();
    if (a.walk.allowed()) {
        out["physical"] = hex(a.walk.address.value);
        out["leaf_bytes"] = a.walk.leaf_bytes;
        out["writable"] = a.walk.kernel_write;
        out["executable"] = a.walk.kernel_execute;
    }
    if (!a.value.empty()) out["value"] = value_text(a.value);
    return out;
}

ordered_json site_json(const sim::SiteSeen& s) {
    return {{"site", info(s.site).name}, {"args", {hex(s.arg0), hex(s.arg1)}}};
}

std::string report_text(const SingleRun& run, const TraceArguments& arguments, const Tracer& tracer) {
    std::string text = fmt::format("{}  {}\n{} {}\n\n", run.scenario.file, scenarios::cell_name(run.cell), arguments.at,
                                   site_text(*tracer.origin()));
    for (const TracedInstruction& i : tracer.instructions()) {
        text += fmt::format("  {}  {:<40}  {}\n", hex(i.pc), i.text, i.symbol);
        for (const TracedAccess& a : i.accesses) text += access_text(a);
        for (const sim::SiteSeen& s : i.sites) text += fmt::format("    -- {}\n", site_text(s));
    }
    if (!tracer.complete())
        text += fmt::format("\nthe trace ends early: {}\n",
                            tracer.verdict().empty() ? "the scenario is over" : tracer.verdict());
    return text;
}

std::string report_json(const SingleRun& run, const TraceArguments& arguments, const Tracer& tracer) {
    ordered_json out = {{"scenario", run.scenario.file},
                        {"arch", geometry_of(run.cell.arch).name},
                        {"seed", run.cell.seed},
                        {"at", arguments.at}};
    out["point"] = site_json(*tracer.origin());
    out["complete"] = tracer.complete();
    if (!tracer.verdict().empty()) out["verdict"] = tracer.verdict();
    out["instructions"] = ordered_json::array();
    for (const TracedInstruction& i : tracer.instructions()) {
        ordered_json one = {{"address", hex(i.pc)}, {"symbol", i.symbol}, {"text", i.text}};
        one["accesses"] = ordered_json::array();
        for (const TracedAccess& a : i.accesses) one["accesses"].push_back(access_json(a));
        one["sites"] = ordered_json::array();
        for (const sim::SiteSeen& s : i.sites) one["sites"].push_back(site_json(s));
        out["instructions"].push_back(std::move(one));
    }
    return out.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

/// What --at, --step and --count ask for; nothing, with diagnostics, if they are wrong.
std::optional<sim::TraceRequest> request_of(const TraceArguments& arguments, std::vector<Diagnostic>& diagnostics) {
    auto point = parse_point(arguments.at, diagnostics);
    const auto count = scenarios::parse_quantity(arguments.count);
    if (!count)
        diagnostics.push_back({{}, {}, "--count: " + count.error().message, count.error().hint});
    else if (*count == 0 || *count > kInstructionsMax)
        diagnostics.push_back({{}, {}, fmt::format("--count: 1 to {} instructions", kInstructionsMax), {}});
    if (point && !arguments.step.empty()) {
        const auto step = scenarios::parse_quantity(arguments.step);
        if (!step || *step == 0 || *step > ~u32{0})
            diagnostics.push_back({{}, {}, "--step: steps count from 1", {}});
        else
            point->point.step = static_cast<u32>(*step - 1);
    }
    if (!diagnostics.empty()) return std::nullopt;
    return sim::TraceRequest{point->point, point->skip, *count};
}

}  // namespace

Exit trace(const TraceArguments& arguments) {
    std::vector<Diagnostic> diagnostics;
    const auto request = request_of(arguments, diagnostics);
    if (!request) {
        print_diagnostics(diagnostics, arguments.json);
        return Exit::kUsage;
    }
    Exit wrong = Exit::kUsage;
    auto run = choose_run(arguments.run, diagnostics, wrong);
    if (!run) {
        print_diagnostics(diagnostics, arguments.json);
        return wrong;
    }
    Tracer tracer(geometry_of(run->cell.arch).isa, *request);
    run->options.monitor = &tracer;
    run->options.on_step = [&](u32 step) { tracer.begin_step(step); };
    std::optional<scenarios::RunResult> result;
    try {
        result = scenarios::run_cell(run->scenario, run->cell, run->options);
    } catch (const sim::RunAbandoned&) {
        result.reset();  // the tracer has what it wanted
    }
    if (tracer.origin())
        return print(arguments.json ? report_json(*run, arguments, tracer) : report_text(*run, arguments, tracer),
                     Exit::kPass);
    const bool unusable = result->verdict != scenarios::Verdict::kPass && result->verdict != scenarios::Verdict::kFail;
    Diagnostic why{run->scenario.file, {}, result->message, {}};
    if (!unusable) {
        why.message = fmt::format("{} is not reached: it was announced {} times", arguments.at, tracer.seen());
        why.hint = result->findings.empty() ? "`baton points` tells where points are; --step counts within a step"
                                            : "the run fails before: " + result->findings.front().what;
    }
    print_diagnostics({why}, arguments.json);
    return unusable ? result->exit_code() : Exit::kFail;
}

}  // namespace baton::cli
