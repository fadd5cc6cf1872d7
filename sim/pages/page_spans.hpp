// SPDX-License-Identifier: GPL-2.0-only
// Sets of pages as sorted, disjoint spans: what a census counts with.
#pragma once

#include <vector>

#include "model/types.hpp"

namespace baton::sim {

/// [first, end) by page number.
struct PageSpan {
    u64 first = 0;
    u64 end = 0;
    u64 pages() const { return end - first; }
};

class PageSpans {
public:
    void add(PageSpan span) {
        if (span.first < span.end) spans_.push_back(span);
    }
    /// Sorts and joins. False if spans overlapped; `overlap` is then the first page that is in two.
    bool settle(u64& overlap);
    /// Pages of `span` that are in the set.
    u64 count(PageSpan span) const;
    bool has(u64 page) const { return count({page, page + 1}) != 0; }
    /// The first page at or after `page`, below `end`, that is not in the set; `end` if there is none.
    u64 first_missing(u64 page, u64 end) const;
    /// The first that is in the set; `end` if there is none.
    u64 first_present(u64 page, u64 end) const;
    u64 pages() const;
    const std::vector<PageSpan>& spans() const { return spans_; }

private:
    std::vector<PageSpan>::const_iterator ending_above(u64 page) const;
    std::vector<PageSpan> spans_;
};

}  // namespace baton::sim
