// SPDX-License-Identifier: GPL-2.0-only
// What is left of RAM for a boot loader.
#include "sim/boot/room.hpp"

#include "tests/catch.hpp"

using namespace baton;
using namespace baton::sim;

namespace {

constexpr u32 kRam = static_cast<u32>(MemoryType::kRam);

MachineMap odd_map(std::vector<PhysRange> reserved = {}) {
    return {Isa::kAArch64, FirmwareMap{.name = "odd",
                                       .isa = {},
                                       .entries = {{{0x800}, 0x9f400, kRam, 0}, {{0x100000}, 0x300000, kRam, 0}},
                                       .reserved = std::move(reserved),
                                       .device_tree = {}}};
}

TEST_CASE("room: only whole pages count, of the kernel's size") {
    const Room small(odd_map(), 4096);
    CHECK(small.runs().size() == 2);
    CHECK(small.runs()[0] == PhysRange{{0x1000}, 0x9e000});
    const Room large(odd_map(), 65536);
    CHECK(large.runs()[0] == PhysRange{{0x10000}, 0x80000});
}

TEST_CASE("room: reservations and what was taken are gone, to whole pages") {
    Room room(odd_map({{{0x10800}, 0x100}}), 4096);
    CHECK(!room.is_free({{0x10000}, 1}));
    CHECK(room.is_free({{0x11000}, 0x1000}));
    room.take({{0x1fffff}, 2});
    CHECK(!room.is_free({{0x1ff000}, 0x1000}));
    CHECK(!room.is_free({{0x200000}, 0x1000}));
    CHECK(room.is_free({{0x201000}, 0x1000}));
    room.take({{0}, 0x10000000});
    CHECK(room.runs().empty());
    CHECK(!room.lowest(1, 1, {0}, {~u64{0}}));
    CHECK(!room.highest(1, 1, {0}, {~u64{0}}));
}

TEST_CASE("room: the lowest and the highest place that fits, within limits and aligned") {
    const Room room(odd_map(), 4096);
    CHECK(room.lowest(0x1000, 0x1000, {0}, {kGiB}) == PhysAddr{0x1000});
    CHECK(room.lowest(0x100000, 0x1000, {0}, {kGiB}) == PhysAddr{0x100000});
    CHECK(room.lowest(0x1000, 0x200000, {0x1000}, {kGiB}) == PhysAddr{0x200000});
    CHECK(!room.lowest(0x1000, 0x200000, {0x200001}, {0x400000}));
    CHECK(room.highest(0x1000, 0x1000, {0}, {kGiB}) == PhysAddr{0x3ff000});
    CHECK(room.highest(0x1001, 0x1000, {0}, {kGiB}) == PhysAddr{0x3fe000});
    CHECK(room.highest(0x1000, 0x1000, {0}, {0x100000}) == PhysAddr{0x9e000});
    CHECK(room.highest(0x300000, 0x100000, {0}, {kGiB}) == PhysAddr{0x100000});
    CHECK(!room.highest(0x300001, 0x1000, {0}, {kGiB}));
}

}  // namespace
