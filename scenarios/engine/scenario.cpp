// SPDX-License-Identifier: GPL-2.0-only
#include "scenarios/engine/scenario.hpp"

#include <fmt/format.h>

#include <filesystem>

#include "scenarios/engine/quantity.hpp"
#include "scenarios/engine/result.hpp"

namespace baton::scenarios {

std::string memory_name(const Cell& cell) {
    if (!cell.map) return quantity_text(cell.ram_bytes);
    const std::filesystem::path file(cell.map->name);
    // Every capture has a manifest.json; its folder tells them apart.
    return (file.filename() == "manifest.json" ? file.parent_path() : file).filename().string();
}

std::string cell_name(const Cell& cell) {
    std::string name = fmt::format("{}, {}, {}, seed {}", geometry_of(cell.arch).name, info(cell.target).name,
                                   memory_name(cell), cell.seed);
    if (cell.fill != 0) name += fmt::format(", fill {:#04x}", cell.fill);
    return name;
}

std::string to_text(const PlaceName& place) {
    switch (place.kind) {
        case PlaceKind::kPhys: return hex(place.phys);
        case PlaceKind::kRegion: return "region " + place.region;
        case PlaceKind::kSegment: return fmt::format("segment.{}", place.segment);
        default: return std::string(kPlaces[static_cast<u32>(place.kind)].name);
    }
}

std::string hex(PhysAddr address) { return fmt::format("{:#018x}", address.value); }

std::string size_text(u64 bytes) {
    struct Unit {
        u64 bytes;
        std::string_view name;
    };
    constexpr Unit kUnits[] = {{kTiB, "TiB"}, {kGiB, "GiB"}, {kMiB, "MiB"}, {kKiB, "KiB"}};
    for (const Unit& unit : kUnits)
        if (bytes != 0 && bytes % unit.bytes == 0) return fmt::format("{} {}", bytes / unit.bytes, unit.name);
    return fmt::format("{} B", bytes);
}

}  // namespace baton::scenarios
