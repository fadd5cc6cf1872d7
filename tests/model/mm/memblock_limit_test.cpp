// SPDX-License-Identifier: GPL-2.0-only
// Trimming, limits, mirrors, and what versions do differently (specs/memblock.md §1, §2.4, §3.2).
#include "model/mm/memblock_handover.hpp"
#include "tests/catch.hpp"
#include "tests/support/memblock_rig.hpp"

namespace baton::test {
namespace {

using Spans = std::vector<Span>;

inline constexpr u64 kMax = ~u64{0};

TEST_CASE("memblock: trimming drops partial blocks") {
    const u64 c = GENERATE(32u, 4096u);
    const auto trimmed = [c](Spans added) {
        MemblockRig rig;
        for (const Span& s : added) memblock::add(rig.mb, {{s.base}, s.size}).value();
        memblock::trim_memory(rig.mb, c);
        return rig.memory();
    };
    CHECK(trimmed({{c, 4 * c}}) == Spans{{c, 4 * c}});
    CHECK(trimmed({{c, 2 * c}, {4 * c, 4 * c}}) == Spans{{c, 2 * c}, {4 * c, 4 * c}});
    CHECK(trimmed({{c, 2 * c}, {4 * c, c - 2}}) == Spans{{c, 2 * c}});
    CHECK(trimmed({{c, 2 * c}, {4 * c + 2, 2 * c - 2}}) == Spans{{c, 2 * c}, {5 * c, c}});
    CHECK(trimmed({{c, 2 * c}, {4 * c, 2 * c - 2}}) == Spans{{c, 2 * c}, {4 * c, c}});
    CHECK(trimmed({{1, c - 2}, {c + 1, c - 2}, {2 * c, c}}) == Spans{{2 * c, c}});
    CHECK(trimmed({{1, c - 2}}).empty());
    CHECK(trimmed({}).empty());
    // Upstream's rounding wraps in the last block of the address space.
    CHECK(trimmed({{kMax - 20, 20}}) == Spans{{0, kMax - c + 1}});
}

TEST_CASE("memblock: the total is not told of a region that is trimmed, only of one that goes") {
    MemblockRig rig;
    memblock::add(rig.mb, {{4096}, 8192}).value();
    memblock::add(rig.mb, {{0x10000}, 4096 + 100}).value();
    memblock::add(rig.mb, {{0x20000}, 100}).value();
    memblock::trim_memory(rig.mb, 4096);
    CHECK(rig.memory() == Spans{{4096, 8192}, {0x10000, 4096}});
    CHECK(rig.mb.memory.total_size == 8192 + 4096 + 100);
    // It stays wrong until the list is empty; that is warned about, and mended by the next add.
    memblock::remove(rig.mb, {{0}, kMax}).value();
    CHECK(rig.mb.memory.total_size == 100);
    CHECK(rig.machine.warnings == 1);
    memblock::add(rig.mb, {{4096}, 4096}).value();
    CHECK(rig.mb.memory.total_size == 4096);
    CHECK(rig.machine.warnings == 2);
}

// 4 MiB at 1 MiB, 4 MiB at 8 MiB of which the last is NOMAP; reservations in both and above.
void add_memory(MemblockRig& rig) {
    rig.reset();
    memblock::add(rig.mb, {{kMiB}, 4 * kMiB}).value();
    memblock::add(rig.mb, {{8 * kMiB}, 4 * kMiB}).value();
    memblock::set_memory_flag(rig.mb, {{11 * kMiB}, kMiB}, kMemblockNomap, true).value();
    memblock::reserve(rig.mb, {{2 * kMiB}, kMiB}).value();
    memblock::reserve(rig.mb, {{9 * kMiB}, 2 * kMiB}).value();
    memblock::reserve(rig.mb, {{11 * kMiB}, 5 * kMiB}, kNoNode, kMemblockReservedNoinit).value();
}

TEST_CASE("memblock: a memory limit counts memory from the bottom and cuts both lists") {
    MemblockRig rig;
    const auto limited = [&rig](u64 bytes) {
        add_memory(rig);
        memblock::enforce_memory_limit(rig.mb, bytes);
        REQUIRE(rig.broken_invariant() == "");
        return std::pair(rig.memory(), rig.reserved());
    };
    const Spans reserved = {{2 * kMiB, kMiB}, {9 * kMiB, 2 * kMiB}, {11 * kMiB, 5 * kMiB}};
    const Spans memory = {{kMiB, 4 * kMiB}, {8 * kMiB, 3 * kMiB}, {11 * kMiB, kMiB}};
    CHECK(limited(0) == std::pair(memory, reserved));
    CHECK(limited(kMax) == std::pair(memory, reserved));
    CHECK(limited(8 * kMiB + 1) == std::pair(memory, reserved));
    // All of it: memory stays, what is reserved above goes.
    CHECK(limited(8 * kMiB) == std::pair(memory, Spans{{2 * kMiB, kMiB}, {9 * kMiB, 2 * kMiB}, {11 * kMiB, kMiB}}));
    CHECK(limited(4 * kMiB) == std::pair(Spans{{kMiB, 4 * kMiB}}, Spans{{2 * kMiB, kMiB}}));
    CHECK(limited(4 * kMiB + 1) == std::pair(Spans{{kMiB, 4 * kMiB}, {8 * kMiB, 1}}, Spans{{2 * kMiB, kMiB}}));
    CHECK(limited(kMiB + 100) == std::pair(Spans{{kMiB, kMiB + 100}}, Spans{{2 * kMiB, 100}}));
    CHECK(limited(1) == std::pair(Spans{{kMiB, 1}}, Spans{}));
}

TEST_CASE("memblock: capping keeps a window, and NOMAP memory anywhere") {
    MemblockRig rig;
    const auto capped = [&rig](u64 base, u64 size) {
        add_memory(rig);
        memblock::cap_memory_range(rig.mb, {{base}, size});
        return std::pair(rig.memory(), rig.reserved());
    };
    const Spans nomap = {{11 * kMiB, kMiB}};
    const auto all = capped(0, 0);
    CHECK(all.first.size() == 3);
    CHECK(all.second.size() == 3);
    CHECK(capped(0, kMax) == all);
    CHECK(capped(2 * kMiB, 7 * kMiB) ==
          std::pair(Spans{{2 * kMiB, 3 * kMiB}, {8 * kMiB, kMiB}, {11 * kMiB, kMiB}}, Spans{{2 * kMiB, kMiB}}));
    CHECK(capped(6 * kMiB, kMiB) == std::pair(nomap, Spans{}));  // nothing lies inside
    // A window inside of NOMAP memory leaves the pieces apart, and reservations there are cut.
    CHECK(capped(11 * kMiB + 4096, 4096) ==
          std::pair(Spans{{11 * kMiB, 4096}, {11 * kMiB + 4096, 4096}, {11 * kMiB + 8192, kMiB - 8192}},
                    Spans{{11 * kMiB + 4096, 4096}}));
    rig.reset();
    memblock::reserve(rig.mb, {{kMiB}, kMiB}).value();
    memblock::cap_memory_range(rig.mb, {{0}, 4096});  // no memory yet: nothing is done
    CHECK(rig.reserved() == Spans{{kMiB, kMiB}});
}

TEST_CASE("memblock: a limit that keeps NOMAP memory") {
    MemblockRig rig;
    add_memory(rig);
    memblock::limit_memory_keep_nomap(rig.mb, 0);
    memblock::limit_memory_keep_nomap(rig.mb, 9 * kMiB);
    CHECK(rig.memory().size() == 3);
    memblock::limit_memory_keep_nomap(rig.mb, 2 * kMiB);
    CHECK(rig.memory() == Spans{{kMiB, 2 * kMiB}, {11 * kMiB, kMiB}});
    CHECK(rig.reserved() == Spans{{2 * kMiB, kMiB}});
}

TEST_CASE("memblock: limits on a full array that cannot grow leave the rest undone") {
    MemblockRig rig;
    rig.mb.can_resize = 1;
    for (u64 i = 0; i < 128; ++i) memblock::add(rig.mb, {{kMiB + i * 8192}, 4096}).value();
    memblock::reserve(rig.mb, {{0}, 64 * kMiB}).value();
    const Spans before = rig.memory();
    memblock::enforce_memory_limit(rig.mb, 64 * 4096);
    CHECK(rig.memory() == before);
    CHECK(rig.reserved() == Spans{{0, kMiB + 63 * 8192 + 4096}});  // the second list has room
    memblock::cap_memory_range(rig.mb, {{2 * kMiB}, kMiB});
    CHECK(rig.memory() == before);
    CHECK(rig.reserved().size() == 1);
}

TEST_CASE("memblock: memory is mirrored only if the command line asked for that") {
    MemblockRig rig;
    memblock::add(rig.mb, {{kMiB}, 4 * kMiB}).value();
    memblock::mark_mirror(rig.mb, {{2 * kMiB}, kMiB}).value();
    CHECK(rig.memory().size() == 1);
    CHECK(rig.mb.has_mirror == 0);
    rig.mb.mirrored_kernelcore = 1;
    memblock::mark_mirror(rig.mb, {{2 * kMiB}, kMiB}).value();
    CHECK(rig.flags(rig.mb.memory) == std::vector<u32>{0, kMemblockMirror, 0});
    CHECK(rig.mb.has_mirror == 1);
    CHECK(memblock::alloc(rig.mb, 4096, 4096) == PhysAddr{3 * kMiB - 4096});
    CHECK(memblock::alloc(rig.mb, 2 * kMiB, 4096) == PhysAddr{3 * kMiB});  // does not fit there: anywhere
    // Two touching regions are not one.
    CHECK_FALSE(memblock::is_region_memory(rig.mb, {{kMiB}, 2 * kMiB}));
    CHECK(memblock::is_region_memory(rig.mb, {{kMiB}, kMiB}));
}

TEST_CASE("memblock: what versions do differently") {
    MemblockRig rig;
    const MemblockVersion version = GENERATE(MemblockVersion::k6_12, MemblockVersion::kMainline);
    const bool mainline = version == MemblockVersion::kMainline;
    memblock::init(rig.mb, 12, version);
    rig.mb.can_resize = 1;
    memblock::add(rig.mb, {{kMiB}, kMiB}, {1}).value();
    SECTION("what an allocation's reservation says") {
        memblock::alloc(rig.mb, 4096, 4096, 0, 0, {1});
        CHECK(memblock::region(rig.mb.reserved, 0).flags == (mainline ? kMemblockReservedKern : kMemblockNone));
        CHECK(memblock::region(rig.mb.reserved, 0).nid == (mainline ? 1 : kNoNode.value));
    }
    SECTION("what an array's reservation says") {
        for (u64 i = 0; i < 129; ++i) memblock::reserve(rig.mb, {{16 * kMiB + i * 8192}, 4096}).value();
        CHECK(memblock::region(rig.mb.reserved, 0).flags == (mainline ? kMemblockReservedKern : kMemblockNone));
    }
    SECTION("reserving plainly around a region with flags") {
        memblock::reserve(rig.mb, {{kMiB + 4096}, 4096}, kNoNode, kMemblockReservedNoinit).value();
        memblock::reserve(rig.mb, {{kMiB}, 4 * 4096}).value();
        CHECK(rig.machine.warnings == (mainline ? 0 : 1));
    }
    SECTION("adding around memory of another node is warned about by both") {
        memblock::add(rig.mb, {{0}, 4 * kMiB}, {0}).value();
        CHECK(rig.machine.warnings == 1);
        CHECK(rig.memory() == Spans{{0, kMiB}, {kMiB, kMiB}, {2 * kMiB, 2 * kMiB}});
    }
}

/// What the page allocator would be told.
struct Told {
    std::vector<PhysRange> reserved, free;
    std::vector<i32> nodes;
    NodeId node_of(PhysAddr) { return {7}; }
    void mark_reserved(PhysRange r, NodeId nid) {
        reserved.push_back(r);
        nodes.push_back(nid.value);
    }
    void give(PhysRange r) { free.push_back(r); }
};

TEST_CASE(
    "memblock: the hand-over tells of NOMAP memory, of reservations but for those left alone, and of what is free") {
    MemblockRig rig;
    const auto mib = [](u64 at, u64 size) { return PhysRange{{at * kMiB}, size * kMiB}; };
    memblock::add(rig.mb, mib(1, 8), {0}, kMemblockHotplug).value();
    memblock::add(rig.mb, mib(9, 7), {1}).value();
    memblock::set_memory_flag(rig.mb, mib(14, 2), kMemblockNomap, true).value();
    memblock::reserve(rig.mb, mib(8, 2)).value();  // across both nodes
    memblock::reserve(rig.mb, mib(2, 1), kNoNode, kMemblockReservedNoinit).value();
    memblock::reserve(rig.mb, mib(4, 1), kNoNode, kMemblockReservedPreserved).value();
    memblock::reserve(rig.mb, mib(20, 1)).value();  // not memory
    rig.mb.scratch_only = 1;
    rig.mb.movable_node = 1;
    Told told;
    memblock::hand_over(rig.mb, told);
    CHECK(told.reserved == std::vector<PhysRange>{mib(14, 2), mib(8, 1), mib(9, 1), mib(20, 1)});
    CHECK(told.nodes == std::vector<i32>{1, 0, 1, 7});
    CHECK(told.free == std::vector<PhysRange>{mib(1, 1), mib(3, 1), mib(5, 3), mib(10, 4)});
    CHECK(rig.mb.scratch_only == 0);
    CHECK(rig.flags(rig.mb.memory) == std::vector<u32>{0, 0, kMemblockNomap});
}

TEST_CASE("memblock: physical memory is a list of its own that grows like the others") {
    MemblockRig rig;
    rig.mb.can_resize = 1;
    memblock::add(rig.mb, {{kMiB}, kMiB}).value();
    for (u64 i = 0; i < 5; ++i) memblock::physmem_add(rig.mb, {{i * kMiB}, 4096}).value();
    CHECK(rig.mb.physmem.cnt == 5);
    CHECK(rig.mb.physmem.max == 8);
    CHECK(rig.reserved() == Spans{{2 * kMiB - 4096, 4096}});
    CHECK(rig.memory() == Spans{{kMiB, kMiB}});
}

TEST_CASE("memblock: searches at the borders of regions") {
    MemblockRig rig;
    memblock::add(rig.mb, {{kMiB}, 4096}).value();
    memblock::add(rig.mb, {{kMiB + 4096}, 4096}, kNoNode, kMemblockNomap).value();
    memblock::add(rig.mb, {{kMax - 4096}, 4096}).value();
    const auto index = [&](u64 a) { return memblock::search(rig.mb.memory, {a}); };
    CHECK(index(kMiB - 1) == std::nullopt);
    CHECK(index(kMiB) == u64{0});
    CHECK(index(kMiB + 4095) == u64{0});
    CHECK(index(kMiB + 4096) == u64{1});
    CHECK(index(kMiB + 8192) == std::nullopt);
    CHECK(index(kMax - 4096) == u64{2});
    CHECK(index(kMax - 1) == u64{2});
    CHECK(index(kMax) == std::nullopt);  // the last byte is never covered
    CHECK(index(0) == std::nullopt);
    CHECK(memblock::is_map_memory(rig.mb, {kMiB}));
    CHECK_FALSE(memblock::is_map_memory(rig.mb, {kMiB + 4096}));
    CHECK_FALSE(memblock::is_map_memory(rig.mb, {0}));
    CHECK(memblock::is_region_memory(rig.mb, {{kMiB + 4096}, 4096}));
    CHECK_FALSE(memblock::is_region_memory(rig.mb, {{kMiB + 4096}, 4097}));
    CHECK(memblock::is_region_memory(rig.mb, {{kMiB}, 0}));
    CHECK_FALSE(memblock::is_region_memory(rig.mb, {{kMiB - 1}, 0}));
    CHECK(memblock::is_region_memory(rig.mb, {{kMax - 4096}, kMax}));  // capped
    CHECK_FALSE(memblock::is_region_reserved(rig.mb, {{0}, kMax}));
    memblock::reserve(rig.mb, {{kMiB}, 1}).value();
    CHECK(memblock::is_region_reserved(rig.mb, {{0}, kMax}));
    CHECK_FALSE(memblock::is_region_reserved(rig.mb, {{0}, kMiB}));
    CHECK_FALSE(memblock::is_region_reserved(rig.mb, {{kMiB}, 0}));
}

}  // namespace
}  // namespace baton::test
