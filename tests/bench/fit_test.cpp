// SPDX-License-Identifier: GPL-2.0-only
#include "bench/blackout/fit.hpp"

#include <fmt/format.h>

#include "bench/blackout/blackout.hpp"
#include "tests/catch.hpp"

using namespace baton;
using namespace baton::blackout;

namespace {

Measured measured(u64 blocks, u64 count) {
    Measured m{.blocks = blocks, .counts = {}};
    m.counts.of(Phase::kMemoryMap, Work::kMemblockScans) = count;
    return m;
}
u64 at(const Measured& a, const Measured& b, u64 blocks) {
    return extrapolate(a, b, blocks).of(Phase::kMemoryMap, Work::kMemblockScans);
}

/// Counts that differ by more than what metadata for many blocks makes.
std::string far_off(const Counts& computed, const Counts& really, u64 off_max) {
    std::string out;
    for (const PhaseInfo& p : kPhases)
        for (const WorkInfo& w : kWorks) {
            const u64 a = computed.of(p.phase, w.work);
            const u64 b = really.of(p.phase, w.work);
            if (p.dark && (a > b ? a - b : b - a) > off_max)
                out += fmt::format("{} {}: computed {}, really {}\n", p.code, w.name, a, b);
        }
    return out;
}

}  // namespace

TEST_CASE("fit: a straight line, to the nearest count and not below none") {
    CHECK(at(measured(1, 100), measured(2, 130), 10) == 370);
    CHECK(at(measured(10, 5), measured(20, 5), 1'000'000) == 5);
    CHECK(at(measured(10, 0), measured(13, 1), 14) == 1);  // 1⅓
    CHECK(at(measured(10, 0), measured(13, 1), 15) == 2);  // 1⅔
    CHECK(at(measured(10, 100), measured(20, 90), 50) == 60);
    CHECK(at(measured(10, 100), measured(20, 90), 500) == 0);
    CHECK(at(measured(1, 0), measured(2, u64{1} << 62), 100) == ~u64{0});
    CHECK(at(measured(1, 100), measured(2, 130), 2) == 130);
    CHECK_THROWS_AS(extrapolate(measured(2, 1), measured(2, 1), 3), std::logic_error);
}

TEST_CASE("fit: what is computed is what a handover counts") {
    struct Case {
        MachineSpec machine;
        u32 order;
        u64 less;
        u64 blocks;
    };
    const Case cases[] = {
        {{GeometryId::kX86_64, Generation::k6_18, 8 * kGiB}, 0, 32768, 262144},
        {{GeometryId::kX86_64, Generation::k6_16, 8 * kGiB}, 0, 4096, 32768},
        {{GeometryId::kAArch64_4K, Generation::k7_0, 8 * kGiB}, 0, 32768, 131072},
        {{GeometryId::kAArch64_4K, Generation::k7_1, 8 * kGiB}, 0, 32768, 131072},
        {{GeometryId::kX86_64, Generation::k7_1, 8 * kGiB}, 9, 32, 512},
        {{GeometryId::kAArch64_64K, Generation::k6_18, 8 * kGiB}, 0, 16384, 49152},
    };
    for (const Case& c : cases) {
        CAPTURE(geometry_of(c.machine.arch).name, static_cast<u32>(c.machine.generation), c.order, c.blocks);
        HandoverMachine machine(c.machine, BATON_IMAGES);
        const Measured a{c.less, machine.hand_over({c.order}, c.less)};
        const Measured b{2 * c.less, machine.hand_over({c.order}, 2 * c.less)};
        const Counts really = machine.hand_over({c.order}, c.blocks);
        const Counts computed = extrapolate(a, b, c.blocks);
        CHECK(really.of(Phase::kMemoryMap, Work::kMemblockScans) >
              a.counts.of(Phase::kMemoryMap, Work::kMemblockScans));
        CHECK(far_off(computed, really, 10) == "");
        // The test can tell: a line through other points is another line.
        CHECK_FALSE(far_off(extrapolate(a, b, c.blocks + c.less), really, 10).empty());
    }
}
