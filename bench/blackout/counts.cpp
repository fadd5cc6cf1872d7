// SPDX-License-Identifier: GPL-2.0-only
#include "bench/blackout/counts.hpp"

#include <algorithm>
#include <limits>

namespace baton::blackout {
namespace {

using sim::Ledger;

u64 saturated(Ledger::Picoseconds ps) {
    return static_cast<u64>(std::min(ps / 1000, static_cast<Ledger::Picoseconds>(std::numeric_limits<u64>::max())));
}

/// How many of it a machine has.
u64 number_of(sim::Per per, const Hardware& hardware) {
    switch (per) {
        case sim::Per::kMachine: break;
        case sim::Per::kCpu: return hardware.cpus == 0 ? 0 : hardware.cpus - 1;  // the boot CPU works all the time
        case sim::Per::kDevice: return hardware.devices;
    }
    return 1;
}

}  // namespace

void Counts::add(const Ledger::State& before, const Ledger::State& after) {
    for (u32 p = 0; p < kPhaseCount; ++p)
        for (u32 w = 0; w < kWorkCount; ++w) work[p][w] += after.work[p][w] - before.work[p][w];
}

void Counts::add_to(Phase phase, const Ledger::State& before, const Ledger::State& after) {
    for (u32 p = 0; p < kPhaseCount; ++p)
        for (u32 w = 0; w < kWorkCount; ++w) work[static_cast<u32>(phase)][w] += after.work[p][w] - before.work[p][w];
}

bool Counts::any(Phase phase) const {
    return std::ranges::any_of(work[static_cast<u32>(phase)], [](u64 n) { return n != 0; });
}

u64 work_ns(const Counts& counts, Phase phase, const sim::Profile& profile, u64 page_size) {
    Ledger::Picoseconds total = 0;
    for (const sim::WorkCost& cost : profile.costs) {
        // At most 2^64 · 2^40 · 2^4 each.
        const Ledger::Picoseconds each = static_cast<Ledger::Picoseconds>(cost.ps) *
                                         (cost.per_page ? static_cast<Ledger::Picoseconds>(page_size / 4096) : 1);
        total += each * counts.of(phase, cost.work);
    }
    return saturated(total);
}

u64 constant_ns(Phase phase, const sim::Profile& profile, const Hardware& hardware) {
    Ledger::Picoseconds total = 0;
    for (const sim::PhaseConstant& c : profile.constants)
        if (c.phase == phase && c.paid_on(hardware.isa))
            total += static_cast<Ledger::Picoseconds>(c.us) * 1'000'000 * number_of(c.per, hardware);
    return saturated(total);
}

u64 saturating_sum(u64 a, u64 b) { return a > ~u64{0} - b ? ~u64{0} : a + b; }

}  // namespace baton::blackout
