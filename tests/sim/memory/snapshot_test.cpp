// SPDX-License-Identifier: GPL-2.0-only
#include "sim/memory/snapshot.hpp"

#include <algorithm>
#include <stdexcept>
#include <thread>

#include "sim/random.hpp"
#include "tests/catch.hpp"

using namespace baton;
using namespace baton::sim;

namespace {

const std::vector<PhysRange> kRam = {{{0}, 0x20000}, {{0x100000}, 0x80000}, {{64 * kGiB}, 0x40000}};

/// All bytes of RAM, range after range: the naive snapshot.
std::vector<u8> full_copy(const PhysicalMemory& memory) {
    std::vector<u8> all;
    for (const PhysRange& r : memory.ranges()) {
        const u8* p = memory.bytes(r);
        all.insert(all.end(), p, p + r.size);
    }
    return all;
}

void random_writes(PhysicalMemory& memory, Random& random) {
    for (u64 n = random.bounded(12); n > 0; --n) {
        const PhysRange& range = memory.ranges()[random.bounded(memory.ranges().size())];
        std::vector<u8> bytes(1 + random.bounded(6000));
        // Often zeroes or one value, so that frames return to the background or to what they were.
        const u64 kind = random.bounded(3);
        for (u8& b : bytes) b = static_cast<u8>(kind == 0 ? 0 : kind == 1 ? 0x77 : random.next());
        REQUIRE(memory.write(range.start + random.bounded(range.size - bytes.size()), bytes));
    }
}

}  // namespace

TEST_CASE("snapshot: any restore gives back every byte, in any order, over power-on patterns too") {
    const u8 background = GENERATE(u8{0}, u8{0xa5});
    PhysicalMemory memory(kRam);
    if (background != 0) memory.fill_pattern(background);
    RamSnapshots snapshots(memory);
    Random random(11, background);

    struct Kept {
        Snapshot snapshot;
        std::vector<u8> naive;
    };
    std::vector<Kept> kept = {{Snapshot{}, full_copy(memory)}};
    for (int step = 0; step < 400; ++step) {
        random_writes(memory, random);
        if (random.bounded(3) == 0) {
            kept.push_back({snapshots.take(), full_copy(memory)});
        } else if (random.bounded(2) == 0) {
            const Kept& to = kept[random.bounded(kept.size())];
            snapshots.restore(to.snapshot);
            REQUIRE(full_copy(memory) == to.naive);
        }
        if (kept.size() > 12) kept.erase(kept.begin() + static_cast<std::ptrdiff_t>(random.bounded(kept.size())));
    }
}

TEST_CASE("snapshot: restoring tells the other clients which frames changed, and no more") {
    PhysicalMemory memory(kRam);
    RamSnapshots snapshots(memory);
    DirtyClient client(memory);
    CHECK(memory.store({0x1000}, u8{1}));
    CHECK(memory.store({0x2000}, u8{1}));
    const Snapshot one = snapshots.take();
    CHECK(memory.store({0x3000}, u8{1}));
    const Snapshot two = snapshots.take();
    CHECK(memory.store({0x5000}, u8{1}));
    const auto changed_by = [&](const Snapshot& to) {
        memory.collect();
        client.clear();
        snapshots.restore(to);
        std::vector<u64> frames;
        client.frames().for_each([&](u64 f) { frames.push_back(f); });
        return frames;
    };
    CHECK(changed_by(one) == std::vector<u64>{3, 5});
    CHECK(changed_by(one).empty());
    CHECK(changed_by(two) == std::vector<u64>{3});
    CHECK(changed_by(Snapshot{}) == std::vector<u64>{1, 2, 3});
}

TEST_CASE("snapshot: pages are held once, and frames of background not at all") {
    PhysicalMemory memory(kRam);
    RamSnapshots snapshots(memory);
    for (u64 f = 0; f < 16; ++f) CHECK(memory.store({f * kFrameSize}, u8{1}));
    const Snapshot one = snapshots.take();
    CHECK(one.page_count() == 16);
    CHECK(memory.store({0}, u8{2}));       // changed
    CHECK(memory.store({0x1000}, u8{1}));  // written, not changed
    CHECK(memory.store({0x2000}, u8{0}));  // background again
    const Snapshot two = snapshots.take();
    CHECK(two.page_count() == 15);
    CHECK(two.page(0) != one.page(0));
    CHECK(two.page(1) == one.page(1));
    CHECK(two.page(2) == nullptr);
    CHECK(two.page(15) == one.page(15));
    CHECK(two.page(99) == nullptr);

    CHECK(snapshots.take() == two);
    CHECK_FALSE(two == one);
    for (u64 f = 0; f < 16; ++f) CHECK(memory.store({f * kFrameSize}, u8{0}));
    CHECK(snapshots.take() == Snapshot{});
}

TEST_CASE("snapshot: forks a machine on another thread") {
    PhysicalMemory memory(kRam);
    RamSnapshots snapshots(memory);
    Random random(5, 0);
    random_writes(memory, random);
    CHECK(memory.store({64 * kGiB}, u64{0x1234}));
    Snapshot fork = snapshots.take();
    const std::vector<u8> expected = full_copy(memory);

    std::vector<u8> other;
    std::thread([&] {
        PhysicalMemory second(kRam);
        RamSnapshots second_snapshots(second);
        if (!second.store({0x4000}, u8{3})) return;
        second_snapshots.restore(fork);
        other = full_copy(second);
        fork = second_snapshots.take();
    }).join();
    CHECK(other == expected);
    snapshots.restore(fork);
    CHECK(full_copy(memory) == expected);
}

TEST_CASE("snapshot: one of a machine with other RAM is refused, and RAM stays as it is") {
    PhysicalMemory memory(kRam);
    RamSnapshots snapshots(memory);
    CHECK(memory.store({0x1000}, u8{1}));
    CHECK(memory.store({64 * kGiB}, u8{1}));
    const Snapshot big = snapshots.take();

    PhysicalMemory small{std::span(kRam).first(2)};
    RamSnapshots small_snapshots(small);
    CHECK(small.store({0x2000}, u8{7}));
    const std::vector<u8> before = full_copy(small);
    CHECK_THROWS_AS(small_snapshots.restore(big), std::invalid_argument);
    CHECK(full_copy(small) == before);
    small_snapshots.restore(Snapshot{});
    CHECK(std::ranges::count(full_copy(small), u8{0}) == std::ssize(before));
}

TEST_CASE("snapshot: a client that comes after the first writes restores power-on") {
    PhysicalMemory memory(kRam);
    CHECK(memory.store({0x1000}, u8{1}));
    memory.collect();
    RamSnapshots snapshots(memory);
    snapshots.restore(Snapshot{});
    CHECK(memory.load<u8>({0x1000}) == u8{0});
}
