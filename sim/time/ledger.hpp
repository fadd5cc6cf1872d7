// SPDX-License-Identifier: GPL-2.0-only
// The cost ledger: how much of each kind of work was done in each phase, and the schedule time that makes (D9, D27).
//
// Its nanoseconds are the only clock of the machine, the same on all targets, so they come from integers alone:
// picoseconds in 128 bits. Nothing wraps: amounts a hostile kernel makes up saturate.
#pragma once

#include <array>

#include "model/sites.hpp"
#include "sim/time/profile.hpp"

namespace baton::sim {

class Ledger {
public:
    using Picoseconds = unsigned __int128;

    /// Plain data: all that a snapshot needs.
    struct State {
        Phase phase = Phase::kLoad;
        u64 page_size = 4096;
        std::array<std::array<u64, kWorkCount>, kPhaseCount> work{};
        std::array<Picoseconds, kPhaseCount> time{};
        Picoseconds now = 0;
        bool operator==(const State&) const = default;
    };

    explicit Ledger(const Profile& profile);

    /// The phase goes on as `site` says; a register access (Site::kMmio) happens in any phase, and a restore also while
    /// the memory map is built.
    void at(Site site);
    void charge(Work work, u64 amount);
    /// Page size in bytes of the kernel that runs now: what a unit of pages_copied and its like is.
    void set_page_size(u64 bytes) { state_.page_size = bytes; }

    Phase phase() const { return state_.phase; }
    /// Schedule time. At most 2^64 - 1, as are all results here.
    u64 now_ns() const { return nanoseconds(state_.now); }
    u64 phase_ns(Phase phase) const { return nanoseconds(state_.time[static_cast<u32>(phase)]); }
    u64 work(Phase phase, Work work) const { return state_.work[static_cast<u32>(phase)][static_cast<u32>(work)]; }
    u64 work(Work work) const;

    const State& snapshot() const { return state_; }
    void restore(const State& state) { state_ = state; }

private:
    struct Cost {
        u64 ps;
        bool per_page;
    };
    static u64 nanoseconds(Picoseconds time);

    std::array<Cost, kWorkCount> costs_{};
    State state_;
};

}  // namespace baton::sim
