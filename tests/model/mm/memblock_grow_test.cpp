// SPDX-License-Identifier: GPL-2.0-only
// Arrays that grow: where the new one goes, what is left of the old one, and the traps (specs/memblock.md §2.5).
#include "tests/catch.hpp"
#include "tests/support/memblock_rig.hpp"

namespace baton::test {
namespace {

using Spans = std::vector<Span>;

inline constexpr u64 kArrayBytes = 8 * kKiB;  // 256 entries of 24 bytes, in whole pages

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

// Fills both lists: 127 regions of memory from 200 MiB on beside the RAM that arrays can go to, 128 reserved slots.
void fill(MemblockRig& rig, PhysRange ram) {
    memblock::add(rig.mb, ram).value();
    for (u64 i = 1; i < 128; ++i) memblock::add(rig.mb, {{200 * kMiB + i * 128}, 64}).value();
    for (u64 i = 0; i < 128; ++i) memblock::reserve(rig.mb, slot(i)).value();
    REQUIRE(rig.mb.memory.cnt == 128);
    REQUIRE(rig.mb.reserved.cnt == 128);
}

TEST_CASE("memblock: an array that has moved but cannot be reserved ends the kernel") {
    MemblockRig rig;
    rig.mb.can_resize = 1;
    fill(rig, {{100 * kMiB}, kArrayBytes});  // room for one of the two arrays
    const sim::Fault fault = rig.machine.run([&] { (void)memblock::add(rig.mb, {{200 * kMiB}, 64}); });
    CHECK(fault.kind == sim::Fault::Kind::kAssert);
    CHECK(rig.machine.logged(Log::kMemblockFull));
}

// Freeing the old array of `memory` comes before reserving the new one; if that makes `reserved` grow, its array is
// looked for while the new one of `memory` is still free.
TEST_CASE("memblock: arrays of both lists in one place, if `reserved` fills at the wrong moment") {
    MemblockRig rig;
    rig.mb.can_resize = 1;
    memblock::add(rig.mb, {{100 * kMiB}, kMiB}).value();
    for (u64 i = 0; i < 128; ++i) memblock::add(rig.mb, {{200 * kMiB + i * 128}, 64}).value();
    REQUIRE(rig.mb.memory.max == 256);  // so that there is an old array to free
    for (u64 i = 128; rig.mb.memory.cnt < 256; ++i) memblock::add(rig.mb, {{200 * kMiB + i * 128}, 64}).value();
    for (u64 i = 0; rig.mb.reserved.cnt < 127; ++i) memblock::reserve(rig.mb, slot(i)).value();
    const sim::Fault fault = rig.machine.run([&] { (void)memblock::add(rig.mb, {{210 * kMiB}, 64}); });
    // One place for two arrays of different sizes; what was written last is in both.
    const PhysAddr memory_end = rig.mb.memory.regions.phys() + 12 * kKiB;
    const PhysAddr reserved_end = rig.mb.reserved.regions.phys() + kArrayBytes;
    CHECK(memory_end == reserved_end);
    CHECK((fault.kind != sim::Fault::Kind::kNone || rig.broken_invariant() != ""));
}

TEST_CASE("memblock: reserving from address 0 on may put the array on what is being reserved") {
    const auto grown_at = [](u64 start) {
        MemblockRig rig;
        rig.mb.can_resize = 1;
        memblock::add(rig.mb, {{64 * kKiB}, 32 * kKiB}).value();  // the only RAM, inside of what is to be reserved
        for (u64 i = 0; i < 128; ++i) memblock::reserve(rig.mb, slot(i)).value();
        const bool reserved = memblock::reserve(rig.mb, {{start}, 100 * kKiB - start}).has_value();
        return reserved ? rig.mb.reserved.regions.phys().value : 0;
    };
    // The bound of the search below it is 0 (or 1), which means "no bound".
    CHECK(grown_at(0) == 96 * kKiB - kArrayBytes);
    CHECK(grown_at(1) == 96 * kKiB - kArrayBytes);
    CHECK(grown_at(2) == 0);
}

TEST_CASE("memblock: an allocation may have to grow `reserved` first") {
    MemblockRig rig;
    rig.mb.can_resize = 1;
    memblock::add(rig.mb, {{100 * kMiB}, kMiB}).value();
    for (u64 i = 0; i < 128; ++i) memblock::reserve(rig.mb, slot(i)).value();
    const auto at = memblock::alloc(rig.mb, 4096, 4096);
    REQUIRE(at);
    CHECK(*at == PhysAddr{101 * kMiB - 4096});
    CHECK(rig.mb.reserved.max == 256);
    CHECK(rig.mb.reserved.regions.phys() == *at - kArrayBytes);  // just below: it keeps out of the allocation
    CHECK(rig.mb.reserved.cnt == 129);                           // both merge
    CHECK(rig.broken_invariant() == "");
}

TEST_CASE("memblock: a low limit keeps arrays from growing") {
    MemblockRig rig;
    rig.mb.can_resize = 1;
    memblock::add(rig.mb, {{100 * kMiB}, kMiB}).value();
    rig.mb.current_limit = kMiB;
    for (u64 i = 0; i < 128; ++i) memblock::reserve(rig.mb, slot(i)).value();
    CHECK(memblock::reserve(rig.mb, slot(128)).error() == Errno::kENOMEM);
    rig.mb.current_limit = kMemblockAnywhere;
    CHECK(memblock::reserve(rig.mb, slot(128)).has_value());
}

TEST_CASE("memblock: arrays prefer mirrored memory and follow the direction") {
    MemblockRig rig;
    rig.mb.can_resize = 1;
    rig.mb.mirrored_kernelcore = 1;
    memblock::add(rig.mb, {{100 * kMiB}, 8 * kMiB}).value();
    memblock::mark_mirror(rig.mb, {{102 * kMiB}, kMiB}).value();
    rig.mb.bottom_up = GENERATE(0u, 1u);
    for (u64 i = 0; i < 129; ++i) memblock::reserve(rig.mb, slot(i)).value();
    CHECK(rig.mb.reserved.regions.phys().value == (rig.mb.bottom_up != 0 ? 102 * kMiB : 103 * kMiB - kArrayBytes));
    memblock::reserve(rig.mb, {{102 * kMiB}, kMiB}).value();  // the mirror is full
    for (u64 i = 129; i < 257; ++i) memblock::reserve(rig.mb, slot(i)).value();
    CHECK(rig.mb.reserved.max == 512);
    CHECK_FALSE(PhysRange{{102 * kMiB}, kMiB}.contains(rig.mb.reserved.regions.phys()));
    CHECK(rig.broken_invariant() == "");
}

TEST_CASE("memblock: an array may take memory that is reserved later") {
    MemblockRig rig;
    rig.mb.can_resize = 1;
    memblock::add(rig.mb, {{100 * kMiB}, kMiB}).value();
    for (u64 i = 0; i < 128; ++i) memblock::add(rig.mb, {{200 * kMiB + i * 128}, 64}).value();
    const PhysRange initrd{{101 * kMiB - 64 * kKiB}, 64 * kKiB};
    CHECK(initrd.contains(rig.mb.memory.regions.phys()));
    CHECK(memblock::reserve(rig.mb, initrd).has_value());  // nobody notices
}

}  // namespace
}  // namespace baton::test
