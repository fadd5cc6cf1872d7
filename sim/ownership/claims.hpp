// SPDX-License-Identifier: GPL-2.0-only
// Where a kernel's word about memory is not so (architecture §7, decision D3).
//
// A claim `own(range, from, to)` is held against the map's own record of `from` and against the table of transitions;
// what nobody needs to claim — entry list, page tables, tracker — is read from RAM when a kernel is left and held
// against the map (derived.hpp). Each difference is a fault: the machine keeps them, whoever drives it judges them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "model/phase.hpp"
#include "model/sites.hpp"
#include "sim/bytes.hpp"
#include "sim/ownership/ownership_map.hpp"

namespace baton::sim {

/// What the bytes of a machine that is being left say about a frame.
enum class Reading : u8 {
    kNone,
    // The frame should have another owner than it has.
    kListReads,
    kListPage,
    kListWrites,
    kControlPage,
    kSwapPage,
    kKexecTable,
    kKernelTable,
    kTrackerBlock,
    kTrackerPage,
    kScratchArea,
    // The frame has an owner that nothing bears out.
    kNotRead,
    kNotListed,
    kNotUsed,
    kNotWalked,
    kNotHandedOver,
    kCount,
};

struct ClaimFault {
    enum class Kind : u8 {
        kOwner,       // `from` is not whose the frames are by the record
        kTransition,  // no frame goes from `from` to `to`, or not in this phase
        kBytes,       // the record is not what RAM says
        kCount,
    };
    Kind kind = Kind::kOwner;
    PhysRange range;  // the first run that is wrong
    Owner from = Owner::kNobody;
    Owner to = Owner::kNobody;
    Owner recorded = Owner::kNobody;
    Reading reading = Reading::kNone;
    // Filled in by the machine.
    Site site = Site::kCount;  // the last one before; kCount: none in this step
    u64 nth = 0;
    Phase phase = Phase::kLoad;
    bool operator==(const ClaimFault&) const = default;
};

/// One line: where, what was claimed, what is so, when.
std::string to_text(const ClaimFault& fault);

/// The first thing wrong with a claim; nothing is allocated. Of a frame that the range covers in part, part may have
/// changed hands before: it may be `to` already.
std::optional<ClaimFault> judge_claim(const OwnershipMap& map, PhysRange range, Owner from, Owner to, Phase phase);

/// The faults of a run, in order. Bounded: a kernel that is wrong once is often wrong a million times.
class ClaimLog {
public:
    static constexpr std::size_t kKept = 1000;
    struct State {
        std::vector<ClaimFault> faults;
        u64 dropped = 0;  // how many more there were
        bool operator==(const State&) const = default;
    };

    void add(const ClaimFault& fault);
    const std::vector<ClaimFault>& faults() const { return state_.faults; }
    u64 dropped() const { return state_.dropped; }
    u64 count() const { return state_.faults.size() + state_.dropped; }

    const State& snapshot() const { return state_; }
    void restore(const State& state) { state_ = state; }
    void save(ByteWriter& to) const;
    /// Throws SaveError.
    void load(ByteReader& from);

private:
    State state_;
};

}  // namespace baton::sim
