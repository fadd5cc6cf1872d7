// SPDX-License-Identifier: GPL-2.0-only
// The preserved blocks as memory: which bytes they cover, whatever their orders. Building sorts once; questions are
// binary searches, so that tens of thousands of blocks and regions stay cheap.
#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include "model/types.hpp"

namespace baton::sim {

class Coverage {
public:
    Coverage() = default;
    /// Ranges in any order, overlapping or not; none may wrap.
    explicit Coverage(std::vector<PhysRange> ranges) {
        std::ranges::sort(ranges, {}, &PhysRange::start);
        for (const PhysRange& r : ranges) {
            if (r.empty()) continue;
            if (!merged_.empty() && r.start <= merged_.back().end()) {
                const PhysAddr end = std::max(r.end(), merged_.back().end());
                merged_.back().size = end - merged_.back().start;
            } else
                merged_.push_back(r);
        }
    }
    bool covers(const PhysRange& r) const {
        const PhysRange* m = at_or_before(r.start);
        return m != nullptr && r.size <= ~u64{0} - r.start.value && m->contains(r);
    }
    bool touches(const PhysRange& r) const {
        if (r.empty()) return false;
        const PhysRange* m = at_or_before(r.start);
        if (m != nullptr && m->contains(r.start)) return true;
        const PhysRange* next = m == nullptr ? merged_.data() : m + 1;
        return next != merged_.data() + merged_.size() && next->start - r.start < r.size;
    }
    std::span<const PhysRange> ranges() const { return merged_; }
    bool empty() const { return merged_.empty(); }

private:
    const PhysRange* at_or_before(PhysAddr a) const {
        const auto after = std::ranges::upper_bound(merged_, a, {}, &PhysRange::start);
        return after == merged_.begin() ? nullptr : &*std::prev(after);
    }
    std::vector<PhysRange> merged_;  // ascending, not touching
};

}  // namespace baton::sim
