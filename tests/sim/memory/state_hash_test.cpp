// SPDX-License-Identifier: GPL-2.0-only
#include "sim/memory/state_hash.hpp"

#include <algorithm>

#include <xxhash.h>

#include "sim/memory/snapshot.hpp"
#include "sim/random.hpp"
#include "tests/catch.hpp"

using namespace baton;
using namespace baton::sim;

namespace {

const std::vector<PhysRange> kRam = {{{0}, 0x40000}, {{0x100000}, 0x100000}};

/// D32 as it is written: no cache, no dirty set, every frame of RAM.
Hash128 naive_hash(const PhysicalMemory& memory) {
    Hash128 sum;
    for (const PhysRange& r : memory.ranges()) {
        for (u64 a = r.start.value; a < r.end().value; a += kFrameSize) {
            const u8* page = memory.bytes({{a}, kFrameSize});
            if (std::all_of(page, page + kFrameSize, [](u8 b) { return b == 0; })) continue;
            const u64 pfn = a / kFrameSize;
            XXH3_state_t* state = XXH3_createState();
            XXH3_128bits_reset(state);
            XXH3_128bits_update(state, &pfn, sizeof pfn);
            XXH3_128bits_update(state, page, kFrameSize);
            const XXH128_hash_t h = XXH3_128bits_digest(state);
            XXH3_freeState(state);
            sum += {static_cast<u128>(h.high64) << 64 | h.low64};
        }
    }
    return sum;
}

}  // namespace

TEST_CASE("hash: prints 32 digits and adds with carry modulo 2^128") {
    CHECK(Hash128{}.hex() == "00000000000000000000000000000000");
    const Hash128 all{~u128{0}};
    CHECK(all.hex() == "ffffffffffffffffffffffffffffffff");
    Hash128 carry{static_cast<u128>(~u64{0})};
    carry += {1};
    CHECK(carry.hex() == "00000000000000010000000000000000");
    CHECK(carry.high() == 1);
    Hash128 wrapped = all;
    wrapped += {2};
    CHECK(wrapped == Hash128{1});
    wrapped -= {2};
    CHECK(wrapped == all);
}

TEST_CASE("RAM hash: incremental and from scratch agree through writes, snapshots and restores") {
    PhysicalMemory memory(kRam);
    RamSnapshots snapshots(memory);
    RamHash hash(memory);
    CHECK(hash.value() == Hash128{});
    Random random(3, 3);
    std::vector<Snapshot> kept = {Snapshot{}};
    for (int step = 0; step < 200; ++step) {
        for (u64 n = random.bounded(8); n > 0; --n) {
            const u64 value = random.bounded(3) == 0 ? 0 : random.next();
            REQUIRE(memory.store({0x100000 + random.bounded(0x100000 / 512) * 512}, value));
        }
        if (random.bounded(4) == 0) kept.push_back(snapshots.take());
        if (random.bounded(4) == 0) snapshots.restore(kept[random.bounded(kept.size())]);
        if (random.bounded(2) == 0) REQUIRE(hash.value() == naive_hash(memory));
    }
    snapshots.restore(Snapshot{});
    CHECK(hash.value() == Hash128{});
}

TEST_CASE("RAM hash: depends on content and place, not on the way there") {
    PhysicalMemory memory(kRam);
    CHECK(memory.store({0x1000}, u8{5}));
    const Hash128 at_one = RamHash(memory).value();
    CHECK_FALSE(at_one == Hash128{});
    CHECK(memory.store({0x1000}, u8{0}));
    CHECK(memory.store({0x2000}, u8{5}));
    const Hash128 at_two = RamHash(memory).value();
    CHECK_FALSE(at_two == at_one);

    PhysicalMemory other(kRam);
    RamHash other_hash(other);
    CHECK(other.store({0x2fff}, u8{9}));
    CHECK_FALSE(other_hash.value() == at_two);
    CHECK(other.store({0x2fff}, u8{0}));
    CHECK(other.store({0x2000}, u8{5}));
    CHECK(other_hash.value() == at_two);
}

TEST_CASE("RAM hash: undamaged text counts by name and offset, damaged text by its bytes") {
    const auto load = [](PhysicalMemory& memory, u8 build) {
        std::vector<u8> text(2 * kFrameSize + 100, build);  // the last frame is shared with data
        REQUIRE(memory.write({0x3000}, text));
        return text;
    };
    PhysicalMemory dev(kRam), release(kRam);
    RamHash dev_hash(dev), release_hash(release);
    const std::vector<u8> dev_text = load(dev, 0xd0), release_text = load(release, 0xe0);
    CHECK_FALSE(dev_hash.value() == release_hash.value());

    // Setting the images hashes frames again that nobody wrote since.
    dev_hash.set_images({{{0x3000}, dev_text, 0x400, "a"}});
    release_hash.set_images({{{0x3000}, release_text, 0x400, "a"}});
    CHECK_FALSE(dev_hash.value() == release_hash.value());  // the tail counts by content
    for (PhysicalMemory* m : {&dev, &release}) m->set_frame(5, nullptr);
    const Hash128 whole = dev_hash.value();
    CHECK(whole == release_hash.value());
    CHECK_FALSE(whole == Hash128{});

    CHECK(dev.store({0x4008}, u8{1}));
    CHECK_FALSE(dev_hash.value() == whole);
    CHECK(dev.store({0x4008}, u8{0xd0}));
    CHECK(dev_hash.value() == whole);

    dev_hash.set_images({{{0x3000}, dev_text, 0x400, "b"}});
    CHECK_FALSE(dev_hash.value() == whole);
    dev_hash.set_images({{{0x3000}, dev_text, 0x1400, "a"}});
    CHECK_FALSE(dev_hash.value() == whole);
    dev_hash.set_images({});
    CHECK(dev_hash.value() == naive_hash(dev));
}

TEST_CASE("state hash: fields have no order, and every part of a field counts") {
    const auto bytes = [](std::string_view s) { return std::span(reinterpret_cast<const u8*>(s.data()), s.size()); };
    const Hash128 ram{42};
    const Hash128 h = StateHash(ram).add("cpu.rip", 7).add("nic0.queue", bytes("abc")).value();
    CHECK(StateHash(ram).add("nic0.queue", bytes("abc")).add("cpu.rip", 7).value() == h);
    CHECK_FALSE(StateHash({43}).add("cpu.rip", 7).add("nic0.queue", bytes("abc")).value() == h);
    CHECK_FALSE(StateHash(ram).add("cpu.rip", 8).add("nic0.queue", bytes("abc")).value() == h);
    CHECK_FALSE(StateHash(ram).add("cpu.rsp", 7).add("nic0.queue", bytes("abc")).value() == h);
    CHECK_FALSE(StateHash(ram).add("cpu.rip", 7).add("nic0.queue", bytes("abd")).value() == h);
    CHECK_FALSE(StateHash(ram).add("cpu.rip", 7).add("nic0.queuea", bytes("bc")).value() == h);
    CHECK_FALSE(StateHash(ram).add("cpu.rip", 7).value() == h);
    CHECK_FALSE(StateHash().add("x", 0).value() == StateHash().add("x", bytes({"\0\0\0\0\0\0\0\0", 8})).value());
    CHECK_FALSE(StateHash().add("x", 0).value() == Hash128{});
}
