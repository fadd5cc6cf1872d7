// SPDX-License-Identifier: GPL-2.0-only
// The phases of a handover, P0…P13 (specs/kexec.md §12): the one vocabulary of reports and ledgers (decision D30).
#pragma once

#include <string_view>

#include "model/types.hpp"

namespace baton {

enum class Phase : u32 {
    kLoad,
    kSerialise,
    kNotifiers,
    kDeviceShutdown,
    kStopCpus,
    kIommuOff,
    kRelocation,
    kPurgatory,
    kDecompress,
    kEarlyBoot,
    kMemoryMap,
    kInitcalls,
    kDeviceProbe,
    kRestore,
};

struct PhaseInfo {
    Phase phase;
    std::string_view code;
    std::string_view name;
    bool dark;  // the service is not running: part of the blackout
};

inline constexpr PhaseInfo kPhases[] = {
    {Phase::kLoad, "P0", "load", false},
    {Phase::kSerialise, "P1", "serialise", true},
    {Phase::kNotifiers, "P2", "reboot notifiers", true},
    {Phase::kDeviceShutdown, "P3", "device shutdown", true},
    {Phase::kStopCpus, "P4", "stop CPUs", true},
    {Phase::kIommuOff, "P5", "IOMMU off", true},
    {Phase::kRelocation, "P6", "relocation", true},
    {Phase::kPurgatory, "P7", "purgatory", true},
    {Phase::kDecompress, "P8", "decompress", true},
    {Phase::kEarlyBoot, "P9", "early boot", true},
    {Phase::kMemoryMap, "P10", "memory map", true},
    {Phase::kInitcalls, "P11", "initcalls", true},
    {Phase::kDeviceProbe, "P12", "device probe", true},
    {Phase::kRestore, "P13", "restore", true},
};
inline constexpr u32 kPhaseCount = sizeof(kPhases) / sizeof(kPhases[0]);
constexpr const PhaseInfo& info(Phase p) { return kPhases[static_cast<u32>(p)]; }

}  // namespace baton
