// SPDX-License-Identifier: GPL-2.0-only
// How a kernel can end, how a run can end, and what the process exits with (architecture §9, decision D31).
#pragma once

#include <string_view>

#include "model/types.hpp"

namespace baton::scenarios {

/// How a kernel stopped for good. `expect_verdict` names one; without it an ending makes the run fail.
enum class Ending : u32 {
    kPanic,
    kAssert,
    kBadAccess,
    kHang,
    kStackOverflow,
    kTripleFault,
    kImageCorrupted,
    kPurgatoryLoop,
    kException,
    kTimeRead,
    kBadPlatformCall,
    kCount,
};

struct EndingInfo {
    Ending ending;
    std::string_view name;  // as written in scenarios and reports
    std::string_view meaning;
};

inline constexpr EndingInfo kEndings[] = {
    {Ending::kPanic, "panic", "the kernel panicked"},
    {Ending::kAssert, "assert", "an assertion of the kernel failed"},
    {Ending::kBadAccess, "bad access", "an address was used that is not RAM"},
    {Ending::kHang, "hang", "the step's budget ran out: a loop that does not end"},
    {Ending::kStackOverflow, "stack overflow", "the kernel stack ran into its guard"},
    {Ending::kTripleFault, "triple fault", "the machine reset where no handler stood"},
    {Ending::kImageCorrupted, "image corrupted", "no intact kernel lies at the entry address"},
    {Ending::kPurgatoryLoop, "purgatory loop", "the digest was wrong and the purgatory spins"},
    {Ending::kException, "exception", "the CPU met an exception that nothing handles (guests)"},
    {Ending::kTimeRead, "time read", "a counter or random number was read past the platform (guests)"},
    {Ending::kBadPlatformCall, "bad platform call", "the port was given what is no platform call (guests)"},
};
static_assert(sizeof(kEndings) / sizeof(kEndings[0]) == static_cast<u32>(Ending::kCount));
constexpr const EndingInfo& info(Ending e) { return kEndings[static_cast<u32>(e)]; }

/// Exit codes, the same for every verb.
enum class Exit : int {
    kPass = 0,
    kFail = 1,
    kUsage = 2,
    kBadInput = 3,
    kDiverged = 4,
    kBudget = 5,
    kInternal = 70,
};

/// How a run ended.
enum class Verdict : u32 {
    kPass,      // all expectations hold
    kFail,      // an expectation or an invariant was violated, or a kernel ended unexpectedly
    kSkipped,   // this build cannot run the cell: not a pass
    kBadInput,  // a file the scenario names is unusable
    kDiverged,  // a replay took another path
    kBudget,    // the run's own budget ran out
    kInternal,  // the simulator failed
    kCount,
};

struct VerdictInfo {
    Verdict verdict;
    std::string_view name;
    Exit exit;
};

inline constexpr VerdictInfo kVerdicts[] = {
    {Verdict::kPass, "pass", Exit::kPass},
    {Verdict::kFail, "fail", Exit::kFail},
    {Verdict::kSkipped, "skipped", Exit::kBadInput},
    {Verdict::kBadInput, "bad input", Exit::kBadInput},
    {Verdict::kDiverged, "diverged", Exit::kDiverged},
    {Verdict::kBudget, "budget", Exit::kBudget},
    {Verdict::kInternal, "internal error", Exit::kInternal},
};
static_assert(sizeof(kVerdicts) / sizeof(kVerdicts[0]) == static_cast<u32>(Verdict::kCount));
constexpr const VerdictInfo& info(Verdict v) { return kVerdicts[static_cast<u32>(v)]; }

/// The more severe of two exit codes: 70, 4, 3, 1, 5, 0 (2 never meets another).
constexpr Exit more_severe(Exit a, Exit b) {
    constexpr Exit kOrder[] = {Exit::kUsage, Exit::kInternal, Exit::kDiverged, Exit::kBadInput,
                               Exit::kFail,  Exit::kBudget,   Exit::kPass};
    for (Exit e : kOrder)
        if (a == e || b == e) return e;
    return a;
}

}  // namespace baton::scenarios
