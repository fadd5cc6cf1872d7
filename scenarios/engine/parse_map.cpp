// SPDX-License-Identifier: GPL-2.0-only
// Machines by description: `map` names a file that a real machine said something in, `memory_map` is the map itself.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "scenarios/engine/limits.hpp"
#include "scenarios/engine/parse.hpp"
#include "scenarios/engine/quantity.hpp"
#include "scenarios/engine/steps.hpp"
#include "sim/map_file/map_file.hpp"

namespace baton::scenarios {
namespace {

constexpr std::string_view kRowForm = "[start, size, type], e.g. [\"1M\", \"511M\", \"ram\"], or with a node";

using Map = std::shared_ptr<const sim::FirmwareMap>;

std::optional<sim::MapLine> parse_row(const Value& row, DiagnosticSink& sink) {
    if (row.type != Value::Type::kArray || (row.items.size() != 3 && row.items.size() != 4)) {
        sink.add(row.place, fmt::format("\"memory_map\" holds {}", row.type_name()), std::string(kRowForm));
        return {};
    }
    const auto start = as_quantity(row.items[0], "memory_map", true, sink);
    const auto size = as_quantity(row.items[1], "memory_map", true, sink);
    const auto type = as_text(row.items[2], "memory_map", sink);
    if (!start || !size || !type) return {};
    const u32 number = sim::memory_type_of(*type);
    if (number == 0) {
        sink.add(row.items[2].place, fmt::format("\"{}\" is no type of memory", *type),
                 "\"ram\", \"reserved\", \"acpi\", \"nvs\", \"unusable\", \"pmem\" or \"type N\"");
        return {};
    }
    u64 node = 0;
    if (row.items.size() == 4) {
        if (number != static_cast<u32>(MemoryType::kRam)) {
            sink.add(row.items[3].place, fmt::format("memory of type \"{}\" is on no node", *type), "only \"ram\" is");
            return {};
        }
        const auto given = as_integer(row.items[3], "memory_map", 0, kNodesMax - 1, sink);
        if (!given) return {};
        node = *given;
    }
    return sim::MapLine{row.place.line, row.place.col, {{*start}, *size, number, static_cast<u32>(node)}};
}

/// How many nodes the rows name: 0, or one more than the largest. All RAM has a node, or none has.
std::optional<u32> count_nodes(const Value& value, DiagnosticSink& sink) {
    const Value* with = nullptr;
    const Value* without = nullptr;
    u32 nodes = 0;
    for (const Value& row : value.items) {
        if (row.items.size() == 4) {
            with = &row;
            nodes = std::max(nodes, static_cast<u32>(row.items[3].integer) + 1);
        } else if (sim::memory_type_of(row.items[2].text) == static_cast<u32>(MemoryType::kRam)) {
            without = &row;
        }
    }
    if (with == nullptr || without == nullptr) return nodes;
    sink.add(without->place, "this RAM is on no node, while other RAM is", "[start, size, \"ram\", node]");
    return {};
}

Map parse_inline(const Value& value, DiagnosticSink& sink) {
    if (value.type != Value::Type::kArray || value.items.empty()) {
        sink.add(value.place, fmt::format("\"memory_map\" is {}", value.type_name()),
                 fmt::format("an array of rows {}", kRowForm));
        return nullptr;
    }
    std::vector<sim::MapLine> lines;
    bool good = true;
    for (const Value& row : value.items) {
        if (const auto line = parse_row(row, sink))
            lines.push_back(*line);
        else
            good = false;
    }
    if (!good) return nullptr;
    const auto nodes = count_nodes(value, sink);
    if (!nodes) return nullptr;
    sim::FirmwareMap map{.name = "memory_map", .isa = {}, .entries = {}, .reserved = {}, .device_tree = {}};
    try {
        map.entries = sim::checked_entries("memory_map", std::move(lines));
        map.nodes = *nodes;
    } catch (const sim::InputError& e) {
        sink.add({e.line, e.col}, e.what(), e.hint);
        return nullptr;
    }
    return std::make_shared<const sim::FirmwareMap>(std::move(map));
}

Map parse_file_name(const Value& value, const std::string& folder, DiagnosticSink& sink) {
    const auto name = as_text(value, "map", sink);
    if (!name) return nullptr;
    if (name->empty() || name->find('\0') != std::string::npos) {
        sink.add(value.place, "\"map\" is not a path");
        return nullptr;
    }
    try {
        const auto path = (std::filesystem::path(folder) / *name).lexically_normal();
        return std::make_shared<const sim::FirmwareMap>(sim::read_map_file(path));
    } catch (const sim::InputError& e) {
        sink.add(value.place, to_text({e.file, {e.line, e.col}, e.what(), {}}), e.hint);
        return nullptr;
    }
}

/// Whether machines of the matrix can have this map.
void check_map(const Map& map, const MachineMatrix& matrix, Place place, DiagnosticSink& sink) {
    for (GeometryId arch : matrix.archs) {
        try {
            const sim::MachineMap machine(geometry_of(arch).isa, *map);
            const bool guest = std::ranges::count(matrix.targets, Target::kGuest) != 0;
            if (guest && machine.ram.back().end().value > kAddressEndGuest)
                sink.add(place, fmt::format("{}: RAM up to {:#x}", map->name, machine.ram.back().end().value),
                         fmt::format("guests know {} of addresses", quantity_text(kAddressEndGuest)));
            if (const auto ram = sim::ram_in_port_window(machine); guest && ram)
                sink.add(place,
                         fmt::format("{}: RAM at {:#x} to {:#x} lies where guests talk to the simulator", map->name,
                                     ram->start.value, ram->end().value - 1),
                         "run it with target = \"native\"");
        } catch (const sim::MachineError& e) {
            sink.add(place, e.what(), "arch names the machines that the map is for");
            return;
        }
    }
}

GeometryId geometry_of_capture(const sim::Capture& capture) {
    const Isa isa = capture.isa;
    for (const Geometry& g : kGeometries)
        if (g.isa == isa && g.page_shift == capture.page_shift()) return g.id;
    return isa == Isa::kX86_64 ? GeometryId::kX86_64 : GeometryId::kAArch64_4K;
}

/// A kernel that takes a capture over and does not say of which generation it is, is of the capture's.
void adopt_generation(const Value& root, Scenario& scenario, u32 kernel, const sim::Capture& capture) {
    if (kernel >= scenario.kernels.size()) return;
    KernelSpec& spec = scenario.kernels[kernel];
    const Entry* all = root.find("kernel");
    const Entry* own = all == nullptr ? nullptr : all->value.find(spec.name);
    if (own == nullptr || own->value.find("generation") != nullptr || own->value.find("defects") != nullptr) return;
    for (const GenerationInfo& g : kGenerations)
        if (g.name == capture.generation) {
            spec.generation = g.id;
            spec.defects[0] = generation_defects(g.id);
        }
}

}  // namespace

void adopt_captured_machine(const Value& root, Scenario& scenario, DiagnosticSink& sink) {
    const Step* step = nullptr;
    std::shared_ptr<const sim::Capture> capture;
    for (const Step& s : scenario.steps)
        if (const auto* boot = std::get_if<step::Boot>(&s.action); boot != nullptr && boot->capture && !capture) {
            capture = boot->capture;
            step = &s;
        }
    if (!capture) return;
    const Entry* machine = root.find("machine");
    const auto says = [&](std::string_view key) {
        return machine != nullptr && machine->value.type == Value::Type::kTable && machine->value.find(key) != nullptr;
    };
    adopt_generation(root, scenario, std::get<step::Boot>(step->action).kernel, *capture);
    MachineMatrix& matrix = scenario.machine;
    const GeometryId captured = geometry_of_capture(*capture);
    if (!says("arch")) matrix.archs = {captured};
    for (GeometryId arch : matrix.archs)
        if (arch != captured)
            sink.add(step->place,
                     fmt::format("the capture {} is of an {} kernel", capture->name, geometry_of(captured).name),
                     fmt::format("drop arch = \"{}\"", geometry_of(arch).name));
    if (says("ram") || says("nodes") || says("map") || says("memory_map") || !sink.empty()) return;
    try {
        matrix.maps = {std::make_shared<const sim::FirmwareMap>(sim::read_map_file(capture->folder))};
        matrix.ram_bytes.clear();
        check_map(matrix.maps[0], matrix, step->place, sink);
    } catch (const sim::InputError& e) {
        sink.add(step->place, to_text({e.file, {e.line, e.col}, e.what(), {}}), e.hint);
    }
}

void parse_maps(Fields& fields, const std::string& folder, MachineMatrix& matrix) {
    DiagnosticSink& sink = fields.sink();
    struct Placed {
        Map map;
        Place place;
    };
    std::vector<Placed> maps;
    for (const Value* v : fields.each("map"))
        if (Map map = parse_file_name(*v, folder, sink)) maps.push_back({std::move(map), v->place});
    if (const Value* v = fields.value("memory_map"))
        if (Map map = parse_inline(*v, sink)) maps.push_back({std::move(map), v->place});
    if (maps.empty()) return;
    if (fields.has("ram"))
        fields.error("ram", "a described machine has the RAM that its map says", "drop \"ram\", or the map");
    // A map that tells its architecture need not be told it again.
    if (!fields.has("arch"))
        for (const Placed& p : maps) {
            if (!p.map->isa) {
                sink.add(p.place, fmt::format("{} does not tell of which architecture it is", p.map->name),
                         "say it with \"arch\"");
                return;
            }
            const GeometryId arch = *p.map->isa == Isa::kX86_64 ? GeometryId::kX86_64 : GeometryId::kAArch64_4K;
            if (std::ranges::count(matrix.archs, arch) == 0) matrix.archs.push_back(arch);
        }
    for (Placed& p : maps) {
        const std::size_t before = sink.count();
        check_map(p.map, matrix, p.place, sink);
        if (sink.count() == before) check_node_rows(*p.map, matrix, p.place, sink);
        matrix.maps.push_back(std::move(p.map));
    }
}

}  // namespace baton::scenarios
