// SPDX-License-Identifier: GPL-2.0-only
#include "sim/ownership/coarse_runs.hpp"

#include "sim/random.hpp"
#include "tests/catch.hpp"

using namespace baton;
using namespace baton::sim;

namespace {

OwnedRun run(u64 frame, u64 frames, Owner owner) { return {{{frame << kFrameShift}, frames << kFrameShift}, owner}; }

TEST_CASE("coarse_runs: few runs stay as they are") {
    const std::vector<OwnedRun> few = {run(0, 1, Owner::kFree), run(1, 1, Owner::kKernel), run(9, 4, Owner::kFree)};
    CHECK(coarse_runs(few, 3) == few);
    CHECK(coarse_runs({}, 3).empty());
}

TEST_CASE("coarse_runs: small runs go to their larger neighbour; what is handed over weighs more") {
    CHECK(coarse_runs({run(0, 100, Owner::kFree), run(100, 1, Owner::kKernel), run(101, 100, Owner::kUser)}, 2) ==
          std::vector<OwnedRun>{run(0, 101, Owner::kFree), run(101, 100, Owner::kUser)});
    CHECK(coarse_runs({run(0, 60, Owner::kFree), run(60, 1, Owner::kPreserved)}, 1) ==
          std::vector<OwnedRun>{run(0, 61, Owner::kPreserved)});
    CHECK(coarse_runs({run(0, 70, Owner::kFree), run(70, 1, Owner::kPreserved)}, 1) ==
          std::vector<OwnedRun>{run(0, 71, Owner::kFree)});
}

TEST_CASE("coarse_runs: never more than asked for, ascending, with the same ends") {
    Random random(7, 1);
    for (int round = 0; round < 200; ++round) {
        std::vector<OwnedRun> runs;
        u64 frame = random.next() % 10;
        for (u64 n = 1 + random.next() % 300; n > 0; --n) {
            const u64 frames = 1 + random.next() % (1 + (random.next() % 2000));
            runs.push_back(run(frame, frames, static_cast<Owner>(1 + random.next() % 12)));
            frame += frames + (random.next() % 3 == 0 ? random.next() % 5000 : 0);
        }
        const std::size_t most = random.next() % 50;
        const std::vector<OwnedRun> coarse = coarse_runs(runs, most);
        REQUIRE(coarse.size() <= std::max<std::size_t>(most, 1));
        REQUIRE(coarse.front().range.start == runs.front().range.start);
        REQUIRE(coarse.back().range.end() == runs.back().range.end());
        for (std::size_t i = 1; i < coarse.size(); ++i) REQUIRE(coarse[i - 1].range.end() <= coarse[i].range.start);
    }
}

}  // namespace
