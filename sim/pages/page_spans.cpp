// SPDX-License-Identifier: GPL-2.0-only
#include "sim/pages/page_spans.hpp"

#include <algorithm>

namespace baton::sim {

bool PageSpans::settle(u64& overlap) {
    std::ranges::sort(spans_, {}, &PageSpan::first);
    bool disjoint = true;
    std::vector<PageSpan> joined;
    for (const PageSpan& s : spans_) {
        if (joined.empty() || s.first > joined.back().end) {
            joined.push_back(s);
            continue;
        }
        if (s.first < joined.back().end && disjoint) {
            overlap = s.first;
            disjoint = false;
        }
        joined.back().end = std::max(joined.back().end, s.end);
    }
    spans_ = std::move(joined);
    return disjoint;
}

std::vector<PageSpan>::const_iterator PageSpans::ending_above(u64 page) const {
    return std::ranges::upper_bound(spans_, page, {}, &PageSpan::end);
}

u64 PageSpans::count(PageSpan span) const {
    u64 sum = 0;
    for (auto s = ending_above(span.first); s != spans_.end() && s->first < span.end; ++s)
        sum += std::min(s->end, span.end) - std::max(s->first, span.first);
    return sum;
}

u64 PageSpans::first_missing(u64 page, u64 end) const {
    for (auto s = ending_above(page); s != spans_.end() && s->first <= page; ++s) page = s->end;
    return std::min(page, end);
}

u64 PageSpans::first_present(u64 page, u64 end) const {
    const auto s = ending_above(page);
    return s == spans_.end() ? end : std::min(std::max(s->first, page), end);
}

u64 PageSpans::pages() const {
    u64 sum = 0;
    for (const PageSpan& s : spans_) sum += s.pages();
    return sum;
}

}  // namespace baton::sim
