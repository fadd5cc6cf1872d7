// SPDX-License-Identifier: GPL-2.0-only
// The two lists of memblock: adding, removing, merging, flags, nodes, growing (specs/memblock.md §2, §9 basic_api).
#include "tests/catch.hpp"
#include "tests/support/memblock_rig.hpp"

namespace baton::test {
namespace {

using Spans = std::vector<Span>;

inline constexpr u64 kMax = ~u64{0};

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

// Both lists share their primitives: every row is played on memory and on reserved, with upstream's values for either.
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
        {"simple, reserved", {{kAdd, 2 * kGiB, 128 * kMiB}}, {{2 * kGiB, 128 * kMiB}}},
        {"disjoint, reserved",
         {{kAdd, 256 * kMiB, 16 * kMiB}, {kAdd, 512 * kMiB, 512 * kMiB}},
         {{256 * kMiB, 16 * kMiB}, {512 * kMiB, 512 * kMiB}}},
        {"overlap at the top, reserved",
         {{kAdd, kGiB, kGiB}, {kAdd, 128 * kMiB, kGiB}},
         {{128 * kMiB, 2 * kGiB - 128 * kMiB}}},
        {"overlap at the bottom, reserved",
         {{kAdd, 2 * kKiB, 128 * kKiB}, {kAdd, 128 * kKiB, 128 * kKiB}},
         {{2 * kKiB, 254 * kKiB}}},
        {"within, reserved", {{kAdd, kMiB, 8 * kMiB}, {kAdd, 2 * kMiB, 64 * kKiB}}, {{kMiB, 8 * kMiB}}},
        {"across gaps", {{kAdd, kMiB, kKiB}, {kAdd, 3 * kMiB, kKiB}, {kAdd, 0, 4 * kMiB}}, {{0, 4 * kMiB}}},
        {"near the end of the address space", {{kAdd, kMax - kMiB, 2 * kMiB}}, {{kMax - kMiB, kMiB}}},
        {"nothing at the very end", {{kAdd, kMax, 5}}, {}},
        {"size 0", {{kAdd, kMiB, 0}}, {}},
        {"everything", {{kAdd, 0, kMax}, {kAdd, kMiB, kMax}}, {{0, kMax}}},
        {"remove the first",
         {{kAdd, 2 * kKiB, 4 * kKiB}, {kAdd, 128 * kKiB, 4 * kMiB}, {kRemove, 2 * kKiB, 4 * kKiB}},
         {{128 * kKiB, 4 * kMiB}}},
        {"free the first",
         {{kAdd, 4 * kMiB, kMiB}, {kAdd, 8 * kMiB, kMiB}, {kRemove, 4 * kMiB, kMiB}},
         {{8 * kMiB, kMiB}}},
        {"free what is not there",
         {{kAdd, 2 * kMiB, 8 * kKiB}, {kRemove, 16 * kMiB, 128 * kMiB}},
         {{2 * kMiB, 8 * kKiB}}},
        {"free the lower part", {{kAdd, 8 * kMiB, 32 * kMiB}, {kRemove, kMiB, 8 * kMiB}}, {{9 * kMiB, 31 * kMiB}}},
        {"free the upper part",
         {{kAdd, 8 * kMiB, 32 * kMiB}, {kRemove, 32 * kMiB, 32 * kMiB}},
         {{8 * kMiB, 24 * kMiB}}},
        {"free from within",
         {{kAdd, kMiB, 8 * kMiB}, {kRemove, 4 * kMiB, kMiB}},
         {{kMiB, 3 * kMiB}, {5 * kMiB, 4 * kMiB}}},
        {"remove nothing", {{kAdd, kMiB, 8 * kMiB}, {kRemove, 4 * kMiB, 0}}, {{kMiB, 8 * kMiB}}},
        {"remove everything", {{kAdd, 0, kMax}, {kAdd, kMiB, kMiB}, {kRemove, 0, kMax}}, {}},
        {"a size that wraps reaches the end", {{kAdd, kMiB, 8 * kMiB}, {kRemove, 4 * kMiB, kMax}}, {{kMiB, 3 * kMiB}}},
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
    memblock::add(rig.mb, {{0}, 16 * kMiB}, {1}).value();
    CHECK(rig.memory() == Spans{{0, 4 * kMiB}, {4 * kMiB, 4 * kMiB}, {8 * kMiB, 8 * kMiB}});
    CHECK(rig.flags(rig.mb.memory) == std::vector<u32>{0, kMemblockKhoScratch, 0});
    memblock::add(rig.mb, {{16 * kMiB}, kMiB}, {0}).value();
    memblock::add(rig.mb, {{2 * kMiB}, 15 * kMiB}, {2}, kMemblockNomap).value();  // not a new byte in it
    CHECK(rig.mb.memory.cnt == 4);
    CHECK(memblock::region(rig.mb.memory, 3).nid == 0);
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

TEST_CASE("memblock: memory is added with its node and flags") {
    MemblockRig rig;
    memblock::add(rig.mb, {{kMiB}, 16 * kMiB}, {1}, kMemblockHotplug).value();
    CHECK(rig.memory() == Spans{{kMiB, 16 * kMiB}});
    CHECK(rig.flags(rig.mb.memory) == std::vector<u32>{kMemblockHotplug});
    CHECK(memblock::region(rig.mb.memory, 0).nid == 1);
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
