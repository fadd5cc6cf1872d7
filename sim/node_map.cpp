// SPDX-License-Identifier: GPL-2.0-only
#include "sim/node_map.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "model/bits.hpp"

namespace baton::sim {
namespace {

inline constexpr u64 kHoleStart = 3 * kGiB;
inline constexpr u64 kHoleBytes = kGiB;

// How much RAM a built-in machine has below an address, holes below 1 MiB counted in, as QEMU does.
u64 ram_below(Isa isa, u64 address) {
    if (isa == Isa::kAArch64) return address - kRamBaseArm.value;
    return address > kHoleStart ? address - kHoleBytes : address;
}

std::string name_of(std::span<const u64> node_bytes) {
    std::string name;
    for (const u64 bytes : node_bytes) {
        if (!name.empty()) name += '+';
        name += bytes == 0 ? "0" : fmt::format("{}M", bytes / kMiB);
    }
    return name;
}

bool is_ram(const MemoryMapEntry& e) { return e.type == static_cast<u32>(MemoryType::kRam); }

}  // namespace

FirmwareMap node_map(Isa isa, std::span<const u64> node_bytes) {
    if (node_bytes.empty() || node_bytes.size() > kNodesMax)
        throw MachineError(fmt::format("a machine has 1 to {} nodes, not {}", kNodesMax, node_bytes.size()));
    const MachineMap whole(isa, std::accumulate(node_bytes.begin(), node_bytes.end(), u64{0}));
    FirmwareMap out{.name = name_of(node_bytes),
                    .isa = isa,
                    .entries = {},
                    .reserved = {},
                    .device_tree = {},
                    .nodes = static_cast<u32>(node_bytes.size())};
    for (const MemoryMapEntry& e : whole.entries) {
        if (!is_ram(e)) {
            out.entries.push_back(e);
            continue;
        }
        u64 end = 0;  // of the node, counted in RAM
        u64 at = e.start.value;
        for (u32 node = 0; node < node_bytes.size() && at < e.start.value + e.size; ++node) {
            end += node_bytes[node];
            const u64 before = ram_below(isa, at);
            if (end <= before) continue;
            const u64 size = std::min(end - before, e.start.value + e.size - at);
            out.entries.push_back({.start = {at}, .size = size, .type = e.type, .nid = node});
            at += size;
        }
    }
    return out;
}

std::optional<PhysAddr> shared_pageblock(const MachineMap& map, u64 pageblock_bytes) {
    const MemoryMapEntry* below = nullptr;
    for (const MemoryMapEntry& e : map.entries) {
        if (!is_ram(e)) continue;
        const bool shared =
            below != nullptr && below->nid != e.nid &&
            align_down(below->start + below->size - 1, pageblock_bytes) == align_down(e.start, pageblock_bytes);
        if (shared) return e.start;
        below = &e;
    }
    return std::nullopt;
}

}  // namespace baton::sim
