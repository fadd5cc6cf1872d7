// SPDX-License-Identifier: GPL-2.0-only
// What an allocation may take and what it may not, beyond the tables (specs/memblock.md §3).
#include <cstring>

#include "tests/catch.hpp"
#include "tests/support/memblock_rig.hpp"

namespace baton::test {
namespace {

inline constexpr u64 kM = 32 * kKiB;
inline constexpr u64 S = 64 * kMiB;
inline constexpr u64 E = S + kM;
inline constexpr u64 C = 32;

TEST_CASE("memblock: bounds of a physical allocation are hard, and override the limit") {
    MemblockRig rig;
    memblock::add(rig.mb, {{S}, kM}).value();
    rig.mb.current_limit = S + kKiB;
    CHECK(memblock::phys_alloc_range(rig.mb, 64, C, 0, kMemblockAnywhere) == PhysAddr{E - 64});
    CHECK(memblock::phys_alloc_range(rig.mb, 64, C, 0, kMemblockAccessible) == PhysAddr{S + kKiB - 64});
    CHECK(memblock::phys_alloc_range(rig.mb, 64, C, 0, kMemblockNoLeakTrace) == PhysAddr{S + kKiB - 128});
    CHECK_FALSE(memblock::phys_alloc_range(rig.mb, 64, C, S + kKiB, kMemblockAccessible));
    CHECK_FALSE(memblock::phys_alloc_range(rig.mb, 512, C, E - 256, kMemblockAnywhere));
    CHECK(memblock::alloc(rig.mb, 512, C, E - 256) == PhysAddr{S + 384});  // here the lower bound is a wish
}

TEST_CASE("memblock: an allocation of nothing succeeds, and may lie where RAM ends") {
    MemblockRig rig;
    memblock::add(rig.mb, {{S}, kM}).value();
    CHECK(memblock::alloc(rig.mb, 0, C) == PhysAddr{E});
    CHECK(rig.mb.reserved.cnt == 0);
    rig.mb.bottom_up = 1;
    CHECK(memblock::alloc(rig.mb, 0, C) == PhysAddr{S});
    memblock::reserve(rig.mb, {{S}, kM}).value();
    CHECK_FALSE(memblock::alloc(rig.mb, 0, C));
}

TEST_CASE("memblock: gaps that are too small do not add up") {
    MemblockRig rig;
    memblock::add(rig.mb, {{S}, kM}).value();
    for (u64 i = 256; i < kM; i += 1280) memblock::reserve_kern(rig.mb, {{S + i}, 1024}).value();
    CHECK_FALSE(memblock::alloc(rig.mb, 1024, C));
    CHECK(memblock::alloc(rig.mb, 256, C));
}

TEST_CASE("memblock: nothing comes from empty memory, and page 0 is never handed out") {
    MemblockRig rig;
    CHECK_FALSE(memblock::alloc(rig.mb, 16, 16));
    CHECK(rig.mb.reserved.cnt == 0);
    memblock::add(rig.mb, {{0}, 2 * 4096}).value();
    rig.mb.bottom_up = 1;
    CHECK(memblock::alloc(rig.mb, 64, 64) == PhysAddr{4096});
    rig.mb.bottom_up = 0;
    CHECK_FALSE(memblock::alloc(rig.mb, 4096, 64));
}

TEST_CASE("memblock: an allocation never spans two regions, even if they touch") {
    MemblockRig rig;
    memblock::add(rig.mb, {{S}, kM}).value();
    memblock::set_memory_flag(rig.mb, {{S}, kM / 2}, kMemblockHotplug, true).value();
    CHECK_FALSE(memblock::alloc(rig.mb, kM / 2 + 64, 64));
    CHECK(memblock::alloc(rig.mb, kM / 2, 64) == PhysAddr{S + kM / 2});
    rig.mb.movable_node = 1;
    CHECK_FALSE(memblock::alloc(rig.mb, 64, 64));
}

TEST_CASE("memblock: NOMAP and driver memory is not allocated, mirrored memory is preferred") {
    MemblockRig rig;
    memblock::add(rig.mb, {{S}, kM}).value();
    memblock::set_memory_flag(rig.mb, {{S + 24 * kKiB}, 8 * kKiB}, kMemblockNomap, true).value();
    memblock::set_memory_flag(rig.mb, {{S + 16 * kKiB}, 8 * kKiB}, kMemblockDriverManaged, true).value();
    CHECK(memblock::alloc(rig.mb, 64, 64) == PhysAddr{S + 16 * kKiB - 64});
    rig.mb.mirrored_kernelcore = 1;
    memblock::mark_mirror(rig.mb, {{S}, 4 * kKiB}).value();
    CHECK(memblock::alloc(rig.mb, 4 * kKiB, 64) == PhysAddr{S});
    CHECK(memblock::alloc(rig.mb, 64, 64) == PhysAddr{S + 16 * kKiB - 128});  // the mirror is full
}

TEST_CASE("memblock: the current limit is an upper bound") {
    MemblockRig rig;
    memblock::add(rig.mb, {{S}, kM}).value();
    rig.mb.current_limit = S + kKiB;
    CHECK(memblock::alloc(rig.mb, 64, 64) == PhysAddr{S + kKiB - 64});
    CHECK(memblock::alloc(rig.mb, 64, 64, 0, E) == PhysAddr{S + kKiB - 128});
    rig.mb.current_limit = S;
    CHECK_FALSE(memblock::alloc(rig.mb, 64, 64));
}

TEST_CASE("memblock: in scratch-only mode everything comes from scratch, or not at all") {
    MemblockRig rig;
    rig.mb.can_resize = 1;
    memblock::add(rig.mb, {{16 * kMiB}, 64 * kMiB}).value();
    const PhysRange scratch{{32 * kMiB}, 64 * kKiB};
    memblock::set_memory_flag(rig.mb, scratch, kMemblockKhoScratch, true).value();
    rig.mb.scratch_only = 1;
    const auto at = memblock::alloc(rig.mb, 4096, 4096);
    REQUIRE(at);
    CHECK(*at == scratch.end() - 4096);
    for (u64 i = 0; i < 300; ++i) memblock::reserve(rig.mb, {{48 * kMiB + i * 8192}, 4096}).value();
    CHECK(rig.mb.reserved.max == 512);
    CHECK(scratch.contains({rig.mb.reserved.regions.phys(), 12 * kKiB}));
    CHECK_FALSE(memblock::alloc(rig.mb, 64 * kKiB, 64));
    const sim::Fault fault = rig.machine.run([&] { (void)memblock::alloc_or_panic(rig.mb, 64 * kKiB, 64); });
    CHECK(fault.kind == sim::Fault::Kind::kPanic);
    CHECK(fault.log == Log::kPanicEarlyAlloc);
    CHECK(fault.args[2] == 1);
    rig.mb.scratch_only = 0;
    CHECK(memblock::alloc(rig.mb, 64 * kKiB, 64));
}

TEST_CASE("memblock: alloc_or_panic clears, alloc does not") {
    MemblockRig rig;
    memblock::add(rig.mb, {{S}, kM}).value();
    std::memset(rig.machine.bytes({S}), 0xa5, kM);
    const auto raw = memblock::alloc(rig.mb, 100, C);
    REQUIRE(raw);
    CHECK(*ram::read<u8>(*raw) == 0xa5);
    const PhysAddr clear = memblock::alloc_or_panic(rig.mb, 100, C);
    for (u64 i = 0; i < 100; ++i) REQUIRE(*ram::read<u8>(clear + i) == 0);
    CHECK(*ram::read<u8>(clear - 1) == 0xa5);
    CHECK(rig.machine.charged(Work::kPagesZeroed) == 1);
}

TEST_CASE("memblock: the node of an allocation is recorded when it was found there") {
    MemblockRig rig;
    memblock::add(rig.mb, {{S}, 8 * kKiB}, {0}).value();
    memblock::add(rig.mb, {{S + 8 * kKiB}, 8 * kKiB}, {1}).value();
    memblock::alloc(rig.mb, 8 * kKiB, 64, 0, 0, {0});
    CHECK(memblock::region(rig.mb.reserved, 0).nid == 0);
    memblock::alloc(rig.mb, 64, 64, 0, 0, {0});  // falls back
    CHECK(memblock::region(rig.mb.reserved, 1).nid == kNoNode.value);
}

TEST_CASE("memblock: alignment 0 is warned about and means a cache line") {
    MemblockRig rig;
    memblock::add(rig.mb, {{S}, kM}).value();
    CHECK(memblock::alloc(rig.mb, 2, 0) == PhysAddr{E - 64});
    CHECK(rig.machine.warnings == 1);
}

}  // namespace
}  // namespace baton::test
