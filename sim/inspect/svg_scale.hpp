// SPDX-License-Identifier: GPL-2.0-only
// The x axis of a memory map.
#pragma once

#include <algorithm>
#include <vector>

#include "model/types.hpp"

namespace baton::sim {

/// From addresses to pixels, over ranges side by side.
class Scale {
public:
    Scale(const std::vector<PhysRange>& ranges, double x0, double x1) {
        u64 total = 0;
        for (const PhysRange& r : ranges) total += r.size;
        for (u64 hole_max = total / 8;; hole_max = hole_max * 2 + 1) {
            merge(ranges, hole_max);
            if (parts_.size() <= kPartsMax) break;
        }
        total = 0;
        for (const Part& p : parts_) total += p.range.size;
        const double room = x1 - x0 - kCut * static_cast<double>(parts_.size() - 1);
        double x = x0;
        for (Part& p : parts_) {
            p.x0 = x;
            p.x1 = x + room * static_cast<double>(p.range.size) / static_cast<double>(total);
            x = p.x1 + kCut;
        }
    }
    struct Part {
        PhysRange range;
        double x0;
        double x1;
    };
    const std::vector<Part>& parts() const { return parts_; }
    /// Where the parts of `r` that are in the picture lie.
    template <class F>
    void each(const PhysRange& r, F&& f) const {
        for (const Part& p : parts_) {
            const PhysAddr start = std::max(r.start, p.range.start);
            const PhysAddr end = std::min(r.end(), p.range.end());
            if (start < end) f(at(p, start), at(p, end));
        }
    }
    static double at(const Part& p, PhysAddr a) {
        return p.x0 + (p.x1 - p.x0) * static_cast<double>(a - p.range.start) / static_cast<double>(p.range.size);
    }

    static constexpr double kCut = 22;  // width of a hole that is cut

private:
    static constexpr u64 kPartsMax = 12;

    /// Narrow holes are part of the picture, wide ones are cut.
    void merge(const std::vector<PhysRange>& ranges, u64 hole_max) {
        parts_.clear();
        for (const PhysRange& r : ranges) {
            if (!parts_.empty() && r.start - parts_.back().range.end() <= hole_max)
                parts_.back().range.size = r.end() - parts_.back().range.start;
            else
                parts_.push_back({r, 0, 0});
        }
    }
    std::vector<Part> parts_;
};

}  // namespace baton::sim
