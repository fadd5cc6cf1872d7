// SPDX-License-Identifier: GPL-2.0-only
// Which schedules are played: run i is a function of (strategy, seed, i) and of the positions of the window alone, so
// that runs can be shared among threads, and any one of them can be had again.
//
//   random      1 … `turns` turns; device and kind are drawn uniformly; half of them move once, the others
//               1, 2, 4, … or 2048 times. Half of the positions are drawn among all, half among the distinct
//               sites first: else the long loops (`relocate.page`) hide the short ones.
//   pct         probabilistic concurrency testing (Burckhardt and others, ASPLOS 2010). The actors are the kernel, and
//               of each device what sends its writes and what delivers them. Each has a priority, drawn anew; at each
//               position those above the kernel make one turn, the highest first. At d - 1 positions, drawn too, the
//               highest actor becomes the lowest. A fault that needs d ordering constraints shows in a run with a
//               probability of at least 1 / (n k^(d-1)), with n actors and k positions.
//   exhaustive  every placement of 0, 1, … `turns` turns (post, deliver or both) over all positions, fewest first.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "scenarios/explore/schedule.hpp"

namespace baton::scenarios {

enum class StrategyKind : u32 { kRandom, kPct, kExhaustive };
struct StrategyInfo {
    StrategyKind kind;
    std::string_view name;
    std::string_view meaning;
};
inline constexpr StrategyInfo kStrategies[] = {
    {StrategyKind::kRandom, "random", "turns, devices and places are drawn"},
    {StrategyKind::kPct, "pct", "priorities with d - 1 changes: finds a fault of depth d with a known probability"},
    {StrategyKind::kExhaustive, "exhaustive", "every placement of a few turns"},
};

inline constexpr u32 kTurnsDefault = 8;            // random: at most so many in a run
inline constexpr u32 kTurnsDefaultExhaustive = 2;  // exhaustive
inline constexpr u32 kDepthDefault = 3;            // pct
inline constexpr u32 kTurnsOfRunMax = 64;

struct StrategyOptions {
    StrategyKind kind = StrategyKind::kRandom;
    u64 seed = 1;
    u32 turns = kTurnsDefault;
    u32 depth = kDepthDefault;
};

class Strategy {
public:
    virtual ~Strategy() = default;
    virtual Schedule schedule(u64 run) const = 0;
    /// Runs that there are; nothing: without end.
    virtual std::optional<u64> runs() const { return std::nullopt; }
    /// What `runs` of them tell if they found nothing, as a sentence.
    virtual std::string bound(u64 runs) const = 0;
};

std::unique_ptr<Strategy> make_strategy(const StrategyOptions& options, const std::vector<Position>& positions,
                                        u32 devices);

}  // namespace baton::scenarios
