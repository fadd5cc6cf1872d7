// SPDX-License-Identifier: GPL-2.0-only
#include "sim/memory_map.hpp"

#include <fmt/format.h>

#include <algorithm>

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

}  // namespace

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
