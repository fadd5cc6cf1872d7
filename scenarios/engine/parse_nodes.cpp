// SPDX-License-Identifier: GPL-2.0-only
// `nodes` of `machine`: the RAM of a built-in machine spread over NUMA nodes, in address order.
#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "scenarios/engine/limits.hpp"
#include "scenarios/engine/parse.hpp"
#include "scenarios/engine/quantity.hpp"
#include "sim/node_map.hpp"

namespace baton::scenarios {
namespace {

constexpr std::string_view kForm = "nodes = [\"256M\", \"256M\", \"0\"]";

/// Nodes share no pageblock (docs/memory.md): what is a multiple of the largest architecture's is one of all.
u64 unit_of(const MachineMatrix& matrix) {
    u64 unit = kRamBytesStep;
    for (GeometryId arch : matrix.archs) unit = std::max(unit, geometry_of(arch).pageblock_bytes());
    return unit;
}

void read_sizes(const Value& value, MachineMatrix& matrix, DiagnosticSink& sink) {
    const u64 unit = unit_of(matrix);
    for (const Value& item : value.items) {
        const auto bytes = as_quantity(item, "nodes", true, sink);
        if (!bytes) continue;
        if (*bytes % unit != 0)
            sink.add(item.place, fmt::format("a node of {} ends inside a pageblock", quantity_text(*bytes)),
                     fmt::format("a multiple of {}, or 0", quantity_text(unit)));
        if (*bytes > kRamBytesMax)
            sink.add(item.place, fmt::format("a node cannot have {}", quantity_text(*bytes)),
                     fmt::format("a machine has up to {}", quantity_text(kRamBytesMax)));
        matrix.node_bytes.push_back(*bytes);
    }
}

}  // namespace

void parse_nodes(Fields& fields, MachineMatrix& matrix) {
    const Value* value = fields.value("nodes");
    DiagnosticSink& sink = fields.sink();
    if (value == nullptr) return;
    if (value->type != Value::Type::kArray || value->items.empty() || value->items.size() > kNodesMax)
        return fields.error("nodes",
                            value->type == Value::Type::kArray ? fmt::format("{} nodes", value->items.size())
                                                               : fmt::format("\"nodes\" is {}", value->type_name()),
                            fmt::format("an array of the memory of 1 to {} nodes: {}", kNodesMax, kForm));
    if (fields.has("map") || fields.has("memory_map"))
        return fields.error("nodes", "a described machine has the nodes that its map says",
                            "rows [start, size, type, node] of \"memory_map\"");
    const std::size_t before = sink.count();
    read_sizes(*value, matrix, sink);
    if (sink.count() != before) return matrix.node_bytes.clear();
    const u64 sum = std::accumulate(matrix.node_bytes.begin(), matrix.node_bytes.end(), u64{0});
    if (sum == 0) fields.error("nodes", "no node has memory", std::string(kForm));
    for (const Value* ram : fields.each("ram")) {
        const auto bytes = as_quantity(*ram, "ram", false, sink);
        if (bytes && *bytes != sum)
            sink.add(ram->place,
                     fmt::format("the nodes have {}, the machine {}", quantity_text(sum), quantity_text(*bytes)),
                     "\"ram\" may be left out");
    }
}

void check_node_rows(const sim::FirmwareMap& map, const MachineMatrix& matrix, Place place, DiagnosticSink& sink) {
    if (map.nodes == 0) return;
    for (GeometryId arch : matrix.archs) {
        const Geometry& g = geometry_of(arch);
        const sim::MachineMap machine(g.isa, map);
        if (const auto at = sim::shared_pageblock(machine, g.pageblock_bytes()))
            sink.add(place, fmt::format("{}: RAM at {:#x} shares a pageblock with another node's", map.name, at->value),
                     fmt::format("{} has pageblocks of {}", g.name, quantity_text(g.pageblock_bytes())));
    }
}

}  // namespace baton::scenarios
