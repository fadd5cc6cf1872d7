// SPDX-License-Identifier: GPL-2.0-only
// Spans against a set of numbers.
#include "sim/pages/page_spans.hpp"

#include <set>

#include "sim/random.hpp"
#include "tests/catch.hpp"

namespace baton::sim {
namespace {

TEST_CASE("page spans: counting and searching agree with a set of pages") {
    Random random(7, 0);
    for (int round = 0; round < 200; ++round) {
        PageSpans spans;
        std::set<u64> pages;
        bool disjoint = true;
        for (int i = 0; i < 12; ++i) {
            const u64 first = random.bounded(200);
            const PageSpan span{first, first + random.bounded(12)};
            spans.add(span);
            for (u64 p = span.first; p < span.end; ++p) disjoint &= pages.insert(p).second;
        }
        u64 twice = 0;
        REQUIRE(spans.settle(twice) == disjoint);
        CHECK(spans.pages() == pages.size());
        for (u64 p = 0; p < 215; ++p) {
            REQUIRE(spans.has(p) == pages.contains(p));
            u64 missing = p;
            while (missing < 215 && pages.contains(missing)) ++missing;
            REQUIRE(spans.first_missing(p, 215) == missing);
            u64 present = p;
            while (present < 215 && !pages.contains(present)) ++present;
            REQUIRE(spans.first_present(p, 215) == present);
            u64 inside = 0;
            for (u64 q = p; q < std::min<u64>(p + 30, 215); ++q) inside += pages.contains(q) ? 1 : 0;
            REQUIRE(spans.count({p, std::min<u64>(p + 30, 215)}) == inside);
        }
    }
}

TEST_CASE("page spans: the first page that is in two spans is named, and touching ones are joined") {
    PageSpans spans;
    spans.add({10, 20});
    spans.add({30, 40});
    spans.add({20, 30});
    u64 twice = 0;
    CHECK(spans.settle(twice));
    CHECK(spans.spans().size() == 1);
    spans.add({39, 41});
    CHECK_FALSE(spans.settle(twice));
    CHECK(twice == 39);
}

}  // namespace
}  // namespace baton::sim
