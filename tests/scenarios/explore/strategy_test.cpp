// SPDX-License-Identifier: GPL-2.0-only
// Schedules: functions of (seed, run), in order, within bounds; exhaustive ones are all there are, each once.
#include "scenarios/explore/strategy.hpp"

#include <set>

#include "tests/catch.hpp"

namespace baton::scenarios {
namespace {

using Key = std::vector<std::array<u64, 6>>;

Key key(const Schedule& s) {
    Key k;
    for (const Turn& t : s)
        k.push_back({t.at.step, static_cast<u64>(t.at.site), t.at.nth, t.slot, static_cast<u64>(t.kind), t.times});
    return k;
}

std::vector<Position> made_positions() {
    std::vector<Position> p;
    for (u64 nth = 1; nth <= 20; ++nth) p.push_back({3, Site::kRelocatePage, nth});
    p.push_back({3, Site::kRelocateDone, 1});
    p.push_back({4, Site::kBootDone, 1});
    return p;
}

}  // namespace

TEST_CASE("strategy: a schedule depends on the seed and the run alone") {
    const auto positions = made_positions();
    for (const StrategyInfo& s : kStrategies) {
        INFO(s.name);
        const StrategyOptions options{.kind = s.kind, .seed = 7, .turns = 2};
        const auto one = make_strategy(options, positions, 2);
        const auto other = make_strategy(options, positions, 2);
        const u64 runs = std::min<u64>(200, one->runs().value_or(200));
        std::vector<Key> forward;
        for (u64 i = 0; i < runs; ++i) forward.push_back(key(one->schedule(i)));
        for (u64 i = runs; i-- > 0;) CHECK(key(other->schedule(i)) == forward[i]);
        CHECK(std::set<Key>(forward.begin(), forward.end()).size() > runs / 4);
        if (s.kind == StrategyKind::kExhaustive) continue;
        const auto seeded = make_strategy({.kind = s.kind, .seed = 8, .turns = 2}, positions, 2);
        u64 same = 0;
        for (u64 i = 0; i < runs; ++i) same += key(seeded->schedule(i)) == forward[i] ? 1 : 0;
        CHECK(same < runs / 4);
    }
}

TEST_CASE("strategy: turns stand in the order of their positions, on devices that there are") {
    const auto positions = made_positions();
    for (const StrategyInfo& s : kStrategies) {
        INFO(s.name);
        const auto strategy = make_strategy({.kind = s.kind, .seed = 1, .turns = 3}, positions, 3);
        std::set<u32> slots;
        std::set<u32> orders;
        for (u64 i = 0; i < 2000; ++i) {
            const Schedule schedule = strategy->schedule(i);
            for (std::size_t k = 0; k < schedule.size(); ++k) {
                REQUIRE(schedule[k].order < positions.size());
                REQUIRE(schedule[k].at == positions[schedule[k].order]);
                REQUIRE(schedule[k].slot < 3);
                REQUIRE(schedule[k].times >= 1);
                if (k > 0) REQUIRE(schedule[k - 1].order <= schedule[k].order);
                slots.insert(schedule[k].slot);
                orders.insert(schedule[k].order);
            }
        }
        CHECK(slots.size() == 3);
        CHECK(orders.size() == positions.size());
    }
}

TEST_CASE("strategy: exhaustive is every placement once, fewest turns first") {
    std::vector<Position> positions{{3, Site::kRelocateStart, 1}, {3, Site::kRelocateDone, 1}, {4, Site::kBootDone, 1}};
    const auto strategy = make_strategy({.kind = StrategyKind::kExhaustive, .seed = 1, .turns = 3}, positions, 2);
    // 3 positions x 2 devices x 3 kinds are 18 choices; b of them with repetition: 1, 18, 171, 1140.
    REQUIRE(strategy->runs() == 1u + 18 + 171 + 1140);
    // The order of turns at one position is fixed, so a set of turns is one placement.
    std::set<Key> seen;
    std::size_t turns = 0;
    for (u64 i = 0; i < *strategy->runs(); ++i) {
        const Schedule schedule = strategy->schedule(i);
        CHECK(schedule.size() >= turns);
        turns = schedule.size();
        Key k = key(schedule);
        std::ranges::sort(k);
        CHECK(seen.insert(k).second);
    }
    CHECK(turns == 3);
    CHECK(strategy->bound(19).find("1 turns: 18 of 18 (all); 2 turns: 0 of 171") != std::string::npos);
}

TEST_CASE("strategy: exhaustive over more placements than there are numbers is cut, not wrong") {
    std::vector<Position> positions(5000, Position{3, Site::kRelocatePage, 1});
    for (u64 i = 0; i < positions.size(); ++i) positions[i].nth = i + 1;
    const auto strategy = make_strategy({.kind = StrategyKind::kExhaustive, .seed = 1, .turns = 60}, positions, 16);
    REQUIRE(strategy->runs());
    CHECK(*strategy->runs() == u64{1} << 62);
    CHECK(strategy->schedule(*strategy->runs() - 1).size() >= 3);
}

TEST_CASE("strategy: pct states the bound of its paper") {
    const auto strategy = make_strategy({.kind = StrategyKind::kPct, .seed = 1, .depth = 2}, made_positions(), 1);
    // 3 actors, 22 positions, d = 2: 1/66 a run; 1 - (65/66)^66 after 66.
    CHECK(strategy->bound(1).find(">= 1.52 %") != std::string::npos);
    CHECK(strategy->bound(66).find(">= 63.5 %") != std::string::npos);
}

}  // namespace baton::scenarios
