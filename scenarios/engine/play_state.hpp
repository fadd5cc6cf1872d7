// SPDX-License-Identifier: GPL-2.0-only
// What a run has come to, beside its machine and its report: plain data, so that a run can go back between two steps.
#pragma once

#include <optional>
#include <set>
#include <vector>

#include "scenarios/engine/region.hpp"
#include "scenarios/engine/result.hpp"

namespace baton::scenarios {

/// XXH3-128 of each frame that was handed over, taken at the jump: the second oracle, which no kernel can influence.
using sim::FrameHashes;

struct PlayState {
    std::vector<Region> regions_;
    std::size_t next_ = 0;       // index of the step to come
    bool dead_ = false;          // no kernel is left to send commands to
    u32 running_ = 0;            // kernel index
    std::optional<u32> loaded_;  // kernel index of the loaded image
    u64 running_initrd_bytes_ = 0;
    u64 loaded_initrd_bytes_ = 0;
    Hop hop_;                                       // being made by the exec under way
    std::optional<sim::Ledger::State> hop_from_;    // the ledger where the work for the hop to come began
    std::optional<sim::Ledger::State> jumped_;      // and at the last jump, while its hop goes on
    bool hop_reported_ = false;                     // that hop is the last of result_.hops
    std::vector<PhysRange> handed_ranges_;          // preserved blocks, at the jump
    bool lost_ = false;                             // some of it changed, or nobody held it
    std::vector<PhysAddr> not_held_;                // of these, those that nobody held any more
    std::optional<sim::Ledger::State> powered_on_;  // the ledger when the first kernel was up
    FrameHashes handed_over_;                       // their frames that held anything
    std::set<u64> poked_;                           // frames that the scenario itself changed since
    bool census_off_ = false;                       // this kernel has lost pages, as the scenario said
    std::vector<u64> races_seen_;                   // of each kind of forbidden write, how many by then
    u64 claims_seen_ = 0;                           // faults of claims that a step has answered for
    std::size_t log_seen_ = 0;
    std::size_t boot_log_start_ = 0;  // first log line of the running kernel
};

}  // namespace baton::scenarios
