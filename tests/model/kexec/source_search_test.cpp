// SPDX-License-Identifier: GPL-2.0-only
// The two searches of the source-page allocator (specs/kexec.md §3.1): by naive search and by ours, results and cost.
#include <algorithm>
#include <optional>
#include <random>

#include "tests/catch.hpp"
#include "tests/model/kexec/list_bench.hpp"

using namespace baton;
using namespace baton::kexec;
using namespace baton::test;

TEST_CASE("source pages: waiting pages are found in any order, at the cost of a search from the newest") {
    for (u64 seed = 0; seed < 30; ++seed) {
        CAPTURE(seed);
        std::mt19937_64 random(seed);
        Bench b;
        std::vector<PhysAddr> pages;
        for (int i = 0; i < 300; ++i) pages.push_back(*take_page(b.k, AllocSite::kUser));
        if (seed % 3 == 1) std::ranges::sort(pages);
        if (seed % 3 == 2) std::ranges::shuffle(pages, random);
        std::vector<PhysAddr> naive;  // the newest last
        WaitingPages waiting{};
        u64 next = 0;
        const auto links = [&b](auto&& action) {
            const u64 before = b.m.charged(Work::kListLinks);
            action();
            return b.m.charged(Work::kListLinks) - before;
        };
        for (int i = 0; i < 1000; ++i) {
            if (next < pages.size() && random() % 3 != 0) {
                naive.push_back(pages[next]);
                CHECK(links([&] { add_waiting(b.k, waiting, pages[next++]); }) == 1);
                continue;
            }
            // Neighbours of the last one taken are asked for as often as any others, and pages that do not wait.
            const PhysAddr wanted = pages[seed % 2 == 0 ? random() % pages.size() : static_cast<u64>(i) % pages.size()];
            const auto at = std::ranges::find(naive, wanted);
            const bool waits = at != naive.end();
            const auto place = static_cast<u64>(naive.end() - at);
            bool taken = false;
            REQUIRE(links([&] { taken = take_waiting(b.k, waiting, wanted); }) == (waits ? place : naive.size()));
            REQUIRE(taken == waits);
            if (!waits) continue;
            naive.erase(at);
            release_page(b.k, wanted, Owner::kKernel);
            const PhysAddr again = *take_page(b.k, AllocSite::kUser);  // last in, first out
            REQUIRE(again == wanted);
        }
        REQUIRE(waiting.count == naive.size());
        for (const PhysAddr p : pages)
            if (std::ranges::find(naive, p) == naive.end()) release_page(b.k, p, Owner::kKernel);
        free_waiting(b.k, waiting);
        CHECK(mm::counts(b.k).free_pages == b.free_before);
        CHECK(b.m.warnings == 0);
    }
}

TEST_CASE("source pages: the source of a destination is found where a walk word by word finds it, at the same cost") {
    std::mt19937_64 random(3);
    Bench b;
    REQUIRE(alloc_control(b.k, b.image));
    random_segments(b, random, 4, 700);
    REQUIRE(copy_segments(b.k, b.image));
    const auto slot_by_walk = [&b](PhysAddr wanted) -> std::optional<PhysAddr> {
        for (EntryWalker w(b.image, b.page); w.next();)
            if (w.is_source() && w.destination() == wanted) return w.slot();
        return std::nullopt;
    };
    const auto cost = [&b](auto&& action) {
        const u64 before = b.m.charged(Work::kEntriesWalked);
        action();
        return b.m.charged(Work::kEntriesWalked) - before;
    };
    const auto compare = [&](PhysAddr wanted) {
        std::optional<PhysAddr> walked;
        std::optional<PhysAddr> found;
        const u64 walk = cost([&] { walked = slot_by_walk(wanted); });
        REQUIRE(cost([&] { found = find_source(b.image, b.page, wanted); }) == walk);
        REQUIRE(found == walked);
        return found.has_value();
    };
    const auto compare_all = [&] {
        u64 found = 0;
        for (u64 page = 0; page < b.m.ram().size; page += b.page) found += compare(b.m.ram().start + page);
        return found;
    };
    u64 pages = 0;
    for (u32 i = 0; i < b.image.segment_count; ++i) pages += b.image.segments[i].memsz / b.page;
    CHECK(compare_all() == pages);  // while it grows
    terminate(b.image);
    CHECK(compare_all() == pages);
    // Overwritten words: another destination, a word of no kind, an early end.
    const PhysAddr first{b.image.head & ~(b.page - 1)};
    for (const u64 word : {u64{0x5000} | kEntryDestination, u64{0x5000}, u64{0x5000} | kEntrySource | kEntryDestination,
                           u64{kEntryDone}, u64{0}}) {
        ram::store(first + (random() % 511) * sizeof(u64), word);
        CHECK(compare_all() <= pages);
    }
    init_list(b.image);
    CHECK_FALSE(compare(b.m.ram().start));
}
