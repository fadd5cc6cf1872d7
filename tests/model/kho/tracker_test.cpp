// SPDX-License-Identifier: GPL-2.0-only
// The tracker, in every generation, against a naive set; and the index arithmetic of specs/kho.md §2.2.
#include "model/kho/bitmaps.hpp"

#include "tests/catch.hpp"
#include "tests/model/kho/kho_machine.hpp"

using namespace baton;
using kho::tracker::Cleared;
using test::BlockSet;
using test::KhoMachine;

namespace {

/// Bitmaps come by ascending order, the radix tree by descending order; both by ascending address within one.
bool in_order(const Kernel& k, std::pair<u32, u64> a, std::pair<u32, u64> b) {
    if (k.rules().tracker == TrackerKind::kBitmaps || a.first == b.first) return a < b;
    return a.first > b.first;
}

BlockSet contents(const Kernel& k) {
    BlockSet set;
    std::pair<u32, u64> last{0, 0};
    kho::tracker::for_each_block(k, [&](const kho::Block& b) {
        const std::pair<u32, u64> now{b.order.value, b.phys.value};
        CHECK((set.empty() || in_order(k, last, now)));
        last = now;
        set.insert(now);
    });
    return set;
}

/// What kho_init itself preserves: nothing until 6.18, then the root FDT, with kho-v3 also the metadata blob.
u64 blocks_of_init(Generation generation) {
    return generation == Generation::k7_1 ? 2 : rules_for(generation).outgoing == OutgoingKind::kFinalised ? 0 : 1;
}

}  // namespace

TEST_CASE("kho tracker: index, bit and window of the specification's vectors") {
    const auto small = kho::bitmaps::place_of({0x100001}, {0}, 4096);
    CHECK(small.index == 256);
    CHECK(small.bit == 1);
    CHECK(kho::bitmaps::window_start(256, {0}, 4096, 12) == PhysAddr{0x100000000});
    const auto page = kho::bitmaps::place_of({0x100001}, {0}, 32768);
    CHECK(page.index == 32);
    CHECK(page.bit == 1);
    CHECK(kho::bitmaps::window_start(32, {0}, 32768, 12) == PhysAddr{0x100000000});
    for (const u64 bits : {4096u, 32768u}) {
        const auto huge = kho::bitmaps::place_of({0x100200}, {9}, bits);
        CHECK(huge.index == 0);
        CHECK(huge.bit == 2049);
        CHECK(kho::bitmaps::window_start(0, {9}, bits, 12) == PhysAddr{0});
    }
}

TEST_CASE("kho tracker: a bit is byte n/8, bit n%8 of its bitmap") {
    for (const Generation generation : test::kBothGenerations) {
        KhoMachine m({}, test::small_ram(), generation);
        m.boot();
        REQUIRE(kho::tracker::set(m.kernel(), {0x100200}, {9}));
        const auto map = kho::bitmaps::next_bitmap(m.kernel(), {9}, 0);
        REQUIRE(map);
        const u64 bytes = kho::bitmaps::bitmap_bytes(m.kernel());
        CHECK(bytes == (generation == Generation::k6_16 ? 512u : 4096u));
        const u8* bits = ram::read<u8>(map->bits, bytes);
        for (u64 i = 0; i < bytes; ++i) REQUIRE(bits[i] == (i == 256 ? 2 : 0));
    }
}

TEST_CASE("kho tracker: any sequence of sets and clears equals a set, in walk order") {
    for (const Generation generation : test::kAllGenerations) {
        CAPTURE(rules_for(generation).release);
        KhoMachine m({}, test::small_ram(), generation);
        m.boot();
        Kernel& k = m.kernel();
        BlockSet model = contents(k);
        CHECK(model.size() == blocks_of_init(generation));
        u64 pages = model.size();
        u64 seed = 7;
        for (int step = 0; step < 6000; ++step) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            const u32 order = static_cast<u32>((seed >> 40) % 19);
            // Clustered and far apart: from neighbouring bits to indices several tree levels away.
            const u64 span = (seed >> 50) % 4 == 0 ? u64{1} << 34 : u64{1} << 8;
            const Pfn pfn{((seed >> 20) % span) << order};
            const std::pair<u32, u64> key{order, pfn.value << 12};
            if ((seed >> 60) % 3 != 0) {
                const auto fresh = kho::tracker::set(k, pfn, {order});
                REQUIRE(fresh);
                REQUIRE(*fresh == model.insert(key).second);
                if (*fresh) pages += u64{1} << order;
            } else {
                const bool had = model.erase(key) != 0;
                REQUIRE((kho::tracker::clear(k, pfn, {order}) == Cleared::kYes) == had);
                if (had) pages -= u64{1} << order;
            }
        }
        CHECK(contents(k) == model);
        CHECK(k.kho.tracker.blocks == model.size());
        CHECK(k.kho.tracker.pages == pages);
    }
}

TEST_CASE("kho tracker: clearing tells a clear bit from a missing bitmap") {
    for (const Generation generation : test::kAllGenerations) {
        KhoMachine m({}, test::small_ram(), generation);
        m.boot();
        Kernel& k = m.kernel();
        CHECK(kho::tracker::clear(k, {16}, {1}) == Cleared::kNoBitmap);
        REQUIRE(kho::tracker::set(k, {18}, {1}));
        CHECK(kho::tracker::clear(k, {16}, {1}) == Cleared::kWasClear);
        CHECK(kho::tracker::clear(k, {18}, {1}) == Cleared::kYes);
        CHECK(kho::tracker::clear(k, {18}, {1}) == Cleared::kWasClear);
        CHECK(kho::tracker::clear(k, {1u << 30}, {0}) == Cleared::kNoBitmap);
    }
}

TEST_CASE("kho tracker: destroy gives every page back") {
    for (const Generation generation : test::kBothGenerations) {
        KhoMachine m({}, test::small_ram(), generation);
        m.boot();
        Kernel& k = m.kernel();
        const u64 before = m.free_pages();
        for (u64 i = 0; i < 3000; ++i) REQUIRE(kho::tracker::set(k, {i << 20}, {static_cast<u32>(i % 3)}));
        CHECK(m.free_pages() < before);
        kho::tracker::destroy(k);
        CHECK(m.free_pages() == before);
        CHECK(k.kho.tracker.blocks == 0);
        CHECK(contents(k).empty());
    }
}

TEST_CASE("kho tracker: running out of memory changes nothing that is in it") {
    for (const Generation generation : test::kAllGenerations) {
        KhoMachine m({}, {{0}, 96 * kMiB}, generation);
        m.boot();
        Kernel& k = m.kernel();
        REQUIRE(kho::tracker::set(k, {4}, {2}));
        BlockSet model = contents(k);
        const auto taken = m.exhaust_memory();
        Errno error = Errno::kOk;
        for (u64 i = 1; error == Errno::kOk; ++i) {
            const auto fresh = kho::tracker::set(k, {i << 30}, {0});
            if (fresh)
                model.insert({0, i << 42});
            else
                error = fresh.error();
        }
        CHECK(error == Errno::kENOMEM);
        CHECK(contents(k) == model);
        m.give_back(taken);
        REQUIRE(kho::tracker::set(k, {u64{1} << 35}, {0}));
        model.insert({0, u64{1} << 47});
        CHECK(contents(k) == model);
    }
}
