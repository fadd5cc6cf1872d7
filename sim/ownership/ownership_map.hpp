// SPDX-License-Identifier: GPL-2.0-only
// Who owns which frame: the oracle that every write of a bus master and every `own` of a kernel is checked against
// (architecture §7, decisions D3, D13).
//
// Shaped like a 4-level page table: a table has 512 entries, each an owner for the whole of its frames — 512 GiB, 1
// GiB, 2 MiB, 4 KiB — or a table. Equal entries fold back into one, so the map costs what the ownership is scattered,
// not what the machine has: a byte per 2 MiB, and 512 bytes where a 2 MiB block is shared. Tables are copied when
// written while a snapshot holds them, so a snapshot is one pointer.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <vector>

#include "model/geometry.hpp"
#include "model/owner.hpp"
#include "sim/bytes.hpp"

namespace baton::sim {

struct OwnedRun {
    PhysRange range;
    Owner owner = Owner::kNobody;
    bool operator==(const OwnedRun&) const = default;
};

class OwnershipMap {
    struct Table;
    using TableRef = std::shared_ptr<Table>;

public:
    /// Frames the map knows: 256 TiB. Those above belong to nobody, for ever.
    static constexpr u64 kFrames = u64{1} << 36;

    /// Cheap to copy. It stays on the thread of its machine.
    class State {
        friend class OwnershipMap;
        TableRef root_;
        std::array<u64, static_cast<u32>(Owner::kCount)> counts_{};
    };

    /// Everything belongs to nobody.
    OwnershipMap();

    /// Every frame that the range touches gets the owner: memory is owned by whole frames.
    void set(PhysRange range, Owner owner);
    Owner at(u64 frame) const;
    Owner at(PhysAddr address) const { return at(address.value >> kFrameShift); }
    /// The first run of the frames that `range` touches that are not `owner`'s; nothing when all are. Allocates
    /// nothing.
    std::optional<OwnedRun> first_other(PhysRange range, Owner owner) const;
    bool all(PhysRange range, Owner owner) const { return !first_other(range, owner); }
    /// The frames that `range` touches, as the fewest runs, ascending and without gaps.
    std::vector<OwnedRun> runs(PhysRange range) const;
    /// All that belongs to somebody, as the fewest runs, ascending.
    std::vector<OwnedRun> runs() const;
    /// Frames of an owner; of kNobody, those outside RAM too.
    u64 count(Owner owner) const { return state_.counts_[static_cast<u32>(owner)]; }

    State snapshot() const { return state_; }
    void restore(const State& state) { state_ = state; }
    void save(ByteWriter& to) const;
    /// Replaces everything; throws SaveError and changes nothing if the bytes are no map.
    void load(ByteReader& from);

private:
    /// The entry is a table.
    static constexpr Owner kMixed = Owner::kCount;
    static constexpr u32 kTopLevel = 3;
    static constexpr u64 frames_per_entry(u32 level) { return u64{1} << (9 * level); }

    static Table& writable(TableRef& table);
    void set_below(TableRef& table, u32 level, u64 first, u64 end, Owner owner);
    void replace_entry(Table& table, u64 entry, u32 level, Owner owner);
    void discount(const Table& table, u32 level);
    static bool find_other(const Table& table, u32 level, u64 base, u64 first, u64 end, Owner owner, OwnedRun& found);
    static void append_runs(const Table& table, u32 level, u64 base, u64 first, u64 end, std::vector<OwnedRun>& to);

    State state_;
};

}  // namespace baton::sim
