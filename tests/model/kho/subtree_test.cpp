// SPDX-License-Identifier: GPL-2.0-only
// Subtrees: the rules of specs/kho.md §2.1.
#include <libfdt.h>

#include "model/kho/fdt.hpp"
#include "tests/catch.hpp"
#include "tests/model/kho/kho_machine.hpp"

using namespace baton;
using test::KhoMachine;

TEST_CASE("kho subtree: adding checks the name, the room and the state") {
    KhoMachine m;
    m.boot();
    Kernel& k = m.kernel();
    CHECK(kho::add_subtree(k, "", {{1}, 0}).error() == Errno::kEINVAL);
    CHECK(kho::add_subtree(k, "a/b", {{1}, 0}).error() == Errno::kEINVAL);
    CHECK(kho::add_subtree(k, std::string_view{"a\0b", 3}, {{1}, 0}).error() == Errno::kEINVAL);
    CHECK(kho::add_subtree(k, std::string(32, 'x'), {{1}, 0}).error() == Errno::kENOMEM);
    CHECK(kho::add_subtree(k, std::string(31, 'x'), {{1}, 0}));
    CHECK(kho::add_subtree(k, std::string(31, 'x'), {{2}, 0}).error() == Errno::kEEXIST);
    for (u32 i = 1; i < kSubtreesMax; ++i) REQUIRE(kho::add_subtree(k, "n" + std::to_string(i), {{i}, 0}));
    CHECK(kho::add_subtree(k, "one more", {{1}, 0}).error() == Errno::kENOMEM);
    kho::remove_subtree(k, {7});
    kho::remove_subtree(k, {0xabcdef});
    CHECK(k.kho.subtree_count == kSubtreesMax - 1);
    CHECK(kho::add_subtree(k, "n7", {{7}, 0}));
}

TEST_CASE("kho subtree: adding is EBUSY once finalised, EOPNOTSUPP when disabled") {
    {
        KhoMachine m;
        m.boot("");
        CHECK(kho::add_subtree(m.kernel(), "x", {{1}, 0}).error() == Errno::kEOPNOTSUPP);
    }
    KhoMachine m;
    m.boot();
    REQUIRE(kho::finalise(m.kernel()));
    CHECK(kho::add_subtree(m.kernel(), "x", {{1}, 0}).error() == Errno::kEBUSY);
}

TEST_CASE("kho subtree: the next kernel finds a blob by name, as often as it asks") {
    for (const Generation generation : test::kBothGenerations) {
        KhoMachine m({}, test::small_ram(), generation);
        m.boot();
        CHECK(kho::retrieve_subtree(m.kernel(), "mine").error() == Errno::kENOENT);  // cold boot
        REQUIRE(kho::add_subtree(m.kernel(), "mine", {{0x123456000}, 0}));
        REQUIRE(kho::finalise(m.kernel()));
        m.kexec();
        for (int i = 0; i < 2; ++i) {
            const auto blob = kho::retrieve_subtree(m.kernel(), "mine");
            REQUIRE(blob);
            CHECK(blob->phys == PhysAddr{0x123456000});
        }
        CHECK(kho::retrieve_subtree(m.kernel(), "min").error() == Errno::kENOENT);
        CHECK(kho::retrieve_subtree(m.kernel(), "").error() == Errno::kENOENT);
    }
}

TEST_CASE("kho subtree: an address property of another size is EINVAL, a broken tree ENOENT") {
    KhoMachine m;
    m.boot();
    REQUIRE(kho::add_subtree(m.kernel(), "mine", {{0x123456000}, 0}));
    REQUIRE(kho::finalise(m.kernel()));
    const KhoIncoming incoming = m.kexec();
    u8* tree = ram::write<u8>(incoming.fdt, 4096);
    REQUIRE(fdt_open_into(tree, tree, 4096) == 0);
    REQUIRE(fdt_setprop_u32(tree, fdt_subnode_offset(tree, 0, "mine"), "fdt", 1) == 0);
    CHECK(kho::retrieve_subtree(m.kernel(), "mine").error() == Errno::kEINVAL);
    REQUIRE(fdt_delprop(tree, fdt_subnode_offset(tree, 0, "mine"), "fdt") == 0);
    CHECK(kho::retrieve_subtree(m.kernel(), "mine").error() == Errno::kEINVAL);
    fdt_set_magic(tree, 0);
    CHECK(kho::retrieve_subtree(m.kernel(), "mine").error() == Errno::kENOENT);
}
