// SPDX-License-Identifier: GPL-2.0-only
#include "sim/ownership/dma_map.hpp"

#include "tests/catch.hpp"
#include "tests/support/hostile.hpp"

using namespace baton;
using namespace baton::sim;

namespace {

constexpr PhysRange at(u64 page, u64 pages = 1) { return {{page << 12}, pages << 12}; }

}  // namespace

TEST_CASE("DMA map: a live mapping covers what lies in it whole, for its device only") {
    DmaMap m;
    m.map(1, at(4, 2));
    CHECK(m.find(1, at(4)).live);
    CHECK(m.find(1, at(4, 2)).live);
    CHECK(m.find(1, {{0x5ff8}, 8}).live);
    CHECK_FALSE(m.find(1, {{0x5ff8}, 16}).live);
    CHECK_FALSE(m.find(1, at(3)).live);
    CHECK_FALSE(m.find(2, at(4)).live);
    CHECK_FALSE(m.find(1, at(4)).unmapped);
    CHECK_FALSE(m.find(1, at(4)).lost);
}

TEST_CASE("DMA map: what was taken back is remembered by any overlap, until it is mapped again") {
    DmaMap m;
    m.map(1, at(4, 2));
    m.unmap(1, at(4));  // not that mapping
    m.unmap(2, at(4, 2));
    CHECK(m.find(1, at(4)).live);
    m.unmap(1, at(4, 2));
    CHECK_FALSE(m.find(1, at(4)).live);
    CHECK(m.find(1, {{0x3ff8}, 16}).unmapped);
    CHECK_FALSE(m.find(1, at(6)).unmapped);
    m.map(1, at(4, 2));
    CHECK(m.find(1, at(4)).live);
    CHECK_FALSE(m.find(1, at(4)).unmapped);
    CHECK(m.mappings().size() == 1);
}

TEST_CASE("DMA map: over a kexec only what is handed over whole stays mapped") {
    DmaMap m;
    m.map(0, at(10, 2));
    m.map(0, at(20, 2));
    m.map(1, at(30));
    m.map(1, at(40));
    m.unmap(1, at(40));
    OwnershipMap owners;
    owners.set(at(10, 2), Owner::kPreserved);
    owners.set(at(20), Owner::kPreserved);
    owners.set(at(21), Owner::kDma);
    owners.set(at(30), Owner::kDma);
    owners.set(at(40), Owner::kPreserved);
    m.jump(owners);
    CHECK(m.find(0, at(10)).live);
    CHECK_FALSE(m.find(0, at(20)).live);
    CHECK(m.find(0, at(20)).lost);
    CHECK(m.find(1, at(30)).lost);
    CHECK(m.find(1, at(40)).unmapped);
    CHECK_FALSE(m.find(1, at(40)).lost);
}

TEST_CASE("DMA map: forgets the oldest of what is gone, and nothing that is live") {
    DmaMap m;
    for (u64 i = 0; i < 4096; ++i) {
        m.map(0, at(i));
        if (i != 7) m.unmap(0, at(i));
    }
    for (u64 i = 0; i < 100; ++i) m.map(0, at(10'000 + i));
    CHECK(m.mappings().size() == 4096);
    CHECK(m.find(0, at(7)).live);
    CHECK_FALSE(m.find(0, at(0)).unmapped);
    CHECK(m.find(0, at(101)).unmapped);
    CHECK(m.find(0, at(10'099)).live);
}

TEST_CASE("DMA map: survives saving; damaged bytes are refused or a sound map") {
    DmaMap m;
    m.map(0, at(1));
    m.map(3, at(2, 5));
    m.unmap(3, at(2, 5));
    m.map(device::kSlots - 1, at(9));
    m.jump({});
    m.map(2, at(12));
    ByteWriter to;
    m.save(to);
    DmaMap back;
    ByteReader from(to.bytes(), "test");
    back.load(from);
    from.expect_end();
    CHECK(back.mappings() == m.mappings());
    u64 refused = 0;
    test::for_each_damage(to.bytes(), [&](std::span<const u8> bytes) {
        DmaMap damaged = m;
        try {
            ByteReader reader(bytes, "test");
            damaged.load(reader);
        } catch (const SaveError&) {
            ++refused;
            CHECK(damaged.mappings() == m.mappings());
        }
        for (const DmaMap::Mapping& one : damaged.mappings()) {
            REQUIRE(one.slot < device::kSlots);
            REQUIRE(one.fate <= DmaMap::Fate::kLost);
        }
        (void)damaged.find(3, at(2));
        damaged.map(0, at(3));
        damaged.jump({});
    });
    CHECK(refused > to.size());
}

TEST_CASE("dma map: memory that is given back is mapped no more, and what is left of a mapping goes on") {
    DmaMap m;
    m.map(1, {{0x10000}, 0x4000});
    m.release({{0x11000}, 0x1000});
    CHECK(m.find(1, {{0x10ff8}, 8}).live);
    CHECK_FALSE(m.find(1, {{0x11000}, 8}).live);
    CHECK(m.find(1, {{0x11000}, 8}).unmapped);
    CHECK(m.find(1, {{0x12000}, 0x2000}).live);
    m.release({{0}, 0x100000});
    CHECK_FALSE(m.find(1, {{0x12000}, 8}).live);
}
