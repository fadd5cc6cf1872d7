// SPDX-License-Identifier: GPL-2.0-only
#include "sim/iommu/stage.hpp"

#include "tests/catch.hpp"
#include "tests/support/hostile.hpp"

using namespace baton;
using namespace baton::sim;

namespace {

using Mode = device::IommuMode;

void set_mode(IommuStage& s, Mode mode) { REQUIRE(s.write(device::kIommuMode, 4, static_cast<u32>(mode))); }

void command(IommuStage& s, device::IommuCommand what, u32 slot = 0, u64 bus = 0, u64 phys = 0, u64 bytes = 0) {
    REQUIRE(s.write(device::kIommuDevice, 4, slot));
    REQUIRE(s.write(device::kIommuBus, 8, bus));
    REQUIRE(s.write(device::kIommuPhys, 8, phys));
    REQUIRE(s.write(device::kIommuBytes, 8, bytes));
    REQUIRE(s.write(device::kIommuCommand, 4, static_cast<u32>(what)));
}

u64 entries(const IommuStage& s) {
    u64 n = 0;
    REQUIRE(s.read(device::kIommuEntries, 4, n));
    return n;
}

}  // namespace

TEST_CASE("IOMMU stage: what each mode does with a listed and an unlisted address") {
    struct Row {
        Mode mode;
        bool listed_passes;
        u64 listed_phys;
        bool unlisted_passes;
    };
    constexpr Row kRows[] = {
        {Mode::kOff, true, 0x8010, true},
        {Mode::kPassThrough, true, 0x8010, true},
        {Mode::kBlockAll, false, 0x8010, false},
        {Mode::kAllowList, true, 0x3010, false},
    };
    static_assert(std::size(kRows) == static_cast<u32>(Mode::kCount));
    IommuStage s;
    command(s, device::IommuCommand::kAdd, 2, 0x8000, 0x3000, 0x1000);
    for (const Row& row : kRows) {
        CAPTURE(device::name(row.mode));
        set_mode(s, row.mode);
        CHECK(s.mode() == row.mode);
        const auto in = s.translate(2, 0x8010, 16);
        CHECK(in.passes == row.listed_passes);
        CHECK(in.phys.value == row.listed_phys);
        CHECK(in.listed);
        // The entry means 0x3010: wherever else the write goes is not what was meant.
        CHECK(in.stale == (row.mode != Mode::kAllowList));
        const auto out = s.translate(2, 0x9000, 16);
        CHECK(out.passes == row.unlisted_passes);
        CHECK_FALSE(out.listed);
        CHECK_FALSE(out.stale);
    }
}

TEST_CASE("IOMMU stage: an entry covers whole requests of its own device only, and the last one wins") {
    IommuStage s;
    set_mode(s, Mode::kAllowList);
    command(s, device::IommuCommand::kAdd, 1, 0x8000, 0x3000, 0x1000);
    CHECK(s.translate(1, 0x8ff0, 16).passes);
    CHECK_FALSE(s.translate(1, 0x8ff8, 16).passes);
    CHECK_FALSE(s.translate(1, 0x7ff8, 16).passes);
    CHECK_FALSE(s.translate(0, 0x8000, 16).passes);
    CHECK_FALSE(s.translate(1, ~u64{0} - 7, 16).passes);
    command(s, device::IommuCommand::kAdd, 1, 0x8000, 0x5000, 0x1000);
    CHECK(s.translate(1, 0x8008, 8).phys.value == 0x5008);
    command(s, device::IommuCommand::kAdd, 3, ~u64{0xfff}, 0x6000, 0x1000);
    CHECK(s.translate(3, ~u64{0xfff} + 8, 8).phys.value == 0x6008);
}

TEST_CASE("IOMMU stage: what is removed is remembered, so that a late request is known for stale") {
    IommuStage s;
    set_mode(s, Mode::kAllowList);
    command(s, device::IommuCommand::kAdd, 0, 0x8000, 0x3000, 0x1000);
    command(s, device::IommuCommand::kRemove, 0, 0x8000, 0x4000, 0x1000);  // not that one
    CHECK(entries(s) == 1);
    command(s, device::IommuCommand::kRemove, 0, 0x8000, 0x3000, 0x1000);
    CHECK(entries(s) == 0);
    CHECK_FALSE(s.translate(0, 0x8000, 8).passes);
    set_mode(s, Mode::kOff);
    CHECK(s.translate(0, 0x8000, 8).stale);
    CHECK_FALSE(s.translate(0, 0x8000, 8).listed);

    command(s, device::IommuCommand::kAdd, 1, 0xa000, 0xa000, 0x1000);  // identity: nothing to mistake
    command(s, device::IommuCommand::kAdd, 1, 0xb000, 0x1000, 0x1000);
    command(s, device::IommuCommand::kClear);
    CHECK(entries(s) == 0);
    CHECK_FALSE(s.translate(1, 0xa000, 8).stale);
    CHECK(s.translate(1, 0xb000, 8).stale);
}

TEST_CASE("IOMMU stage: the list is as long as it is, and what is forgotten is the oldest") {
    IommuStage s;
    for (u64 i = 0; i < device::kIommuEntriesMax + 5; ++i)
        command(s, device::IommuCommand::kAdd, 0, i << 12, (i + 1000) << 12, 0x1000);
    CHECK(entries(s) == device::kIommuEntriesMax);
    for (u64 round = 0; round < 5; ++round) {
        command(s, device::IommuCommand::kClear);
        for (u64 i = 0; i < device::kIommuEntriesMax; ++i)
            command(s, device::IommuCommand::kAdd, 1, (round * 1000 + i) << 12, 0, 0x1000);
    }
    CHECK(s.state().former.size() == 4 * device::kIommuEntriesMax);
    CHECK(s.state().former.front().slot == 1);
}

TEST_CASE("IOMMU stage: registers have one width each, and read back") {
    IommuStage s;
    u64 value = 0;
    CHECK(s.read(device::kIommuId, 4, value));
    CHECK(value == device::kIommuPresent);
    CHECK_FALSE(s.read(device::kIommuId, 8, value));
    CHECK_FALSE(s.read(0x200, 4, value));
    CHECK_FALSE(s.write(device::kIommuId, 4, 1));
    CHECK_FALSE(s.write(device::kIommuMode, 8, 1));
    CHECK(s.write(device::kIommuMode, 4, static_cast<u32>(Mode::kBlockAll)));
    CHECK(s.write(device::kIommuMode, 4, static_cast<u32>(Mode::kCount)));  // reserved: ignored
    CHECK(s.mode() == Mode::kBlockAll);
    s.count_fault();
    CHECK(s.read(device::kIommuFaults, 8, value));
    CHECK(value == 1);
    for (const u64 reg : {u64{device::kIommuBus}, u64{device::kIommuPhys}, u64{device::kIommuBytes}}) {
        CHECK(s.write(reg, 8, reg + 77));
        CHECK(s.read(reg, 8, value));
        CHECK(value == reg + 77);
        CHECK_FALSE(s.write(reg, 4, 1));
    }
    CHECK(s.write(device::kIommuDevice, 4, 9));
    CHECK(s.read(device::kIommuDevice, 4, value));
    CHECK(value == 9);
}

TEST_CASE("IOMMU stage: survives saving; damaged bytes are refused or a sound state") {
    IommuStage s;
    set_mode(s, Mode::kAllowList);
    command(s, device::IommuCommand::kAdd, 1, 0x8000, 0x3000, 0x1000);
    command(s, device::IommuCommand::kAdd, 2, 0x9000, 0x4000, 0x1000);
    command(s, device::IommuCommand::kRemove, 2, 0x9000, 0x4000, 0x1000);
    ByteWriter to;
    s.save(to);
    IommuStage back;
    ByteReader from(to.bytes(), "test");
    back.load(from);
    from.expect_end();
    CHECK(back.state() == s.state());
    u64 refused = 0;
    test::for_each_damage(to.bytes(), [&](std::span<const u8> bytes) {
        IommuStage damaged = s;
        try {
            ByteReader reader(bytes, "test");
            damaged.load(reader);
        } catch (const SaveError&) {
            ++refused;
            CHECK(damaged.state() == s.state());
        }
        CHECK(damaged.mode() < Mode::kCount);
        (void)damaged.translate(1, 0x8000, 8);
        damaged.write(device::kIommuCommand, 4, static_cast<u32>(device::IommuCommand::kClear));
    });
    CHECK(refused > to.size());
}

TEST_CASE("IOMMU stage: more entries than it can have are refused") {
    IommuStage s;
    ByteWriter to;
    to.put(u32{0});
    to.put(u64{0});
    for (int i = 0; i < 7; ++i) to.put(u32{0});  // staged
    to.put(u64{device::kIommuEntriesMax + 1});
    for (u64 i = 0; i < (device::kIommuEntriesMax + 1) * 7; ++i) to.put(u32{1});
    to.put(u64{0});
    ByteReader from(to.bytes(), "test");
    CHECK_THROWS_AS(s.load(from), SaveError);
    CHECK(s.state() == IommuStage::State{});
}
