// SPDX-License-Identifier: GPL-2.0-only
// Ranges that grow at their end: what relocation has copied, what a digest has covered. Few of them, plain data.
#pragma once

#include <vector>

#include "model/types.hpp"

namespace baton::sim {

class RangeSet {
public:
    void add(PhysRange r) {
        if (r.empty()) return;
        if (!ranges_.empty() && ranges_.back().end() == r.start)
            ranges_.back().size += r.size;
        else
            ranges_.push_back(r);
    }
    bool touches(PhysRange r) const {
        for (const PhysRange& have : ranges_)
            if (have.start < r.end() && r.start < have.end()) return true;
        return false;
    }
    void clear() { ranges_.clear(); }
    const std::vector<PhysRange>& ranges() const { return ranges_; }
    bool operator==(const RangeSet&) const = default;

private:
    std::vector<PhysRange> ranges_;
};

}  // namespace baton::sim
