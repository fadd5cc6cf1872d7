// SPDX-License-Identifier: GPL-2.0-only
#include "bench/blackout/counts.hpp"

#include "sim/random.hpp"
#include "tests/catch.hpp"

using namespace baton;
using namespace baton::blackout;

namespace {

sim::PhaseConstant constant(Phase phase, u32 isas, sim::Per per, u64 us) {
    return {.phase = phase, .isas = isas, .per = per, .us = us, .source = "test"};
}
constexpr u32 kX86 = 1u << static_cast<u32>(Isa::kX86_64);
constexpr u32 kArm = 1u << static_cast<u32>(Isa::kAArch64);

}  // namespace

TEST_CASE("counts: their time is what the ledger's clock says") {
    for (const u64 page_size : {4096, 16384, 65536}) {
        sim::Ledger ledger(sim::generic_profile());
        ledger.set_page_size(page_size);
        const sim::Ledger::State before = ledger.snapshot();
        sim::Random random(1, 2);
        for (int i = 0; i < 1000; ++i) {
            ledger.at(static_cast<Site>(random.bounded(kSiteCount)));
            ledger.charge(static_cast<Work>(random.bounded(kWorkCount)), random.bounded(100000));
        }
        Counts counts;
        counts.add(before, ledger.snapshot());
        for (const PhaseInfo& p : kPhases) {
            CAPTURE(p.code, page_size);
            CHECK(work_ns(counts, p.phase, sim::generic_profile(), page_size) == ledger.phase_ns(p.phase));
        }
        Counts gathered;
        gathered.add_to(Phase::kRestore, before, ledger.snapshot());
        for (const WorkInfo& w : kWorks) CHECK(gathered.of(Phase::kRestore, w.work) == ledger.work(w.work));
        CHECK(gathered.any(Phase::kRestore));
        CHECK_FALSE(gathered.any(Phase::kLoad));
    }
}

TEST_CASE("counts: absurd ones saturate") {
    Counts counts;
    for (const WorkInfo& w : kWorks) counts.of(Phase::kMemoryMap, w.work) = ~u64{0};
    CHECK(work_ns(counts, Phase::kMemoryMap, sim::generic_profile(), 65536) == ~u64{0});
    CHECK(saturating_sum(~u64{0} - 1, 1) == ~u64{0});
    CHECK(saturating_sum(~u64{0} - 1, 2) == ~u64{0});
}

TEST_CASE("constants: by machine, by CPU beside the boot CPU, by device, on their architecture") {
    sim::Profile profile;
    profile.constants = {
        constant(Phase::kStopCpus, kX86 | kArm, sim::Per::kMachine, 1000),
        constant(Phase::kStopCpus, kArm, sim::Per::kCpu, 10),
        constant(Phase::kStopCpus, kX86, sim::Per::kDevice, 7),
        constant(Phase::kInitcalls, kX86 | kArm, sim::Per::kCpu, 1),
    };
    const Hardware arm{.isa = Isa::kAArch64, .cpus = 5, .devices = 3};
    const Hardware x86{.isa = Isa::kX86_64, .cpus = 1, .devices = 3};
    CHECK(constant_ns(Phase::kStopCpus, profile, arm) == 1'040'000);
    CHECK(constant_ns(Phase::kStopCpus, profile, x86) == 1'021'000);
    CHECK(constant_ns(Phase::kInitcalls, profile, arm) == 4'000);
    CHECK(constant_ns(Phase::kInitcalls, profile, x86) == 0);
    CHECK(constant_ns(Phase::kRestore, profile, x86) == 0);
}
