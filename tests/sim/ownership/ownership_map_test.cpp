// SPDX-License-Identifier: GPL-2.0-only
#include "sim/ownership/ownership_map.hpp"

#include "sim/random.hpp"
#include "tests/catch.hpp"

using namespace baton;
using namespace baton::sim;

namespace {

constexpr u32 kOwners = static_cast<u32>(Owner::kCount);

std::vector<OwnedRun> naive_runs(const std::vector<Owner>& owners, u64 first, u64 end) {
    std::vector<OwnedRun> runs;
    for (u64 f = first; f < end; ++f) {
        if (!runs.empty() && runs.back().owner == owners[f])
            runs.back().range.size += kFrameSize;
        else
            runs.push_back({{{f * kFrameSize}, kFrameSize}, owners[f]});
    }
    return runs;
}

}  // namespace

TEST_CASE("ownership map: agrees with one owner per frame, through snapshots and restores") {
    // Small tables meet at 2 MiB and, from 1 GiB - 4 MiB on, at 1 GiB.
    constexpr u64 kBase = kGiB / kFrameSize - 1024;
    constexpr u64 kCount = 4096;
    OwnershipMap map;
    std::vector<Owner> naive(kBase + kCount, Owner::kNobody);
    struct Kept {
        OwnershipMap::State state;
        std::vector<Owner> naive;
    };
    std::vector<Kept> kept = {{map.snapshot(), naive}};
    Random random(17, 0);
    for (int step = 0; step < 1500; ++step) {
        const auto owner = static_cast<Owner>(random.bounded(kOwners));
        u64 first = random.bounded(kCount), frames = 1 + random.bounded(random.bounded(2) != 0 ? 20 : kCount - first);
        if (random.bounded(4) == 0) first = first / 512 * 512, frames = 512 * (1 + random.bounded(3));
        frames = std::min(frames, kCount - first);
        map.set({{(kBase + first) * kFrameSize}, frames * kFrameSize}, owner);
        std::fill_n(naive.begin() + static_cast<std::ptrdiff_t>(kBase + first), frames, owner);

        if (random.bounded(10) == 0) kept.push_back({map.snapshot(), naive});
        if (random.bounded(20) == 0) {
            const Kept& to = kept[random.bounded(kept.size())];
            map.restore(to.state);
            naive = to.naive;
        }
        const u64 from = kBase + random.bounded(kCount);
        REQUIRE(map.at(from) == naive[from]);
        if (step % 25 != 0) continue;
        const u64 to = from + random.bounded(kBase + kCount - from + 1);
        REQUIRE(map.runs({{from * kFrameSize}, (to - from) * kFrameSize}) == naive_runs(naive, from, to));
        u64 counts[kOwners] = {};
        for (u64 f = kBase; f < naive.size(); ++f) ++counts[static_cast<u32>(naive[f])];
        counts[0] += OwnershipMap::kFrames - kCount;
        for (u32 o = 0; o < kOwners; ++o) REQUIRE(map.count(static_cast<Owner>(o)) == counts[o]);
    }
}

TEST_CASE("ownership map: a range owns every frame it touches") {
    OwnershipMap map;
    map.set({{0x1fff}, 2}, Owner::kKernel);
    map.set({{0x5000}, 0}, Owner::kScratch);
    CHECK(map.runs() == std::vector<OwnedRun>{{{{0x1000}, 0x2000}, Owner::kKernel}});
    CHECK(map.at(PhysAddr{0x2abc}) == Owner::kKernel);
    CHECK(map.at(PhysAddr{0x3000}) == Owner::kNobody);
    CHECK(map.runs({{0x1800}, 0x1000}) == std::vector<OwnedRun>{{{{0x1000}, 0x2000}, Owner::kKernel}});
    CHECK(map.runs({{0x1800}, 0}).empty());
}

TEST_CASE("ownership map: 16 TiB are one run, and one frame in their middle makes three") {
    OwnershipMap map;
    map.set({{0}, 16 * kTiB}, Owner::kFree);
    CHECK(map.count(Owner::kFree) == 16 * kTiB / kFrameSize);
    const PhysAddr middle{7 * kTiB + 0x123000};
    map.set({middle, kFrameSize}, Owner::kPreserved);
    CHECK(map.runs() == std::vector<OwnedRun>{{{{0}, middle.value}, Owner::kFree},
                                              {{middle, kFrameSize}, Owner::kPreserved},
                                              {{middle + kFrameSize, 9 * kTiB - 0x124000}, Owner::kFree}});
    map.set({middle, kFrameSize}, Owner::kFree);
    CHECK(map.runs() == std::vector<OwnedRun>{{{{0}, 16 * kTiB}, Owner::kFree}});
    CHECK(map.count(Owner::kPreserved) == 0);
}

TEST_CASE("ownership map: addresses no machine has belong to nobody") {
    OwnershipMap map;
    map.set({{~u64{0xfff}}, ~u64{0}}, Owner::kUser);
    map.set({{u64{1} << 60}, kGiB}, Owner::kUser);
    CHECK(map.runs().empty());
    map.set({{(OwnershipMap::kFrames - 1) * kFrameSize}, ~u64{0}}, Owner::kUser);
    CHECK(map.count(Owner::kUser) == 1);
    CHECK(map.at(OwnershipMap::kFrames - 1) == Owner::kUser);
    CHECK(map.at(OwnershipMap::kFrames) == Owner::kNobody);
    CHECK(map.at(~u64{0}) == Owner::kNobody);
}

TEST_CASE("ownership map: survives saving, and refuses bytes that are no map") {
    OwnershipMap map;
    Random random(2, 2);
    for (int i = 0; i < 50; ++i)
        map.set({{random.bounded(1 * kGiB)}, random.bounded(8 * kMiB)}, static_cast<Owner>(random.bounded(kOwners)));
    ByteWriter bytes;
    map.save(bytes);

    OwnershipMap back;
    back.set({{5 * kGiB}, kGiB}, Owner::kMmio);
    ByteReader reader(bytes.bytes(), "test");
    back.load(reader);
    reader.expect_end();
    CHECK(back.runs() == map.runs());
    for (u32 o = 0; o < kOwners; ++o) CHECK(back.count(static_cast<Owner>(o)) == map.count(static_cast<Owner>(o)));

    std::vector<u8> bad = bytes.bytes();
    bad.back() = kOwners;
    ByteReader bad_owner(bad, "test");
    CHECK_THROWS_AS(back.load(bad_owner), SaveError);
    for (u64 length = 0; length < bytes.size(); ++length) {
        ByteReader cut(std::span(bytes.bytes()).first(length), "test");
        CHECK_THROWS_AS(back.load(cut), SaveError);
    }
    CHECK(back.runs() == map.runs());
}
