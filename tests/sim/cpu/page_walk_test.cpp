// SPDX-License-Identifier: GPL-2.0-only
// Our page walkers against the CPU: a load, a store and a fetch for each of thousands of random mappings.
#include "sim/cpu/page_walk.hpp"

#include <cstdlib>
#include <string>

#include "sim/cpu/self_test.hpp"
#include "tests/catch.hpp"
#include "tests/support/walk_rig.hpp"

using namespace baton;
using namespace baton::sim;
using namespace baton::test;

namespace {

constexpr u64 kMappingsPerTree = 500;

void compare(Isa isa, u32 page_shift, u64 mappings) {
    require_sound_emulator(isa);
    WalkRig rig(isa, page_shift, 12 + page_shift);
    u64 tried = 0;
    while (tried < mappings) {
        rig.rebuild(kMappingsPerTree);
        for (const u64 va : rig.addresses()) {
            const bool user = rig.random()() % 2 != 0;
            for (const auto kind : {WalkAccess::Kind::kRead, WalkAccess::Kind::kWrite, WalkAccess::Kind::kFetch}) {
                const WalkAccess access{kind, user};
                const std::string wrong = rig.try_access(va, access);
                if (!wrong.empty())
                    FAIL("granule " << page_shift << ", " << (user ? "user" : "kernel") << " access "
                                    << static_cast<int>(kind) << ": " << wrong << "\n"
                                    << to_text(rig.walk(va, access), {va}));
            }
            ++tried;
        }
    }
    // Every way an access can end was really met.
    for (const WalkFault f : {WalkFault::kNone, WalkFault::kAddress, WalkFault::kNotPresent, WalkFault::kPermission,
                              isa == Isa::kX86_64 ? WalkFault::kReserved : WalkFault::kAccessFlag})
        REQUIRE(rig.count(f) > mappings / 1000);
    if (isa == Isa::kAArch64) REQUIRE(rig.count(WalkFault::kClosed) > mappings / 1000);
    for (u32 level = 0; level <= (page_shift == 12 ? 2u : 1u); ++level) REQUIRE(rig.allowed_of(level) > mappings / 100);
}

}  // namespace

TEST_CASE("page walk: x86-64 agrees with the CPU on 100,000 random mappings") { compare(Isa::kX86_64, 12, 100'000); }

TEST_CASE("page walk: AArch64 agrees with the CPU on 100,000 random mappings of all granules") {
    for (const u32 page_shift : {12u, 14u, 16u}) compare(Isa::kAArch64, page_shift, 33'334);
}

TEST_CASE("page walk: without paging an address is itself") {
    constexpr PhysRange kRam[] = {{{0}, kMiB}};
    const PhysicalMemory memory(kRam);
    REQUIRE(walk_x86_64(memory, {}, {0x1234}).address.value == 0x1234);
    REQUIRE(walk_aarch64(memory, {}, {0x1234}).allowed());
}

TEST_CASE("page walk: the text names every step") {
    constexpr PhysRange kRam[] = {{{0}, kMiB}};
    PhysicalMemory memory(kRam);
    REQUIRE(memory.store<u64>({0x1000}, 0x2003));
    REQUIRE(memory.store<u64>({0x2008}, 0x400000e3));
    const PageWalk walk = walk_x86_64(memory, {.cr0 = 0x80000001, .cr3 = 0x1000, .efer = 0xd01}, {0x40001234});
    REQUIRE(to_text(walk, {0x40001234}) ==
            "0x40001234: mapped -> 0x40001234 (1 GiB leaf, kernel rwx, user ---)\n"
            "  level 3: [0x1000] = 0x0000000000002003\n"
            "  level 2: [0x2008] = 0x00000000400000e3");
}
