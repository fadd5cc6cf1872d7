// SPDX-License-Identifier: GPL-2.0-only
#include "scenarios/explore/strategy.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "sim/random.hpp"

namespace baton::scenarios {
namespace {

inline constexpr u32 kKinds = static_cast<u32>(sim::TurnKind::kCount);
inline constexpr u32 kTimesShiftMax = 11;  // 2048 times: round a large target
inline constexpr u64 kRunsMax = u64{1} << 62;

/// The streams of a seed: one a run.
sim::Random random_of(u64 seed, u64 run) { return {seed, run}; }

void in_order(Schedule& schedule) { std::ranges::stable_sort(schedule, {}, &Turn::order); }

class RandomStrategy final : public Strategy {
public:
    RandomStrategy(const StrategyOptions& options, const std::vector<Position>& positions, u32 devices)
        : options_(options), positions_(positions), devices_(devices) {
        std::map<std::pair<u32, u32>, std::vector<u32>> sites;
        for (u32 i = 0; i < positions.size(); ++i)
            sites[{positions[i].step, static_cast<u32>(positions[i].site)}].push_back(i);
        for (auto& [site, places] : sites) by_site_.push_back(std::move(places));
    }

    Schedule schedule(u64 run) const override {
        sim::Random random = random_of(options_.seed, run);
        Schedule out(1 + random.bounded(options_.turns));
        for (Turn& t : out) {
            const std::vector<u32>& site = by_site_[random.bounded(by_site_.size())];
            const bool by_site = random.bounded(2) == 0;
            t.order = by_site ? site[random.bounded(site.size())] : static_cast<u32>(random.bounded(positions_.size()));
            t.at = positions_[t.order];
            t.slot = static_cast<u32>(random.bounded(devices_));
            t.kind = static_cast<sim::TurnKind>(random.bounded(kKinds));
            t.times = random.bounded(2) == 0 ? 1 : u32{1} << random.bounded(kTimesShiftMax + 1);
        }
        in_order(out);
        return out;
    }

    std::string bound(u64 runs) const override {
        return fmt::format("{} runs of at most {} turns over {} positions of {} sites: a sample, no bound", runs,
                           options_.turns, positions_.size(), by_site_.size());
    }

private:
    StrategyOptions options_;
    const std::vector<Position> positions_;
    u32 devices_;
    std::vector<std::vector<u32>> by_site_;
};

class PctStrategy final : public Strategy {
public:
    PctStrategy(const StrategyOptions& options, const std::vector<Position>& positions, u32 devices)
        : options_(options), positions_(positions), actors_(1 + 2 * devices) {}

    Schedule schedule(u64 run) const override {
        sim::Random random = random_of(options_.seed, run);
        std::vector<u32> order(actors_);  // the highest first; 0 is the kernel
        std::iota(order.begin(), order.end(), 0);
        for (u32 i = actors_; i > 1; --i) std::swap(order[i - 1], order[random.bounded(i)]);
        std::vector<u32> changes;
        for (u32 i = 1; i < options_.depth; ++i) changes.push_back(static_cast<u32>(random.bounded(positions_.size())));
        Schedule out;
        for (u32 p = 0; p < positions_.size(); ++p) {
            for (u64 n = static_cast<u64>(std::ranges::count(changes, p)); n > 0; --n)
                std::rotate(order.begin(), order.begin() + 1, order.end());
            for (const u32 actor : order) {
                if (actor == 0) break;
                const auto kind = actor % 2 == 1 ? sim::TurnKind::kPost : sim::TurnKind::kDeliver;
                out.push_back({p, positions_[p], (actor - 1) / 2, kind, 1});
            }
        }
        return out;
    }

    std::string bound(u64 runs) const override {
        const double one = 1.0 / (actors_ * std::pow(static_cast<double>(positions_.size()), options_.depth - 1));
        const double all = -std::expm1(static_cast<double>(runs) * std::log1p(-one));
        return fmt::format("{} actors, {} positions, depth {}, {} runs: a fault of that depth shows with >= {:.3g} %",
                           actors_, positions_.size(), options_.depth, runs, 100 * all);
    }

private:
    StrategyOptions options_;
    const std::vector<Position> positions_;
    u32 actors_;
};

/// Placements of b turns are multisets of (position, device, kind), numbered in the combinatorial number system.
class ExhaustiveStrategy final : public Strategy {
public:
    ExhaustiveStrategy(const StrategyOptions& options, const std::vector<Position>& positions, u32 devices)
        : options_(options), positions_(positions), devices_(devices), choices_(positions.size() * devices * kKinds) {
        ends_.push_back(1);
        for (u32 b = 1; b <= options.turns; ++b)
            ends_.push_back(std::min(kRunsMax, ends_.back() + choose(choices_ + b - 1, b)));
    }

    Schedule schedule(u64 run) const override {
        u32 turns = 0;
        while (turns < options_.turns && run >= ends_[turns]) ++turns;
        u64 rank = turns == 0 ? 0 : run - ends_[turns - 1];
        Schedule out;
        for (u32 b = turns; b > 0; --b) {
            // The largest c with choose(c, b) <= rank.
            u64 low = b - 1;
            u64 high = choices_ + turns;
            while (high - low > 1) {
                const u64 middle = low + (high - low) / 2;
                (choose(middle, b) <= rank ? low : high) = middle;
            }
            rank -= choose(low, b);
            const u64 choice = low - (b - 1);
            const u32 position = static_cast<u32>(choice / (devices_ * kKinds));
            const u64 rest = choice % (devices_ * kKinds);
            out.push_back({position, positions_[position], static_cast<u32>(rest / kKinds),
                           static_cast<sim::TurnKind>(rest % kKinds), 1});
        }
        std::ranges::reverse(out);
        in_order(out);
        return out;
    }

    std::optional<u64> runs() const override { return ends_.back(); }

    std::string bound(u64 runs) const override {
        std::string out;
        for (u32 b = 0; b <= options_.turns; ++b) {
            const u64 first = b == 0 ? 0 : ends_[b - 1];
            const u64 all = ends_[b] - first;
            const u64 done = runs <= first ? 0 : std::min(runs - first, all);
            out += fmt::format("{}{} turns: {} of {}{}", b == 0 ? "" : "; ", b, done, all, done == all ? " (all)" : "");
        }
        return fmt::format("placements over {} positions, {} devices, {} kinds of turn: {}", positions_.size(),
                           devices_, kKinds, out);
    }

private:
    /// Saturates.
    static u64 choose(u64 n, u64 k) {
        if (k > n) return 0;
        unsigned __int128 c = 1;
        for (u64 i = 1; i <= k; ++i) {
            c = c * (n - k + i) / i;
            if (c > kRunsMax) return kRunsMax;
        }
        return static_cast<u64>(c);
    }

    StrategyOptions options_;
    const std::vector<Position> positions_;
    u32 devices_;
    u64 choices_;
    std::vector<u64> ends_;  // of the runs with at most so many turns
};

}  // namespace

std::unique_ptr<Strategy> make_strategy(const StrategyOptions& options, const std::vector<Position>& positions,
                                        u32 devices) {
    switch (options.kind) {
        case StrategyKind::kPct: return std::make_unique<PctStrategy>(options, positions, devices);
        case StrategyKind::kExhaustive: return std::make_unique<ExhaustiveStrategy>(options, positions, devices);
        case StrategyKind::kRandom: break;
    }
    return std::make_unique<RandomStrategy>(options, positions, devices);
}

}  // namespace baton::scenarios
