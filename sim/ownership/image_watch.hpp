// SPDX-License-Identifier: GPL-2.0-only
// How far a kexec has come: which pages are in place, which of them a digest has seen, what the new kernel took first.
// Learned from schedule points alone, so it is the same on every target.
#pragma once

#include "model/sites.hpp"
#include "sim/bytes.hpp"
#include "sim/ownership/races.hpp"
#include "sim/ownership/range_set.hpp"

namespace baton::sim {

class ImageWatch {
public:
    /// What lies at a segment's destination.
    enum class Role : u32 { kOther, kPurgatory, kInitrd };
    struct Segment {
        PhysRange range;
        Role role = Role::kOther;
        bool operator==(const Segment&) const = default;
    };

    /// A kernel is left: nothing is copied yet.
    void jump(std::vector<Segment> segments, bool has_digest, u64 page_size);
    /// What it hands over, and where the next one will live.
    void add_metadata(PhysRange range) { metadata_.add(range); }
    void add_scratch(PhysRange area) { scratch_.add(area); }
    bool in_scratch(PhysRange range) const { return scratch_.touches(range); }
    void at(Site site, u64 arg0, u64 arg1);
    /// A kernel was entered at `image`.
    void enter(PhysRange image);
    /// The running kernel took memory.
    void take(PhysRange range, Owner to, Phase phase);

    WriteTarget target(PhysRange range) const;
    /// The content of this source page is where it is to go.
    bool is_copied(PhysRange source) const { return sources_.touches(source); }
    bool operator==(const ImageWatch&) const = default;
    void save(ByteWriter& to) const;
    void load(ByteReader& from);

private:
    std::vector<Segment> segments_;
    RangeSet metadata_;
    RangeSet scratch_;
    RangeSet copied_;
    RangeSet sources_;
    RangeSet hashed_;
    RangeSet early_;
    PhysRange moved_{};
    u64 page_size_ = 4096;
    bool has_digest_ = false;
    bool digest_right_ = false;
    bool purgatory_done_ = false;
    bool up_ = true;  // the running kernel has unpacked its initrd: what was loaded is its own memory now
};

}  // namespace baton::sim
