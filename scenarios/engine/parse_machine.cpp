// SPDX-License-Identifier: GPL-2.0-only
// `machine = { … }`: the matrix. Every key but `memory_map` takes one value or an array of them.
#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "scenarios/engine/limits.hpp"
#include "scenarios/engine/parse.hpp"
#include "scenarios/engine/quantity.hpp"

namespace baton::scenarios {
namespace {

constexpr std::string_view kMachineKeys[] = {"arch", "target", "ram", "nodes", "map", "memory_map", "seed", "fill"};

/// Adds a value of one dimension unless it is there already: a cell that runs twice shows nothing.
template <class T>
void add_once(std::vector<T>& list, T item, const Value& value, std::string_view key, DiagnosticSink& sink) {
    if (std::ranges::find(list, item) == list.end())
        list.push_back(item);
    else
        sink.add(value.place, fmt::format("\"{}\" names this value twice", key), "each value makes its own machines");
}

void check_ram(u64 bytes, const MachineMatrix& matrix, Place place, DiagnosticSink& sink) {
    const bool x86 = std::ranges::any_of(matrix.archs, [](GeometryId g) { return geometry_of(g).isa == Isa::kX86_64; });
    const bool guest = std::ranges::count(matrix.targets, Target::kGuest) != 0;
    const u64 min = x86 ? kRamBytesMinX86 : kRamBytesMin;
    const u64 max = guest ? kRamBytesMaxGuest : kRamBytesMax;
    if (bytes < min || bytes > max)
        sink.add(place, fmt::format("a machine cannot have {} of RAM", quantity_text(bytes)),
                 fmt::format("{}{} has {} to {}", x86 ? "x86_64" : "aarch64", guest ? " as a guest" : "",
                             quantity_text(min), quantity_text(max)));
    else if (bytes % kRamBytesStep != 0)
        sink.add(place,
                 fmt::format("{} of RAM is no multiple of {}", quantity_text(bytes), quantity_text(kRamBytesStep)),
                 fmt::format("{} is", quantity_text(bytes / kRamBytesStep * kRamBytesStep)));
}

void check_cells(const MachineMatrix& m, Place place, DiagnosticSink& sink) {
    double cells = 1;  // each factor may be large; a double cannot wrap
    for (std::size_t n :
         {m.archs.size(), m.targets.size(), m.ram_bytes.size() + m.maps.size(), m.seeds.size(), m.fills.size()})
        cells *= static_cast<double>(n);
    if (cells > static_cast<double>(kCellsMax))
        sink.add(place, fmt::format("the matrix has {:.0f} machines", cells), fmt::format("at most {}", kCellsMax));
}

}  // namespace

MachineMatrix parse_machine(const Value& root, const std::string& folder, DiagnosticSink& sink) {
    MachineMatrix matrix;
    const Entry* entry = root.find("machine");
    static const Value kEmpty{Value::Type::kTable};
    if (entry != nullptr && entry->value.type != Value::Type::kTable)
        sink.add(entry->value.place, fmt::format("\"machine\" is {}", entry->value.type_name()),
                 "it takes a table: machine = { arch = \"x86_64\", ram = \"512M\" }");
    const bool usable = entry != nullptr && entry->value.type == Value::Type::kTable;
    Fields fields(usable ? entry->value : kEmpty, usable ? entry->place : Place{1, 1}, "machine", sink);
    fields.allow_only(kMachineKeys);

    static const std::vector<std::string_view> kArchNames = names_of(kGeometries);
    for (const Value* v : fields.each("arch"))
        if (const auto chosen = as_choice(*v, "arch", {"architecture", kArchNames}, sink))
            add_once(matrix.archs, kGeometries[*chosen].id, *v, "arch", sink);
    static const std::vector<std::string_view> kTargetNames = names_of(kTargets);
    for (const Value* v : fields.each("target"))
        if (const auto chosen = as_choice(*v, "target", {"target", kTargetNames}, sink))
            add_once(matrix.targets, kTargets[*chosen].target, *v, "target", sink);
    if (!fields.has("target")) matrix.targets = {Target::kNative};
    parse_maps(fields, folder, matrix);
    if (!fields.has("arch") && matrix.archs.empty()) matrix.archs = {GeometryId::kX86_64, GeometryId::kAArch64_4K};

    parse_nodes(fields, matrix);
    for (const Value* v : fields.each("ram")) {
        if (const auto bytes = as_quantity(*v, "ram", false, sink)) {
            check_ram(*bytes, matrix, v->place, sink);
            add_once(matrix.ram_bytes, *bytes, *v, "ram", sink);
        }
    }
    for (const Value* v : fields.each("seed"))
        if (const auto seed = as_quantity(*v, "seed", true, sink)) add_once(matrix.seeds, *seed, *v, "seed", sink);
    for (const Value* v : fields.each("fill"))
        if (const auto byte = as_integer(*v, "fill", 0, 255, sink))
            add_once(matrix.fills, static_cast<u8>(*byte), *v, "fill", sink);
    if (!fields.has("ram") && !matrix.node_bytes.empty()) {
        matrix.ram_bytes = {std::accumulate(matrix.node_bytes.begin(), matrix.node_bytes.end(), u64{0})};
        if (matrix.ram_bytes[0] != 0) check_ram(matrix.ram_bytes[0], matrix, fields.place("nodes"), sink);
    }
    if (matrix.ram_bytes.empty() && !fields.has("ram") && matrix.maps.empty()) matrix.ram_bytes = {512 * kMiB};
    if (!fields.has("seed")) matrix.seeds = {1};
    if (!fields.has("fill")) matrix.fills = {0};
    check_cells(matrix, fields.place(), sink);
    return matrix;
}

}  // namespace baton::scenarios
