// SPDX-License-Identifier: GPL-2.0-only
#include <algorithm>
#include <nlohmann/json.hpp>

#include "bench/blackout/report.hpp"

namespace baton::blackout {
namespace {

using nlohmann::ordered_json;

ordered_json phase_json(const Cell& cell, const Times& times, const PhaseInfo& phase) {
    ordered_json work = ordered_json::object();
    for (const WorkInfo& unit : kWorks)
        if (const u64 amount = cell.counts.of(phase.phase, unit.work); amount != 0)
            work[std::string(unit.name)] = amount;
    const auto p = static_cast<u32>(phase.phase);
    return {{"code", phase.code}, {"name", phase.name},          {"dark", phase.dark},
            {"work", work},       {"work_ns", times.work_ns[p]}, {"constant_ns", times.constant_ns[p]}};
}

ordered_json profile_json(const sim::Profile& profile) {
    ordered_json out = {{"name", profile.name},
                        {"about", profile.about},
                        {"work", ordered_json::array()},
                        {"constants", ordered_json::array()}};
    for (const sim::WorkCost& c : profile.costs)
        out["work"].push_back(
            {{"unit", info(c.work).name}, {"ps", c.ps}, {"per_page", c.per_page}, {"source", c.source}});
    for (const sim::PhaseConstant& c : profile.constants)
        out["constants"].push_back({{"phase", info(c.phase).code},
                                    {"x86_64", c.paid_on(Isa::kX86_64)},
                                    {"aarch64", c.paid_on(Isa::kAArch64)},
                                    {"per", sim::kPers[static_cast<u32>(c.per)].name},
                                    {"us", c.us},
                                    {"source", c.source}});
    return out;
}

ordered_json cell_json(const Cell& cell, const ReportStyle& style) {
    const Geometry& g = geometry_of(cell.machine.arch);
    const auto* generation = std::ranges::find(kGenerations, cell.machine.generation, &GenerationInfo::id);
    ordered_json out = {{"arch", g.name},
                        {"generation", generation->name},
                        {"without_b22", cell.machine.without_b22},
                        {"ram_bytes", cell.machine.ram_bytes},
                        {"order", cell.order.value},
                        {"preserved_bytes", cell.preserve_bytes},
                        {"blocks", cell.blocks},
                        {"how", info(cell.how).name}};
    if (cell.how == How::kComputed) out["computed_from_blocks"] = cell.computed_from;
    if (!cell.message.empty()) out["message"] = cell.message;
    if (!cell.has_counts()) return out;
    const Times times = times_of(cell, style);
    out["dark_work_ns"] = times.dark_work_ns;
    out["dark_constant_ns"] = times.dark_constant_ns;
    out["dark_ns"] = times.dark_ns();
    out["phases"] = ordered_json::array();
    for (const PhaseInfo& phase : kPhases) out["phases"].push_back(phase_json(cell, times, phase));
    return out;
}

}  // namespace

std::string report_json(const Request& request, const std::vector<Cell>& cells, const ReportStyle& style) {
    ordered_json out = {{"profile", profile_json(style.profile)},
                        {"cpus", style.cpus},
                        {"devices", style.devices},
                        {"initrd_bytes", request.initrd_bytes},
                        {"kho_scratch_percent", request.scratch_percent},
                        {"cells", ordered_json::array()}};
    for (const Cell& cell : cells) out["cells"].push_back(cell_json(cell, style));
    return out.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace baton::blackout
