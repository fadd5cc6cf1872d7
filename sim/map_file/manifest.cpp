// SPDX-License-Identifier: GPL-2.0-only
// `memory_map` of a capture's manifest (sim/capture/capture.hpp).
#include <fmt/format.h>

#include "sim/capture/capture.hpp"
#include "sim/map_file/forms.hpp"

namespace baton::sim::map_forms {

FirmwareMap manifest_map(const Capture& capture, const std::string& name) {
    std::vector<MapLine> lines;
    for (const CaptureMapEntry& e : capture.memory_map) {
        const u32 type = memory_type_of(e.type);
        if (type == 0)
            throw InputError(name, fmt::format("memory_map: \"{}\" is no type of memory", e.type),
                             "ram, reserved, acpi, nvs, unusable, pmem, or type N");
        lines.push_back({0, 0, {e.range.start, e.range.size, type, e.node}});
    }
    // A manifest without a map still says how large the machine was.
    if (lines.empty())
        for (const PhysRange& r : capture.ram())
            lines.push_back({0, 0, {r.start, r.size, static_cast<u32>(MemoryType::kRam), 0}});
    FirmwareMap map{.name = name, .isa = capture.isa, .entries = {}, .reserved = {}, .device_tree = {}};
    map.entries = checked_entries(name, std::move(lines));
    map.nodes = capture.nodes;
    return map;
}

}  // namespace baton::sim::map_forms
