// SPDX-License-Identifier: GPL-2.0-only
// The instructions through which host time or host randomness would enter a guest (decision D28).
//
// Kernels ask platform::now() and platform::random(); a guest that reads a counter has found a way around them. Each
// read stops the CPU before it gets a value. (x86-64 RDRAND and RDSEED cannot be trapped: the CPU model lacks them.)
#pragma once

#include <optional>
#include <string_view>

#include "model/types.hpp"

namespace baton::sim {

/// CpuStop::code of a kTimeRead.
enum TimeSource : u64 {
    kTimeRdtsc,
    kTimeRdtscp,
    kTimePhysicalCounter,
    kTimeVirtualCounter,
    kTimePhysicalTimer,
    kTimeVirtualTimer,
    kTimeCycleCounter,
    kTimeRandom,
};

struct TimeSourceInfo {
    TimeSource source;
    std::string_view instruction;
};
inline constexpr TimeSourceInfo kTimeSources[] = {
    {kTimeRdtsc, "rdtsc"},
    {kTimeRdtscp, "rdtscp"},
    {kTimePhysicalCounter, "mrs cntpct_el0"},
    {kTimeVirtualCounter, "mrs cntvct_el0"},
    {kTimePhysicalTimer, "mrs cntp_tval_el0"},
    {kTimeVirtualTimer, "mrs cntv_tval_el0"},
    {kTimeCycleCounter, "mrs pmccntr_el0"},
    {kTimeRandom, "mrs rndr"},
};

/// Encoding of an AArch64 system register.
struct SystemRegister {
    u32 op0, op1, crn, crm, op2;
    bool operator==(const SystemRegister&) const = default;
};

/// What an MRS of this register would leak; nothing for the others.
std::optional<TimeSource> time_source(const SystemRegister& reg);

}  // namespace baton::sim
