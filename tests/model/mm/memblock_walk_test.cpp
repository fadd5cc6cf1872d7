// SPDX-License-Identifier: GPL-2.0-only
// Walks over memory, over what is reserved, over what is free, in both directions and in pages (specs/memblock.md
// §3.4).
#include <algorithm>

#include "tests/catch.hpp"
#include "tests/support/memblock_rig.hpp"

namespace baton::test {
namespace {

using Ranges = std::vector<PhysRange>;

enum class Way { kUp, kDown };

Ranges walk(const MemblockRig& rig, const memblock::Walk& w, Way way) {
    Ranges seen;
    memblock::FreeCursor cursor;
    FreeRange f;
    const auto next = way == Way::kUp ? &memblock::next_range : &memblock::previous_range;
    while (next(rig.mb, w, cursor, f)) seen.push_back(f.range);
    CHECK_FALSE(next(rig.mb, w, cursor, f));  // the end stays the end
    if (way == Way::kDown) std::reverse(seen.begin(), seen.end());
    return seen;
}

/// Both directions must agree.
Ranges both_ways(const MemblockRig& rig, const memblock::Walk& w) {
    const Ranges up = walk(rig, w, Way::kUp);
    CHECK(walk(rig, w, Way::kDown) == up);
    return up;
}

Ranges free_ranges(const MemblockRig& rig, u32 flags = 0, NodeId nid = kNoNode) {
    return both_ways(rig, {.a = rig.mb.memory, .b = &rig.mb.reserved, .nid = nid, .flags = flags});
}

PhysRange mib(u64 at, u64 size) { return {{at * kMiB}, size * kMiB}; }

TEST_CASE("memblock: what is free is memory minus reserved, the same in both directions") {
    MemblockRig rig;
    memblock::add(rig.mb, mib(1, 4), {0}).value();
    memblock::add(rig.mb, mib(5, 3), {1}).value();
    memblock::add(rig.mb, mib(16, 1), {1}, kMemblockNomap).value();
    memblock::reserve(rig.mb, mib(0, 2)).value();
    memblock::reserve(rig.mb, mib(3, 1)).value();
    CHECK(free_ranges(rig) == Ranges{mib(2, 1), mib(4, 1), mib(5, 3)});
    CHECK(free_ranges(rig, 0, {1}) == Ranges{mib(5, 3)});
    CHECK(free_ranges(rig, 0, {2}).empty());
    CHECK(free_ranges(rig, 0, {kMemblockNodesMax}).size() == 3);  // no node: any
    CHECK(free_ranges(rig, kMemblockNomap) == Ranges{mib(2, 1), mib(4, 1), mib(5, 3), mib(16, 1)});
}

TEST_CASE("memblock: between touching reservations lies an empty range, which is yielded") {
    MemblockRig rig;
    memblock::add(rig.mb, mib(1, 8)).value();
    memblock::reserve(rig.mb, mib(3, 1)).value();
    memblock::reserve(rig.mb, mib(4, 1), kNoNode, kMemblockReservedNoinit).value();
    CHECK(free_ranges(rig) == Ranges{mib(1, 2), mib(4, 0), mib(5, 4)});
    // Not at the border of a memory region, where the range is passed.
    memblock::remove(rig.mb, mib(1, 3)).value();
    CHECK(free_ranges(rig) == Ranges{mib(5, 4)});
}

TEST_CASE("memblock: nothing reserved, nothing added, all reserved") {
    MemblockRig rig;
    CHECK(free_ranges(rig).empty());
    memblock::add(rig.mb, mib(0, 4)).value();
    CHECK(free_ranges(rig) == Ranges{mib(0, 4)});
    memblock::reserve(rig.mb, {{0}, ~u64{0}}).value();
    CHECK(free_ranges(rig).empty());
    memblock::remove(rig.mb, mib(0, 4)).value();
    CHECK(free_ranges(rig).empty());
    memblock::release(rig.mb, {{0}, ~u64{0}}).value();
    memblock::add(rig.mb, {{0}, ~u64{0}}).value();
    CHECK(free_ranges(rig) == Ranges{{{0}, ~u64{0}}});
}

// One region of each flag, a MiB each, from 0 on.
TEST_CASE("memblock: which flags a walk passes over") {
    MemblockRig rig;
    const u32 all[] = {kMemblockNone,  kMemblockHotplug,       kMemblockMirror,
                       kMemblockNomap, kMemblockDriverManaged, kMemblockKhoScratch};
    for (u64 i = 0; i < std::size(all); ++i) memblock::add(rig.mb, mib(i, 1), kNoNode, all[i]).value();
    const Ranges none = {mib(0, 1), mib(1, 1), mib(2, 1), mib(5, 1)};
    CHECK(free_ranges(rig) == none);
    CHECK(free_ranges(rig, kMemblockNomap) == Ranges{mib(0, 1), mib(1, 1), mib(2, 1), mib(3, 1), mib(5, 1)});
    CHECK(free_ranges(rig, kMemblockDriverManaged) == Ranges{mib(0, 1), mib(1, 1), mib(2, 1), mib(4, 1), mib(5, 1)});
    CHECK(free_ranges(rig, kMemblockMirror) == Ranges{mib(2, 1)});
    CHECK(free_ranges(rig, kMemblockKhoScratch) == Ranges{mib(5, 1)});
    CHECK(free_ranges(rig, kMemblockKhoScratch | kMemblockMirror).empty());
    CHECK(free_ranges(rig, kMemblockHotplug) == none);
    rig.mb.movable_node = 1;
    CHECK(free_ranges(rig) == Ranges{mib(0, 1), mib(2, 1), mib(5, 1)});
    CHECK(free_ranges(rig, kMemblockHotplug) == none);
    // Memory that the kernel maps: all but NOMAP, hot-pluggable or not.
    CHECK(both_ways(rig, {.a = rig.mb.memory, .flags = memblock::kMemblockMapped}).size() == 5);
}

TEST_CASE("memblock: a walk over one list yields its regions; filters are for memory only") {
    MemblockRig rig;
    memblock::reserve(rig.mb, mib(1, 1), {3}, kMemblockReservedNoinit).value();
    memblock::reserve(rig.mb, mib(4, 2), kNoNode, kMemblockNomap).value();
    memblock::physmem_add(rig.mb, mib(0, 4)).value();
    CHECK(both_ways(rig, {.a = rig.mb.reserved, .nid = {1}}) == Ranges{mib(1, 1), mib(4, 2)});
    CHECK(both_ways(rig, {.a = rig.mb.physmem}) == Ranges{mib(0, 4)});
    CHECK(both_ways(rig, {.a = rig.mb.physmem, .b = &rig.mb.reserved}) == Ranges{mib(0, 1), mib(2, 2)});
    CHECK(both_ways(rig, {.a = rig.mb.memory}).empty());
}

TEST_CASE("memblock: whole pages of memory, region by region") {
    MemblockRig rig;
    memblock::add(rig.mb, {{0x1800}, 0x2800}, {0}).value();                  // pages 2 and 3
    memblock::add(rig.mb, {{0x5800}, 0x800}, {0}).value();                   // none
    memblock::add(rig.mb, {{0x7800}, 0x1000}, {1}).value();                  // none: it straddles
    memblock::add(rig.mb, {{0xa000}, 0x2000}, {1}, kMemblockNomap).value();  // flags do not matter
    const auto pages = [&](NodeId nid) {
        std::vector<std::pair<u64, u64>> seen;
        PfnRange r;
        u64 index = 0;
        while (memblock::next_pfn_range(rig.mb, index, r, nid)) seen.emplace_back(r.start.value, r.end.value);
        return seen;
    };
    CHECK(pages(kNoNode) == std::vector<std::pair<u64, u64>>{{2, 4}, {10, 12}});
    CHECK(pages({1}) == std::vector<std::pair<u64, u64>>{{10, 12}});
    CHECK(pages({2}).empty());
}

TEST_CASE("memblock: free pages of a zone, for deferred initialisation") {
    MemblockRig rig;
    memblock::add(rig.mb, {{0}, 0x100000}, {0}).value();
    memblock::add(rig.mb, {{0x100000}, 0x100000}, {1}).value();
    memblock::reserve(rig.mb, {{0x8000}, 0x800}).value();
    memblock::reserve(rig.mb, {{0x9000}, 0x7000}).value();
    const auto pages = [&](u64 start, u64 end, NodeId nid) {
        std::vector<std::pair<u64, u64>> seen;
        memblock::FreeCursor cursor;
        PfnRange r;
        while (memblock::next_free_in_zone(rig.mb, cursor, {{start}, {end}, nid}, r))
            seen.emplace_back(r.start.value, r.end.value);
        return seen;
    };
    using Pages = std::vector<std::pair<u64, u64>>;
    CHECK(pages(0, 0x200, {0}) == Pages{{0, 8}, {0x10, 0x100}});  // page 8 is free in part only
    CHECK(pages(4, 0x20, {0}) == Pages{{4, 8}, {0x10, 0x20}});
    CHECK(pages(0, 0x200, {1}) == Pages{{0x100, 0x200}});
    CHECK(pages(0, 8, {0}) == Pages{{0, 8}});
    CHECK(pages(8, 0x10, {0}).empty());
}

TEST_CASE("memblock: a full walk is charged as many entries as both lists have") {
    MemblockRig rig;
    memblock::add(rig.mb, {{0}, 200 * kMiB}).value();
    rig.presize(1000, {220 * kMiB});
    memblock::add(rig.mb, {{0}, 200 * kMiB}).value();
    for (u64 i = 0; i < 500; ++i) memblock::reserve(rig.mb, {{kMiB + i * 8192}, 4096}).value();
    const u64 before = rig.machine.charged(Work::kMemblockScans);
    const Way way = GENERATE(Way::kUp, Way::kDown);
    walk(rig, {.a = rig.mb.memory, .b = &rig.mb.reserved}, way);
    CHECK(rig.machine.charged(Work::kMemblockScans) - before == 501);
}

}  // namespace
}  // namespace baton::test
