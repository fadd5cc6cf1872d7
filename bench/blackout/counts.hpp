// SPDX-License-Identifier: GPL-2.0-only
// Work by phase, detached from the machine that did it: what blackouts are computed, compared and kept as.
#pragma once

#include <array>

#include "model/phase.hpp"
#include "sim/time/ledger.hpp"

namespace baton::blackout {

struct Counts {
    std::array<std::array<u64, kWorkCount>, kPhaseCount> work{};
    bool operator==(const Counts&) const = default;

    u64 of(Phase phase, Work unit) const { return work[static_cast<u32>(phase)][static_cast<u32>(unit)]; }
    u64& of(Phase phase, Work unit) { return work[static_cast<u32>(phase)][static_cast<u32>(unit)]; }
    /// Adds what the ledger counted between two of its states.
    void add(const sim::Ledger::State& before, const sim::Ledger::State& after);
    /// The same, all of it as work of one phase.
    void add_to(Phase phase, const sim::Ledger::State& before, const sim::Ledger::State& after);
    bool any(Phase phase) const;
};

/// What the counts of a phase take by a profile, on a kernel with pages of `page_size` bytes: what the ledger's clock
/// would have counted. Saturates at 2^64 - 1, as do all sums here.
u64 work_ns(const Counts& counts, Phase phase, const sim::Profile& profile, u64 page_size);

/// What a phase takes beside its work.
struct Hardware {
    Isa isa = Isa::kX86_64;
    u64 cpus = 1;
    u64 devices = 0;
};
u64 constant_ns(Phase phase, const sim::Profile& profile, const Hardware& hardware);

u64 saturating_sum(u64 a, u64 b);

}  // namespace baton::blackout
