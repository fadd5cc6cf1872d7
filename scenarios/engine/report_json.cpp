// SPDX-License-Identifier: GPL-2.0-only
#include <nlohmann/json.hpp>

#include "scenarios/engine/report.hpp"

namespace baton::scenarios {
namespace {

using nlohmann::ordered_json;

ordered_json range_json(const PhysRange& range) { return {{"start", hex(range.start)}, {"size_bytes", range.size}}; }

ordered_json finding_json(const Finding& f) {
    return {{"step", f.step + 1}, {"line", f.place.line}, {"col", f.place.col}, {"what", f.what}, {"detail", f.detail}};
}

ordered_json phase_json(const PhaseWork& p) {
    ordered_json work = ordered_json::object();
    for (const WorkInfo& unit : kWorks)
        if (const u64 amount = p.work[static_cast<u32>(unit.work)]; amount != 0) work[std::string(unit.name)] = amount;
    const PhaseInfo& phase = info(p.phase);
    return {{"name", phase.name}, {"code", phase.code}, {"dark", phase.dark}, {"work", work}, {"time_ns", p.time_ns}};
}

template <class Rows, class Function>
ordered_json list(const Rows& rows, Function function) {
    ordered_json out = ordered_json::array();
    for (const auto& row : rows) out.push_back(function(row));
    return out;
}

ordered_json hop_json(const Hop& h) {
    ordered_json hop = {{"step", h.step + 1},   {"from", h.from},         {"to", h.to},
                        {"arrived", h.arrived}, {"kho_boot", h.kho_boot}, {"blocks", h.blocks},
                        {"pages", h.pages},     {"size_bytes", h.bytes},  {"fdt", hex(h.fdt)}};
    hop["subtrees"] = ordered_json::array();
    for (const SubtreeReport& s : h.subtrees) hop["subtrees"].push_back({{"name", s.name}, {"blob", hex(s.blob)}});
    hop["scratch"] = ordered_json::array();
    for (const PhysRange& area : h.scratch) hop["scratch"].push_back(range_json(area));
    hop["segments"] = ordered_json::array();
    for (const SegmentReport& s : h.segments) {
        ordered_json segment = range_json(s.destination);
        segment["name"] = s.name;
        segment["content_bytes"] = s.content_bytes;
        hop["segments"].push_back(std::move(segment));
    }
    hop["phases"] = list(h.phases, phase_json);
    return hop;
}

ordered_json run_json(const RunResult& r, bool with_log) {
    ordered_json run = {
        {"scenario", r.scenario},
        {"title", r.title},
        {"arch", geometry_of(r.cell.arch).name},
        {"target", info(r.cell.target).name},
        {"ram_bytes", r.cell.ram_bytes},
        {"map", r.cell.map ? r.cell.map->name : ""},
        {"seed", r.cell.seed},
        {"fill", r.cell.fill},
        {"verdict", r.verdict_name()},
        {"exit_code", static_cast<int>(r.exit_code())},
        {"message", r.message},
        {"state_hash", r.state_hash},
        {"handover_hash", r.handover_hash},
        {"sequence_hash", r.sequence_hash},
        {"findings", list(r.findings, finding_json)},
        {"crash", r.crash},
        {"phases", list(r.phases, phase_json)},
        {"profile", r.profile},
        {"hops", list(r.hops, hop_json)},
        {"verified", r.verified},
        {"next", r.next},
        {"saved", r.saved},
    };
    if (with_log)
        run["log"] = list(r.log, [](const LogLine& l) -> ordered_json {
            return {{"step", l.step + 1}, {"kernel", l.kernel}, {"level", l.level}, {"text", l.text}};
        });
    return run;
}

}  // namespace

std::string report_json(const RunReport& report, bool with_log) {
    if (!report.diagnostics.empty()) return error_json(report.diagnostics) + "\n";
    ordered_json out;
    out["runs"] = list(report.results, [&](const RunResult& r) { return run_json(r, with_log); });
    // Text from a scenario file is UTF-8 (TOML demands it); a path need not be, and must not end the report.
    return out.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace baton::scenarios
