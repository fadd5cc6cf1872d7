// SPDX-License-Identifier: GPL-2.0-only
// A limit on everything a scenario file can ask for (docs/scenarios.md, "Limits").
#pragma once

#include "model/command.hpp"
#include "model/types.hpp"

namespace baton::scenarios {

inline constexpr u64 kFileBytesMax = 4 * kMiB;  // of a scenario file
inline constexpr u64 kDiagnosticsMax = 20;      // shown of one file
inline constexpr u64 kTitleBytesMax = 200;
inline constexpr u64 kCellsMax = 1000;  // of a matrix
inline constexpr u64 kKernelsMax = 64;
inline constexpr u64 kStepsMax = 10'000;
inline constexpr u64 kPokesMax = 1000;    // of one step
inline constexpr u64 kNameBytesMax = 31;  // of a region, kernel or subtree
inline constexpr u64 kCommandLineBytesMax = kCommandTextMax - 1;

inline constexpr u64 kRamBytesMin = 16 * kMiB;
inline constexpr u64 kRamBytesMinX86 = 64 * kMiB;  // the image alone is preferred at 16 MiB, boot data lies below it
inline constexpr u64 kRamBytesMax = 16 * kTiB;
inline constexpr u64 kRamBytesMaxGuest = 64 * kGiB;  // one emulated region each (decision D13)
inline constexpr u64 kAddressEndGuest = 128 * kGiB;  // the reach of their dirty bitmap (model/port.hpp)
inline constexpr u64 kRamBytesStep = 2 * kMiB;
inline constexpr u64 kInitrdBytesMax = kGiB;
inline constexpr u64 kCmaAlignMin = 64 * kKiB;
inline constexpr u64 kCmaAlignMax = kGiB;

inline constexpr u64 kCountMax = 1'000'000;   // blocks of one alloc
inline constexpr u64 kPagesMax = kTiB >> 12;  // pages of one run
inline constexpr u64 kOrderMax = 20;          // beyond every allocator's limit, so that its refusal can be tested
inline constexpr u64 kPokeBytesMax = 4096;
inline constexpr u64 kPokeRepeatedBytesMax = kMiB;
inline constexpr u64 kBlobBytesMax = 2 * kMiB;  // of a subtree
inline constexpr u64 kTurnsMax = 10'000;        // of devices, in one step
inline constexpr u64 kTurnTimesMax = 1'000'000;
inline constexpr u64 kDeviceNanosecondsMax = 1'000'000'000;  // of a period or a delay
inline constexpr u64 kNthMax = 1'000'000'000;                // of a schedule point
inline constexpr u64 kBudgetCallsMax = 1'000'000'000'000;
inline constexpr u64 kBudgetInstructionsMax = 1'000'000'000'000;

}  // namespace baton::scenarios
