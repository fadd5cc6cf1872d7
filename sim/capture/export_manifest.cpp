// SPDX-License-Identifier: GPL-2.0-only
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "model/bits.hpp"
#include "sim/capture/export_plan.hpp"
#include "sim/map_file/map_file.hpp"

namespace baton::sim {
namespace {

using nlohmann::ordered_json;

std::string hex(PhysAddr a) { return fmt::format("{:#x}", a.value); }
std::string hex(u64 n) { return fmt::format("{:#x}", n); }

std::string_view generation_name(Generation g) {
    for (const GenerationInfo& row : kGenerations)
        if (row.id == g) return row.name;
    return "";
}

/// What to give QEMU's -m for a machine that has all of this RAM. x86-64 counts what lies above 4 GiB from there.
u64 machine_mib(const MachineMap& map) {
    constexpr PhysAddr kHigh{4 * kGiB};
    const PhysAddr base = map.isa == Isa::kX86_64 ? PhysAddr{} : map.ram.front().start;
    u64 low = 0;
    u64 high = 0;
    for (const PhysRange& r : map.ram) {
        if (map.isa == Isa::kX86_64 && r.start >= kHigh)
            high = r.end() - kHigh;
        else
            low = r.end() - base;
    }
    return div_round_up(low, kMiB) + div_round_up(high, kMiB);
}

ordered_json boot_json(const HandoverToExport& h, const ExportPlan& plan) {
    ordered_json boot;
    if (geometry_of(h.geometry).isa == Isa::kX86_64) {
        boot["boot_params"] = hex(h.argument);
        boot["setup_data"] = hex(plan.boot.setup_data);
        if (plan.boot.command_line.value != 0) boot["cmdline"] = hex(plan.boot.command_line);
    } else {
        boot["dtb"] = "boot.dtb";
        boot["dtb_addr"] = hex(h.argument);
    }
    if (!h.boot.initrd.empty()) boot["initrd"] = {hex(h.boot.initrd.start), hex(h.boot.initrd.size)};
    if (!h.kernel.empty()) boot["kernel"] = {hex(h.kernel.start), hex(h.kernel.size)};
    return boot;
}

ordered_json expect_json(const Handover& handover) {
    std::vector<HandoverBlock> blocks = handover.blocks;
    std::ranges::sort(blocks, [](const HandoverBlock& a, const HandoverBlock& b) {
        return a.phys != b.phys ? a.phys < b.phys : a.order < b.order;
    });
    ordered_json preserved = ordered_json::array();
    for (const HandoverBlock& b : blocks) preserved.push_back({hex(b.phys), b.order.value});
    ordered_json names = ordered_json::array();
    for (const HandoverSubtree& s : handover.subtrees) names.push_back(s.name);
    return {{"preserved", std::move(preserved)}, {"sub_fdts", std::move(names)}};
}

}  // namespace

std::string manifest_text(const HandoverToExport& h, const ExportPlan& plan) {
    const bool x86 = geometry_of(h.geometry).isa == Isa::kX86_64;
    ordered_json m = {{"name", h.name},
                      {"arch", x86 ? "x86_64" : "aarch64"},
                      {"generation", generation_name(h.generation)},
                      {"note", h.note},
                      {"ram_base", hex(x86 ? PhysAddr{} : h.map.ram.front().start)},
                      {"mem_mb", machine_mib(h.map)}};
    m["memory_map"] = ordered_json::array();
    for (const MemoryMapEntry& e : h.map.entries) {
        ordered_json row = {hex(e.start), hex(e.size), memory_type_name(e.type)};
        if (h.map.nodes != 0 && e.type == static_cast<u32>(MemoryType::kRam)) row.push_back(e.nid);
        m["memory_map"].push_back(std::move(row));
    }
    if (h.map.nodes != 0) m["nodes"] = h.map.nodes;
    m["boot"] = boot_json(h, plan);
    m["kho_fdt"] = hex(h.boot.fdt);
    m["kho_fdt_size"] = h.boot.fdt_size;
    m["scratch"] = hex(h.boot.scratch);
    m["scratch_len"] = h.boot.scratch_bytes;
    m["cmdline"] = plan.boot.command_line_text;
    m["segments"] = ordered_json::array();
    for (const PlannedSegment& s : plan.segments)
        m["segments"].push_back({{"phys", hex(s.range.start)}, {"size", s.range.size}, {"file", s.file}});
    m["patterned"] = ordered_json::array();
    m["expect"] = expect_json(h.handover);
    return m.dump(1, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace baton::sim
