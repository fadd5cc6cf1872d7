// SPDX-License-Identifier: GPL-2.0-only
#include "sim/memory_map.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "model/bits.hpp"
#include "model/port.hpp"
#include "sim/memory/physical_memory.hpp"

namespace baton::sim {
namespace {

inline constexpr u64 kLowRamEnd = 0xa0000;
inline constexpr u64 kBiosData = 0x9fc00;  // the firmware keeps this last KiB of low RAM
inline constexpr u64 kBiosRom = 0xf0000;
inline constexpr u64 kHoleStart = 3 * kGiB;
inline constexpr u64 kHoleEnd = 4 * kGiB;

MemoryMapEntry entry(u64 start, u64 end, MemoryType type) {
    return {.start = {start}, .size = end - start, .type = static_cast<u32>(type), .nid = 0};
}

void x86_64_map(MachineMap& m) {
    const u64 low_end = std::min(m.ram_bytes, kHoleStart);
    m.ram = {{{0}, kLowRamEnd}, {{kMiB}, low_end - kMiB}};
    m.entries = {entry(0, kBiosData, MemoryType::kRam), entry(kBiosData, kLowRamEnd, MemoryType::kReserved),
                 entry(kBiosRom, kMiB, MemoryType::kReserved), entry(kMiB, low_end, MemoryType::kRam)};
    if (m.ram_bytes > kHoleStart) {
        const u64 above = m.ram_bytes - kHoleStart;
        m.ram.push_back({{kHoleEnd}, above});
        m.entries.push_back(entry(kHoleEnd, kHoleEnd + above, MemoryType::kRam));
    }
}

void aarch64_map(MachineMap& m) {
    m.ram = {{kRamBaseArm, m.ram_bytes}};
    m.entries = {entry(kRamBaseArm.value, kRamBaseArm.value + m.ram_bytes, MemoryType::kRam)};
}

// Every frame that holds a byte of RAM, in as few runs as there are.
std::vector<PhysRange> ram_frames(const std::vector<MemoryMapEntry>& entries, PhysRange tables) {
    std::vector<PhysRange> runs;
    for (const MemoryMapEntry& e : entries) {
        const bool holds_tables = !tables.empty() && PhysRange{e.start, e.size}.contains(tables);
        if (e.type != static_cast<u32>(MemoryType::kRam) && !holds_tables) continue;
        const PhysAddr start = align_down(e.start, kFrameSize);
        const PhysAddr end{align_up(e.start.value + e.size, kFrameSize)};
        if (!runs.empty() && start <= runs.back().end())
            runs.back().size = std::max(runs.back().end(), end) - runs.back().start;
        else
            runs.push_back({start, end - start});
    }
    return runs;
}

}  // namespace

MachineMap::MachineMap(Isa machine_isa, FirmwareMap firmware)
    : isa(machine_isa),
      ram_bytes(0),
      entries(std::move(firmware.entries)),
      reserved(std::move(firmware.reserved)),
      device_tree(std::move(firmware.device_tree)),
      name(firmware.name.empty() ? "memory map" : std::move(firmware.name)),
      nodes(firmware.nodes) {
    const auto refuse = [this](std::string why) { throw MachineError(fmt::format("{}: {}", name, why)); };
    if (firmware.isa && *firmware.isa != isa)
        refuse(fmt::format("the map of an {} machine", *firmware.isa == Isa::kX86_64 ? "x86_64" : "aarch64"));
    if (entries.size() > kMemoryMapMax)
        refuse(fmt::format("{} entries; a kernel is told of {} at most", entries.size(), kMemoryMapMax));
    for (const MemoryMapEntry& e : entries)
        if (e.type == static_cast<u32>(MemoryType::kRam) && e.start.value + e.size > PhysicalMemory::kAddressEnd)
            refuse(fmt::format("RAM at {:#x} ends above {} TiB", e.start.value, PhysicalMemory::kAddressEnd / kTiB));
    if (isa == Isa::kX86_64 && nodes != 0) find_acpi_tables();
    ram = ram_frames(entries, acpi_tables);
    if (ram.empty()) refuse("there is no RAM in it");
    if (ram.size() > platform::RamView::kRangesMax)
        refuse(fmt::format("RAM in {} runs; a machine has {} at most", ram.size(), platform::RamView::kRangesMax));
    for (const PhysRange& r : ram) ram_bytes += r.size;
    if (ram_bytes > kRamBytesMax) refuse(fmt::format("{} TiB of RAM at most", kRamBytesMax / kTiB));
}

// The first entry of ACPI's that holds them; else the end of the highest RAM below 1 MiB, or of the lowest above,
// becomes one. Nothing of it is above 2 GiB, where a boot loader's identity map ends.
void MachineMap::find_acpi_tables() {
    constexpr PhysAddr kEnd{2 * kGiB};
    constexpr u64 kLeftMin = 64 * kKiB;
    MemoryMapEntry* chosen = nullptr;
    for (MemoryMapEntry& e : entries) {
        if (e.start.value + e.size > kEnd.value) break;
        if (e.type == static_cast<u32>(MemoryType::kAcpi) && e.size >= kAcpiBytes + 16) {
            acpi_tables = {align_up(e.start, 16), kAcpiBytes};
            return;
        }
        if (e.type != static_cast<u32>(MemoryType::kRam) || e.size < kAcpiBytes + kLeftMin) continue;
        const bool low = e.start.value + e.size <= kMiB;
        if (low || chosen == nullptr) chosen = &e;
    }
    if (chosen == nullptr || entries.size() == kMemoryMapMax)
        throw MachineError(fmt::format("{}: there is no room below 2 GiB for the tables that tell of its nodes", name));
    const PhysAddr end = chosen->start + chosen->size;
    const PhysAddr at = align_down(end - kAcpiBytes, kFrameSize);
    chosen->size = at - chosen->start;
    acpi_tables = {at, kAcpiBytes};
    const MemoryMapEntry made{at, end - at, static_cast<u32>(MemoryType::kAcpi), 0};
    entries.insert(entries.begin() + (chosen - entries.data()) + 1, made);
}

std::optional<PhysRange> ram_in_port_window(const MachineMap& map) {
    const PortMap& port = port_map(map.isa);
    for (const PhysRange& r : map.ram)
        if (r.overlaps({port.window, port.window_bytes})) return r;
    return std::nullopt;
}

MachineMap::MachineMap(Isa machine_isa, u64 bytes_of_ram) : isa(machine_isa), ram_bytes(bytes_of_ram) {
    if (ram_bytes < kRamBytesMin || ram_bytes > kRamBytesMax)
        throw MachineError(fmt::format("a machine has between {} MiB and {} TiB of RAM, not {} bytes",
                                       kRamBytesMin / kMiB, kRamBytesMax / kTiB, ram_bytes));
    if (ram_bytes % kRamBytesUnit != 0)
        throw MachineError(fmt::format("RAM comes in whole MiB, and {} bytes are not", ram_bytes));
    if (isa == Isa::kX86_64)
        x86_64_map(*this);
    else
        aarch64_map(*this);
}

}  // namespace baton::sim
