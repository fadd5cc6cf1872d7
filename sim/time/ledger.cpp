// SPDX-License-Identifier: GPL-2.0-only
#include "sim/time/ledger.hpp"

#include <algorithm>
#include <limits>

namespace baton::sim {

namespace {

template <class T>
T sum(T a, T b) {
    T result;
    return __builtin_add_overflow(a, b, &result) ? static_cast<T>(~T{0}) : result;
}

}  // namespace

Ledger::Ledger(const Profile& profile) {
    for (u32 i = 0; i < kWorkCount; ++i) costs_[i] = {profile.costs[i].ps, profile.costs[i].per_page};
}

void Ledger::at(Site site) {
    if (in_any_phase(site)) return;
    // Up to 6.18 a kernel restores the incoming FDT while it still builds its memory map: that is not yet P13.
    if (site == Site::kKhoRestore && state_.phase == Phase::kMemoryMap) return;
    state_.phase = info(site).phase;
}

void Ledger::charge(Work work, u64 amount) {
    const u32 phase = static_cast<u32>(state_.phase);
    const Cost& cost = costs_[static_cast<u32>(work)];
    Picoseconds time = static_cast<Picoseconds>(amount) * cost.ps;
    if (cost.per_page && __builtin_mul_overflow(time, static_cast<Picoseconds>(state_.page_size / 4096), &time))
        time = ~Picoseconds{0};
    u64& count = state_.work[phase][static_cast<u32>(work)];
    count = sum(count, amount);
    state_.time[phase] = sum(state_.time[phase], time);
    state_.now = sum(state_.now, time);
}

u64 Ledger::work(Work work) const {
    u64 total = 0;
    for (const auto& phase : state_.work) total = sum(total, phase[static_cast<u32>(work)]);
    return total;
}

u64 Ledger::nanoseconds(Picoseconds time) {
    return static_cast<u64>(std::min(time / 1000, static_cast<Picoseconds>(std::numeric_limits<u64>::max())));
}

}  // namespace baton::sim
