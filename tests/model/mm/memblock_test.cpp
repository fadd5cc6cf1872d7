// SPDX-License-Identifier: GPL-2.0-only
// The two lists of memblock: adding, removing, merging, flags, nodes, growing (specs/memblock.md §2, §9 basic_api).
#include "tests/catch.hpp"
#include "tests/support/memblock_rig.hpp"

namespace baton::test {
namespace {

using Spans = std::vector<Span>;

inline constexpr u64 kMax = ~u64{0};
inline constexpr u64 kArrayBytes = 8 * kKiB;  // 256 entries of 24 bytes, in whole pages

enum class Do { kAdd, kRemove };
struct Step {
    Do what;
    u64 base;
    u64 size;
};
struct Row {
    const char* name;
    std::vector<Step> steps;
    Spans expected;
};

// Both lists share their primitives: every row is played on memory and on reserved.
const std::vector<Row>& rows() {
    using enum Do;
    static const std::vector<Row> all = {
        {"simple", {{kAdd, kGiB, 4 * kMiB}}, {{kGiB, 4 * kMiB}}},
        {"disjoint",
         {{kAdd, kGiB, 8 * kKiB}, {kAdd, kGiB + 16 * kKiB, 8 * kKiB}},
         {{kGiB, 8 * kKiB}, {kGiB + 16 * kKiB, 8 * kKiB}}},
        {"overlap at the top",
         {{kAdd, 512 * kMiB, kGiB}, {kAdd, 256 * kMiB, 512 * kMiB}},
         {{256 * kMiB, kGiB + 256 * kMiB}}},
        {"overlap at the bottom",
         {{kAdd, 128 * kMiB, 512 * kMiB}, {kAdd, 256 * kMiB, kGiB}},
         {{128 * kMiB, kGiB + 128 * kMiB}}},
        {"within", {{kAdd, 8 * kMiB, 32 * kMiB}, {kAdd, 16 * kMiB, kMiB}}, {{8 * kMiB, 32 * kMiB}}},
        {"twice", {{kAdd, 16 * kKiB, 2 * kMiB}, {kAdd, 16 * kKiB, 2 * kMiB}}, {{16 * kKiB, 2 * kMiB}}},
        {"between",
         {{kAdd, kGiB, 8 * kKiB}, {kAdd, kGiB + 16 * kKiB, 8 * kKiB}, {kAdd, kGiB + 8 * kKiB, 8 * kKiB}},
         {{kGiB, 24 * kKiB}}},
        {"across gaps", {{kAdd, kMiB, kKiB}, {kAdd, 3 * kMiB, kKiB}, {kAdd, 0, 4 * kMiB}}, {{0, 4 * kMiB}}},
        {"near the end of the address space", {{kAdd, kMax - kMiB, 2 * kMiB}}, {{kMax - kMiB, kMiB}}},
        {"nothing at the very end", {{kAdd, kMax, 5}}, {}},
        {"size 0", {{kAdd, kMiB, 0}}, {}},
        {"everything", {{kAdd, 0, kMax}, {kAdd, kMiB, kMax}}, {{0, kMax}}},
        {"remove the first",
         {{kAdd, 2 * kKiB, 4 * kKiB}, {kAdd, 128 * kKiB, 4 * kMiB}, {kRemove, 2 * kKiB, 4 * kKiB}},
         {{128 * kKiB, 4 * kMiB}}},
        {"remove what is not there",
         {{kAdd, 512 * kKiB, 4 * kMiB}, {kRemove, 64 * kMiB, kGiB}},
         {{512 * kKiB, 4 * kMiB}}},
        {"remove from an empty list", {{kRemove, 64 * kMiB, kGiB}}, {}},
        {"remove the lower part",
         {{kAdd, 32 * kMiB, 32 * kMiB}, {kRemove, 16 * kMiB, 32 * kMiB}},
         {{48 * kMiB, 16 * kMiB}}},
        {"remove the upper part",
         {{kAdd, 2 * kMiB, 64 * kMiB}, {kRemove, 32 * kMiB, 256 * kMiB}},
         {{2 * kMiB, 30 * kMiB}}},
        {"remove from within",
         {{kAdd, kMiB, 32 * kMiB}, {kRemove, 16 * kMiB, kMiB}},
         {{kMiB, 15 * kMiB}, {17 * kMiB, 16 * kMiB}}},
        {"remove the only region", {{kAdd, 2 * kKiB, 4 * kKiB}, {kRemove, 2 * kKiB, 4 * kKiB}}, {}},
        {"remove near the end of the address space",
         {{kAdd, kMax - 2 * kMiB, 2 * kMiB}, {kRemove, kMax - kMiB, 2 * kMiB}},
         {{kMax - 2 * kMiB, kMiB}}},
        {"remove parts of two",
         {{kAdd, 16 * kMiB, 32 * kMiB}, {kAdd, 64 * kMiB, 64 * kMiB}, {kRemove, 32 * kMiB, 64 * kMiB}},
         {{16 * kMiB, 16 * kMiB}, {96 * kMiB, 32 * kMiB}}},
    };
    return all;
}

TEST_CASE("memblock: sets of ranges, added to and removed from") {
    for (const Row& row : rows()) {
        MemblockRig rig;
        INFO(row.name);
        for (const Step& s : row.steps) {
            const PhysRange r{{s.base}, s.size};
            REQUIRE((s.what == Do::kAdd ? memblock::add(rig.mb, r) : memblock::remove(rig.mb, r)).has_value());
            REQUIRE((s.what == Do::kAdd ? memblock::reserve(rig.mb, r) : memblock::release(rig.mb, r)).has_value());
            REQUIRE(rig.broken_invariant() == "");
        }
        CHECK(rig.memory() == row.expected);
        CHECK(rig.reserved() == row.expected);
    }
}

TEST_CASE("memblock: the initial state is two empty lists of 128 entries") {
    MemblockRig rig;
    CHECK(rig.mb.memory.cnt == 0);
    CHECK(rig.mb.reserved.cnt == 0);
    CHECK(rig.mb.memory.max == 128);
    CHECK(rig.mb.reserved.max == 128);
    CHECK(rig.mb.bottom_up == 0);
    CHECK(rig.mb.current_limit == kMemblockAnywhere);
    CHECK(rig.broken_invariant() == "");
    CHECK(memblock::end_of_dram(rig.mb).value == 0);
    CHECK_FALSE(memblock::search(rig.mb.memory, {0}));
}

TEST_CASE("memblock: covered bytes keep their flags and node when they are added again") {
    MemblockRig rig;
    memblock::add(rig.mb, {{4 * kMiB}, 4 * kMiB}, {1}, kMemblockKhoScratch).value();
    memblock::add(rig.mb, {{0}, 16 * kMiB}, {0}).value();
    CHECK(rig.memory() == Spans{{0, 4 * kMiB}, {4 * kMiB, 4 * kMiB}, {8 * kMiB, 8 * kMiB}});
    CHECK(rig.flags(rig.mb.memory) == std::vector<u32>{0, kMemblockKhoScratch, 0});
    CHECK(memblock::region(rig.mb.memory, 1).nid == 1);
    CHECK(rig.machine.warnings == 0);

    SECTION("reserving plainly over a kernel allocation is quiet") {
        memblock::reserve_kern(rig.mb, {{kMiB}, kMiB}).value();
        memblock::reserve(rig.mb, {{0}, 4 * kMiB}).value();
        CHECK(rig.flags(rig.mb.reserved) == std::vector<u32>{0, kMemblockReservedKern, 0});
        CHECK(rig.machine.warnings == 0);
    }
    SECTION("asking for other flags than are there is warned about (kho.md B29)") {
        memblock::reserve(rig.mb, {{kMiB}, kMiB}).value();
        memblock::reserve_kern(rig.mb, {{0}, 4 * kMiB}).value();
        CHECK(rig.flags(rig.mb.reserved) == std::vector<u32>{kMemblockReservedKern, 0, kMemblockReservedKern});
        CHECK(rig.machine.warnings == 1);
    }
}

TEST_CASE("memblock: regions merge only with equal flags and node") {
    MemblockRig rig;
    memblock::add(rig.mb, {{0}, kMiB}, {0}).value();
    memblock::add(rig.mb, {{kMiB}, kMiB}, {1}).value();
    memblock::add(rig.mb, {{2 * kMiB}, kMiB}, {1}, kMemblockHotplug).value();
    memblock::add(rig.mb, {{3 * kMiB}, kMiB}, {1}, kMemblockHotplug).value();
    CHECK(rig.memory() == Spans{{0, kMiB}, {kMiB, kMiB}, {2 * kMiB, 2 * kMiB}});
    CHECK(rig.broken_invariant() == "");
}

TEST_CASE("memblock: flags split regions and clearing them merges again") {
    MemblockRig rig;
    memblock::add(rig.mb, {{0}, 16 * kMiB}).value();
    memblock::set_memory_flag(rig.mb, {{4 * kMiB}, 4 * kMiB}, kMemblockNomap, true).value();
    CHECK(rig.flags(rig.mb.memory) == std::vector<u32>{0, kMemblockNomap, 0});
    memblock::set_memory_flag(rig.mb, {{6 * kMiB}, 4 * kMiB}, kMemblockKhoScratch, true).value();
    CHECK(rig.flags(rig.mb.memory) ==
          std::vector<u32>{0, kMemblockNomap, kMemblockNomap | kMemblockKhoScratch, kMemblockKhoScratch, 0});
    CHECK(rig.broken_invariant() == "");
    memblock::set_memory_flag(rig.mb, {{0}, ~u64{0}}, kMemblockNomap, false).value();
    CHECK(rig.memory() == Spans{{0, 6 * kMiB}, {6 * kMiB, 4 * kMiB}, {10 * kMiB, 6 * kMiB}});
    memblock::set_memory_flag(rig.mb, {{5 * kMiB}, 10 * kMiB}, kMemblockKhoScratch, false).value();
    CHECK(rig.memory() == Spans{{0, 16 * kMiB}});

    memblock::reserve(rig.mb, {{kMiB}, kMiB}).value();
    memblock::set_reserved_flag(rig.mb, {{kMiB + 4096}, 4096}, kMemblockReservedNoinit, true).value();
    CHECK(rig.flags(rig.mb.reserved) == std::vector<u32>{0, kMemblockReservedNoinit, 0});
    CHECK_FALSE(rig.mb.has_mirror);
    memblock::set_memory_flag(rig.mb, {{0}, kMiB}, kMemblockMirror, true).value();
    CHECK(rig.mb.has_mirror);
}

TEST_CASE("memblock: setting a node splits and merges") {
    MemblockRig rig;
    memblock::add(rig.mb, {{0}, 8 * kMiB}, {0}).value();
    memblock::add(rig.mb, {{8 * kMiB}, 8 * kMiB}, {1}).value();
    memblock::set_node(rig.mb, rig.mb.memory, {{6 * kMiB}, 2 * kMiB}, {1}).value();
    CHECK(rig.memory() == Spans{{0, 6 * kMiB}, {6 * kMiB, 10 * kMiB}});
    memblock::set_node(rig.mb, rig.mb.memory, {{0}, 16 * kMiB}, {0}).value();
    CHECK(rig.memory() == Spans{{0, 16 * kMiB}});
}

TEST_CASE("memblock: trimming drops partial pages") {
    const u64 c = 4096;
    const auto trimmed = [c](u64 base, u64 size) {
        MemblockRig rig;
        memblock::add(rig.mb, {{c}, 2 * c}).value();
        memblock::add(rig.mb, {{base}, size}).value();
        memblock::trim_memory(rig.mb, c);
        return rig.memory();
    };
    CHECK(trimmed(4 * c, 4 * c) == Spans{{c, 2 * c}, {4 * c, 4 * c}});
    CHECK(trimmed(4 * c, c - 2) == Spans{{c, 2 * c}});
    CHECK(trimmed(4 * c + 2, 2 * c - 2) == Spans{{c, 2 * c}, {5 * c, c}});
    CHECK(trimmed(4 * c, 2 * c - 2) == Spans{{c, 2 * c}, {4 * c, c}});
    CHECK(trimmed(kMax - 100, 100) == Spans{{c, 2 * c}});
}

TEST_CASE("memblock: questions about ranges and addresses") {
    MemblockRig rig;
    memblock::add(rig.mb, {{kGiB}, 4 * kMiB}).value();
    const auto overlaps = [&](u64 base, u64 size) { return memblock::overlaps(rig.mb.memory, {{base}, size}); };
    CHECK_FALSE(overlaps(0, kMiB));
    CHECK_FALSE(overlaps(3 * kGiB, kMiB));
    CHECK_FALSE(overlaps(kGiB - kMiB, kMiB));
    CHECK_FALSE(overlaps(kGiB + 4 * kMiB, kMiB));
    CHECK(overlaps(kGiB - kMiB, 2 * kMiB));
    CHECK(overlaps(kGiB + 3 * kMiB, 2 * kMiB));
    CHECK(overlaps(kGiB, 4 * kMiB));
    CHECK(overlaps(kGiB - kMiB, 8 * kMiB));
    CHECK(overlaps(kGiB + kMiB, kMiB));
    CHECK(overlaps(0, kMax));
    CHECK(overlaps(kGiB + 3 * kMiB, kMax));

    CHECK(memblock::is_memory(rig.mb, {kGiB}));
    CHECK(memblock::is_memory(rig.mb, {kGiB + 4 * kMiB - 1}));
    CHECK_FALSE(memblock::is_memory(rig.mb, {kGiB - 1}));
    CHECK_FALSE(memblock::is_memory(rig.mb, {kGiB + 4 * kMiB}));
    CHECK(memblock::start_of_dram(rig.mb).value == kGiB);
    CHECK(memblock::end_of_dram(rig.mb).value == kGiB + 4 * kMiB);
    for (u64 i = 1; i < 100; i += 2) memblock::reserve(rig.mb, {{i * kMiB}, kMiB}).value();
    for (u64 i = 0; i < 100; ++i) CHECK(memblock::is_reserved(rig.mb, {i * kMiB + 1}) == (i % 2 == 1));
}

TEST_CASE("memblock: kernel reservations are summed below a limit and per node") {
    MemblockRig rig;
    memblock::reserve(rig.mb, {{kMiB}, kMiB}).value();
    memblock::reserve_kern(rig.mb, {{4 * kMiB}, 2 * kMiB}).value();
    memblock::reserve(rig.mb, {{8 * kMiB}, 3 * kMiB}, {1}, kMemblockReservedKern).value();
    CHECK(memblock::reserved_kern_size(rig.mb, kMemblockAnywhere) == 5 * kMiB);
    CHECK(memblock::reserved_kern_size(rig.mb, 5 * kMiB) == kMiB);
    CHECK(memblock::reserved_kern_size(rig.mb, 9 * kMiB) == 3 * kMiB);
    CHECK(memblock::reserved_kern_size(rig.mb, kMemblockAnywhere, {1}) == 3 * kMiB);
    CHECK(memblock::reserved_kern_size(rig.mb, kMiB, {0}) == 0);
}

TEST_CASE("memblock: a walk yields memory minus reserved, the same in both directions") {
    MemblockRig rig;
    memblock::add(rig.mb, {{kMiB}, 4 * kMiB}, {0}).value();
    memblock::add(rig.mb, {{5 * kMiB}, 3 * kMiB}, {1}).value();
    memblock::add(rig.mb, {{16 * kMiB}, kMiB}, {1}, kMemblockNomap).value();
    memblock::reserve(rig.mb, {{0}, 2 * kMiB}).value();
    memblock::reserve(rig.mb, {{3 * kMiB}, kMiB}, kNoNode, kMemblockReservedNoinit).value();
    memblock::reserve(rig.mb, {{4 * kMiB}, kMiB / 2}).value();  // touches: an empty gap lies between
    std::vector<PhysRange> seen;
    for (const FreeRange& f : rig.free_ranges()) seen.push_back(f.range);
    const std::vector<PhysRange> expected = {
        {{2 * kMiB}, kMiB}, {{4 * kMiB + kMiB / 2}, kMiB / 2}, {{5 * kMiB}, 3 * kMiB}};
    CHECK(seen == expected);

    std::vector<PhysRange> reversed;
    memblock::FreeCursor cursor = memblock::last_free_cursor(rig.mb);
    FreeRange f;
    while (memblock::previous_free(rig.mb, cursor, f)) reversed.insert(reversed.begin(), f.range);
    CHECK(reversed == expected);
    CHECK(rig.free_ranges({1}).size() == 1);
    CHECK(rig.free_ranges(kNoNode, kMemblockNomap).size() == 4);
    CHECK(rig.free_ranges(kNoNode, kMemblockKhoScratch).empty());
}

TEST_CASE("memblock: the memory array grows into memory of its own") {
    MemblockRig rig;
    rig.mb.can_resize = 1;
    const u64 start = 100 * kMiB;
    memblock::add(rig.mb, {{start}, kArrayBytes}).value();
    for (u64 i = 0; i < 128; ++i) {
        memblock::add(rig.mb, {{start + kMiB + i * 128}, 64}).value();
        REQUIRE(rig.mb.memory.cnt == i + 2);
    }
    CHECK(rig.mb.memory.max == 256);
    CHECK(rig.reserved() == Spans{{start, kArrayBytes}});
    CHECK(rig.mb.memory.regions.phys().value == start);
    memblock::add(rig.mb, {{16 * kKiB}, 16 * kKiB}).value();
    CHECK(rig.mb.memory.cnt == 130);
    CHECK(rig.memory()[0] == Span{16 * kKiB, 16 * kKiB});
    CHECK(rig.broken_invariant() == "");
}

// Blocks of 32 KiB every 64 KiB from 128 KiB on.
PhysRange slot(u64 i) { return {{128 * kKiB + i * 64 * kKiB}, 32 * kKiB}; }

TEST_CASE("memblock: the reserved array grows wherever the entry that is too many lies") {
    for (u64 missing = 0; missing < 129; ++missing) {
        MemblockRig rig;
        rig.mb.can_resize = 1;
        INFO("missing " << missing);
        memblock::add(rig.mb, {{100 * kMiB}, 32 * kKiB}).value();
        for (u64 i = 0; i < 129; ++i)
            if (i != missing) memblock::reserve(rig.mb, slot(i)).value();
        REQUIRE(rig.mb.reserved.max == 128);
        memblock::reserve(rig.mb, slot(missing)).value();
        REQUIRE(rig.mb.reserved.max == 256);
        REQUIRE(rig.mb.reserved.cnt == 130);
        REQUIRE(rig.mb.reserved.total_size == 129 * 32 * kKiB + kArrayBytes);
        memblock::reserve(rig.mb, {{16 * kKiB}, 16 * kKiB}).value();
        REQUIRE(rig.mb.reserved.cnt == 131);
        REQUIRE(rig.reserved()[0] == Span{16 * kKiB, 16 * kKiB});
        REQUIRE(rig.broken_invariant() == "");
    }
}

TEST_CASE("memblock: the new reserved array keeps out of what is being reserved") {
    for (u64 missing = 0; missing < 129; ++missing) {
        MemblockRig rig;
        rig.mb.can_resize = 1;
        INFO("missing " << missing);
        const PhysRange low{{64 * kKiB}, 32 * kKiB};
        memblock::add(rig.mb, low).value();
        memblock::add(rig.mb, slot(missing)).value();
        for (u64 i = 0; i < 129; ++i)
            if (i != missing) memblock::reserve(rig.mb, slot(i)).value();
        memblock::reserve(rig.mb, slot(missing)).value();
        REQUIRE(rig.mb.reserved.regions.phys() == low.end() - kArrayBytes);
        REQUIRE(rig.broken_invariant() == "");
    }
}

TEST_CASE("memblock: growing twice leaves a hole at the top (specs/memblock.md §10, worked example)") {
    MemblockRig rig(0x10100000);
    rig.mb.can_resize = 1;
    memblock::add(rig.mb, {{0}, 0x10100000}).value();
    for (u64 i = 0; i < 301; ++i) memblock::reserve(rig.mb, {{kMiB + i * 0x2000}, 0x1000}).value();
    CHECK(rig.mb.reserved.max == 512);
    CHECK(rig.mb.reserved.regions.phys().value == 0x100fb000);
    CHECK(rig.mb.reserved.cnt == 302);
    CHECK(rig.reserved().back() == Span{0x100fb000, 0x3000});
    CHECK(rig.free_ranges().back().range == PhysRange{{0x100fe000}, 0x2000});
    CHECK(rig.broken_invariant() == "");
}

TEST_CASE("memblock: one range may need an entry for every gap it fills") {
    MemblockRig rig;
    rig.mb.can_resize = 1;
    memblock::add(rig.mb, {{100 * kMiB}, kMiB}).value();
    for (u64 i = 0; i < 100; ++i) memblock::reserve(rig.mb, slot(i)).value();
    memblock::reserve(rig.mb, {slot(0).start, 100 * 64 * kKiB}, kNoNode, kMemblockReservedNoinit).value();
    CHECK(rig.mb.reserved.max == 256);
    CHECK(rig.mb.reserved.cnt == 201);  // and the array's own
    CHECK(rig.broken_invariant() == "");
}

TEST_CASE("memblock: both arrays may be full at once") {
    MemblockRig rig;
    rig.mb.can_resize = 1;
    memblock::add(rig.mb, {{100 * kMiB}, kMiB}).value();
    for (u64 i = 1; i < 128; ++i) memblock::add(rig.mb, {{200 * kMiB + i * 128}, 64}).value();
    for (u64 i = 0; i < 128; ++i) memblock::reserve(rig.mb, slot(i)).value();
    REQUIRE(rig.mb.memory.max == 128);
    REQUIRE(rig.mb.reserved.max == 128);
    memblock::add(rig.mb, {{200 * kMiB}, 64}).value();
    CHECK(rig.mb.memory.max == 256);
    CHECK(rig.mb.reserved.max == 256);
    const PhysRange memory_array{rig.mb.memory.regions.phys(), kArrayBytes};
    const PhysRange reserved_array{rig.mb.reserved.regions.phys(), kArrayBytes};
    CHECK_FALSE(memory_array.overlaps(reserved_array));
    CHECK(memblock::is_reserved(rig.mb, memory_array.start));
    CHECK(memblock::is_reserved(rig.mb, reserved_array.start));
    CHECK(rig.broken_invariant() == "");
}

TEST_CASE("memblock: no room to grow is ENOMEM and changes no covered byte") {
    MemblockRig rig;
    rig.mb.can_resize = 1;
    memblock::add(rig.mb, {{100 * kMiB}, 4096}).value();
    for (u64 i = 0; i < 128; ++i) memblock::reserve(rig.mb, slot(i)).value();
    const Spans before = rig.reserved();
    const Status s = memblock::reserve(rig.mb, slot(200));
    REQUIRE_FALSE(s.has_value());
    CHECK(s.error() == Errno::kENOMEM);
    CHECK(rig.machine.logged(Log::kMemblockFull));
    CHECK(rig.reserved() == before);
    CHECK(memblock::release(rig.mb, {slot(3).start + 4096, 4096}).error() == Errno::kENOMEM);
    CHECK(rig.reserved() == before);
    CHECK(memblock::set_reserved_flag(rig.mb, slot(3), kMemblockReservedNoinit, true).error() == Errno::kENOMEM);
    CHECK_FALSE(memblock::alloc(rig.mb, 64, 64));
    CHECK(memblock::reserve(rig.mb, slot(5)).has_value());  // needs no entry
}

TEST_CASE("memblock: growing before it is allowed is a panic") {
    MemblockRig rig;
    memblock::add(rig.mb, {{100 * kMiB}, kMiB}).value();
    for (u64 i = 0; i < 128; ++i) memblock::reserve(rig.mb, slot(i)).value();
    const sim::Fault fault = rig.machine.run([&] { (void)memblock::reserve(rig.mb, slot(128)); });
    CHECK(fault.kind == sim::Fault::Kind::kPanic);
    CHECK(fault.log == Log::kPanicNoResize);
    CHECK(fault.args[0] == 128);
}

TEST_CASE("memblock: a count that was overwritten is a verdict, not a crash") {
    MemblockRig rig;
    memblock::add(rig.mb, {{kMiB}, kMiB}).value();
    rig.mb.memory.cnt = u64{1} << 60;
    rig.mb.memory.max = u64{1} << 61;
    const sim::Fault fault = rig.machine.run([&] { (void)memblock::is_memory(rig.mb, {kMiB}); });
    CHECK(fault.kind == sim::Fault::Kind::kAssert);
    rig.mb.memory.cnt = u64{1} << 25;
    rig.mb.memory.max = u64{1} << 25;
    const sim::Fault second = rig.machine.run([&] { (void)memblock::is_memory(rig.mb, {kMiB}); });
    CHECK(second.kind == sim::Fault::Kind::kBadAccess);
}

TEST_CASE("memblock: work is charged") {
    MemblockRig rig;
    for (u64 i = 0; i < 10; ++i) memblock::add(rig.mb, {{(100 - 10 * i) * kMiB}, kMiB}).value();
    CHECK(rig.machine.charged(Work::kMemblockMoves) == 10 + 45);  // each goes in front of all others
    const u64 scans = rig.machine.charged(Work::kMemblockScans);
    CHECK(memblock::is_memory(rig.mb, {100 * kMiB}));
    CHECK(rig.machine.charged(Work::kMemblockScans) - scans == 3);  // entry 9 of ten: 5, 8, 9
}

}  // namespace
}  // namespace baton::test
