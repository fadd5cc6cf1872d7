// SPDX-License-Identifier: GPL-2.0-only
#include "sim/memory/physical_memory.hpp"

#include <set>
#include <stdexcept>

#include "sim/random.hpp"
#include "tests/catch.hpp"

using namespace baton;
using namespace baton::sim;

namespace {

/// x86-64 as decision D21 lays it out: the largest range is not the first.
const std::vector<PhysRange> kRam = {{{0}, 0xa0000}, {{1 * kMiB}, 255 * kMiB}, {{4 * kGiB}, 512 * kMiB}};

std::vector<u64> members(const FrameSet& set) {
    std::vector<u64> frames;
    set.for_each([&](u64 frame) { frames.push_back(frame); });
    return frames;
}

}  // namespace

TEST_CASE("frame set: members come back ascending, and drain empties it") {
    FrameSet set(8 * kGiB / kFrameSize * 1024);  // 8 TiB
    const std::vector<u64> frames = {
        0, 63, 64, 4095, 4096, (u64{1} << 18) - 1, u64{1} << 18, (u64{1} << 24) + 5, (u64{1} << 31) - 1};
    for (auto f = frames.rbegin(); f != frames.rend(); ++f) set.insert(*f);
    set.insert(64);
    CHECK(members(set) == frames);
    CHECK(set.count() == frames.size());
    CHECK(set.contains(4096));
    CHECK_FALSE(set.contains(4097));

    std::vector<u64> words;
    set.drain([&](u64 word, u64 bits) {
        CHECK(bits != 0);
        words.push_back(word);
    });
    CHECK(words == std::vector<u64>{0, 1, 63, 64, 4095, 4096, u64{1} << 18, (u64{1} << 25) - 1});
    CHECK(set.empty());
    CHECK(members(set).empty());
    CHECK_FALSE(set.contains(4096));
}

TEST_CASE("frame set: agrees with std::set over random inserts and clears") {
    constexpr u64 kFrames = u64{1} << 33;
    FrameSet set(kFrames);
    std::set<u64> naive;
    Random random(7, 1);
    for (int round = 0; round < 20; ++round) {
        for (int i = 0; i < 200; ++i) {
            // Near ones share words, far ones share nothing.
            const u64 frame = random.bounded(2) != 0 ? random.bounded(kFrames) : random.bounded(1000);
            set.insert(frame);
            naive.insert(frame);
        }
        REQUIRE(members(set) == std::vector<u64>(naive.begin(), naive.end()));
        if (round % 3 == 2) {
            set.clear();
            naive.clear();
            REQUIRE(set.empty());
        }
    }
}

TEST_CASE("physical memory: is zero at power-on and holds what is written") {
    PhysicalMemory memory(kRam);
    CHECK(memory.size_bytes() == 0xa0000 + 767 * kMiB);
    CHECK(memory.frame_count() == (4 * kGiB + 512 * kMiB) / kFrameSize);
    CHECK(memory.load<u64>({4 * kGiB + 512 * kMiB - 8}) == u64{0});

    const u8 bytes[] = {1, 2, 3, 4};
    CHECK(memory.write({4 * kGiB - 4 + 4}, bytes));
    CHECK(memory.load<u32>({4 * kGiB}) == 0x04030201u);
    CHECK(memory.store({0x1ffe}, u32{0xaabbccdd}));
    u8 back[4] = {};
    CHECK(memory.read({0x1ffe}, back));
    CHECK((back[0] == 0xdd && back[3] == 0xaa));
    CHECK(members(memory.ever()) == std::vector<u64>{1, 2, 4 * kGiB / kFrameSize});
}

TEST_CASE("physical memory: an access that is not all RAM is refused and changes nothing") {
    PhysicalMemory memory(kRam);
    u8 two[2] = {7, 7};
    for (const u64 at : {u64{0x9ffff}, u64{0xa0000}, u64{0xfffff}, 4 * kGiB - 1, 4 * kGiB + 512 * kMiB - 1, ~u64{0}}) {
        CAPTURE(at);
        CHECK_FALSE(memory.write({at}, two));
        CHECK_FALSE(memory.read({at}, two));
        CHECK_FALSE(memory.store({at}, u16{1}));
        CHECK(memory.claim({{at}, 2}) == nullptr);
        CHECK_FALSE(memory.load<u16>({at}).has_value());
    }
    CHECK(memory.bytes({{1 * kMiB}, ~u64{0}}) == nullptr);
    CHECK(memory.ever().empty());
    CHECK(memory.write({0x9ffff}, std::span(two).first(1)));
    CHECK(memory.write({0xa0000}, {}));
    CHECK(memory.ever().count() == 1);
}

TEST_CASE("physical memory: 16 TiB cost nothing, and their last byte works") {
    const PhysRange ranges[] = {{{0}, 3 * kGiB}, {{4 * kGiB}, 16 * kTiB - 3 * kGiB}};
    PhysicalMemory memory(ranges);
    CHECK(memory.size_bytes() == 16 * kTiB);
    CHECK(memory.store({16 * kTiB + 1 * kGiB - 1}, u8{9}));
    CHECK(members(memory.ever()) == std::vector<u64>{(16 * kTiB + 1 * kGiB) / kFrameSize - 1});
}

TEST_CASE("physical memory: layouts that make no machine are refused") {
    const auto refused = [](std::vector<PhysRange> ram) {
        CHECK_THROWS_AS(PhysicalMemory(ram), std::invalid_argument);
    };
    refused({});
    refused({{{0}, 0}});
    refused({{{0x800}, 0x1000}});
    refused({{{0x1000}, 0x1800}});
    refused({{{0}, 0x3000}, {{0x2000}, 0x1000}});
    refused({{{32 * kTiB}, 0x1000}});
    refused({{{0x1000}, 32 * kTiB}});
    refused({{{~u64{0xfff}}, 0x2000}});
    std::vector<PhysRange> many;
    for (u64 i = 0; i < platform::RamView::kRangesMax; ++i) many.push_back({{i * 0x2000}, 0x1000});
    CHECK_NOTHROW(PhysicalMemory(many));
    many.push_back({{many.size() * 0x2000}, 0x1000});
    refused(many);
}

TEST_CASE("physical memory: touching ranges are one, so an access may cross their border") {
    const PhysRange ranges[] = {{{0x2000}, 0x1000}, {{0x1000}, 0x1000}, {{0x5000}, 0x1000},
                                {{0x3000}, 0x1000}, {{0x7000}, 0x1000}, {{0x8000}, 0x1000}};
    PhysicalMemory memory(ranges);
    REQUIRE(memory.ranges().size() == 3);
    CHECK(memory.ranges()[0] == PhysRange{{0x1000}, 0x3000});
    CHECK(memory.store({0x1ffc}, u64{1}));
}

TEST_CASE("physical memory: the view of a kernel and the host mark the same bitmap") {
    PhysicalMemory memory(kRam);
    const platform::RamView& view = memory.view();
    REQUIRE(view.range_count == 3);
    CHECK(view.ranges[0] == kRam[2]);  // the largest first
    DirtyClient client(memory);
    platform::ram_view = view;
    *platform::direct_map({4 * kGiB + 0x2345}, 1) = std::byte{1};
    platform::mark_dirty({4 * kGiB + 0x2fff}, 2);
    platform::mark_dirty({0x5000}, 0);
    platform::ram_view = {};
    CHECK(memory.store({0}, u8{1}));
    const u64 base = 4 * kGiB / kFrameSize;
    CHECK(members(client.frames()) == std::vector<u64>{0, base + 2, base + 3});
    CHECK(memory.load<u8>({4 * kGiB + 0x2345}) == u8{1});
}

TEST_CASE("dirty clients: each sees every write once, whatever the others do") {
    PhysicalMemory memory(kRam);
    DirtyClient eager(memory);
    DirtyClient lazy(memory);
    CHECK(memory.store({0x1000}, u8{1}));
    CHECK(members(eager.frames()) == std::vector<u64>{1});
    eager.clear();
    CHECK(members(eager.frames()).empty());
    CHECK(memory.store({0x1000}, u8{2}));
    CHECK(memory.store({0x2000}, u8{2}));
    CHECK(members(eager.frames()) == std::vector<u64>{1, 2});
    CHECK(members(lazy.frames()) == std::vector<u64>{1, 2});
    {
        DirtyClient late(memory);
        CHECK(members(late.frames()) == std::vector<u64>{1, 2});
    }
    CHECK(memory.store({0x3000}, u8{3}));  // after a client went away
    CHECK(members(lazy.frames()) == std::vector<u64>{1, 2, 3});
    CHECK(members(memory.ever()) == std::vector<u64>{1, 2, 3});
}

TEST_CASE("physical memory: a power-on pattern is not a write") {
    const PhysRange ram[] = {{{0}, 1 * kMiB}, {{2 * kMiB}, 1 * kMiB}};
    PhysicalMemory memory(ram);
    memory.fill_pattern(0xa5);
    CHECK(memory.load<u32>({3 * kMiB - 4}) == 0xa5a5a5a5u);
    CHECK(memory.ever().empty());
    CHECK(memory.is_background(memory.frame(3)));

    u8 page[kFrameSize] = {};
    page[kFrameSize - 1] = 1;
    memory.set_frame(3, page);
    CHECK(memory.load<u16>({0x3ffe}) == u16{0x100});
    CHECK_FALSE(memory.is_background(memory.frame(3)));
    memory.set_frame(3, nullptr);
    CHECK(memory.is_background(memory.frame(3)));
    CHECK(members(memory.ever()) == std::vector<u64>{3});
    CHECK_THROWS_AS(memory.fill_pattern(0), std::logic_error);
}
