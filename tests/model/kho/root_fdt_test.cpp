// SPDX-License-Identifier: GPL-2.0-only
// The root FDT that is edited in place (specs/kho.md §1.7, §2.1): golden bytes, capacity, failures.
#include "model/kho/root_fdt.hpp"

#include <libfdt.h>

#include <vector>

#include "model/kho/fdt.hpp"
#include "tests/catch.hpp"
#include "tests/model/kho/kho_machine.hpp"

using namespace baton;
using test::KhoMachine;

namespace {

constexpr PhysAddr kPageAt{64 * kMiB};

std::vector<u8> bytes_of(std::initializer_list<u32> words, u64 size) {
    std::vector<u8> bytes;
    for (const u32 w : words)
        for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<u8>(w >> shift));
    bytes.resize(size);
    return bytes;
}

/// A kernel with nothing but a root FDT page.
class Bare : public KhoMachine {
public:
    explicit Bare(Generation generation, PhysAddr map = {})
        : KhoMachine(GeometryId::kX86_64, test::small_ram(), generation) {
        kernel().kho.fdt = kPageAt;
        kernel().kho.tracker.radix_root = map;
        if (!kho::root_fdt::create(kernel())) throw std::runtime_error("create failed");
    }
    Status add(std::string_view name, u64 phys, u64 bytes = 0) {
        return kho::root_fdt::add(kernel(), name, {{phys}, bytes});
    }
    const void* tree() { return ram::read<u8>(kPageAt, 4096); }
    std::vector<u8> bytes() {
        const u8* p = ram::read<u8>(kPageAt, 4096);
        return {p, p + fdt_totalsize(p)};
    }
    std::vector<std::string> children() {
        std::vector<std::string> names;
        int node = 0;
        fdt_for_each_subnode(node, tree(), 0) names.emplace_back(fdt_get_name(tree(), node, nullptr));
        return names;
    }
};

}  // namespace

TEST_CASE("kho root fdt: v1 edited in place has the golden bytes") {
    Bare m(Generation::k7_0);
    REQUIRE(m.add("memblock", 0x200000000));
    REQUIRE(m.add("LUO", 0x240001000));
    const auto golden =
        bytes_of({0xd00dfeed, 0x000000dc, 0x00000038, 0x000000b8, 0x00000028, 0x00000011, 0x00000010, 0x00000000,
                  0x00000024, 0x00000080, 0x00000000, 0x00000000, 0x00000000, 0x00000000, 0x00000001, 0x00000000,
                  0x00000003, 0x00000007, 0x00000015, 0x6b686f2d, 0x76310000, 0x00000003, 0x00000008, 0x00000000,
                  0x00000000, 0x00000000, 0x00000001, 0x4c554f00, 0x00000003, 0x00000008, 0x00000020, 0x00100040,
                  0x02000000, 0x00000002, 0x00000001, 0x6d656d62, 0x6c6f636b, 0x00000000, 0x00000003, 0x00000008,
                  0x00000020, 0x00000000, 0x02000000, 0x00000002, 0x00000002, 0x00000009, 0x70726573, 0x65727665,
                  0x642d6d65, 0x6d6f7279, 0x2d6d6170, 0x00636f6d, 0x70617469, 0x626c6500, 0x66647400},
                 220);
    CHECK(m.bytes() == golden);
}

TEST_CASE("kho root fdt: v3 has the golden bytes") {
    Bare m(Generation::k7_1, {0x87654000});
    REQUIRE(m.add("kexec-metadata", 0x87655000, 73));
    const auto golden = bytes_of(
        {0xd00dfeed, 0x000000e9, 0x00000038, 0x000000b0, 0x00000028, 0x00000011, 0x00000010, 0x00000000, 0x00000039,
         0x00000078, 0x00000000, 0x00000000, 0x00000000, 0x00000000, 0x00000001, 0x00000000, 0x00000003, 0x00000007,
         0x00000015, 0x6b686f2d, 0x76330000, 0x00000003, 0x00000008, 0x00000000, 0x00406587, 0x00000000, 0x00000001,
         0x6b657865, 0x632d6d65, 0x74616461, 0x74610000, 0x00000003, 0x00000008, 0x0000002f, 0x49000000, 0x00000000,
         0x00000003, 0x00000008, 0x00000020, 0x00506587, 0x00000000, 0x00000002, 0x00000002, 0x00000009, 0x70726573,
         0x65727665, 0x642d6d65, 0x6d6f7279, 0x2d6d6170, 0x00636f6d, 0x70617469, 0x626c6500, 0x70726573, 0x65727665,
         0x642d6461, 0x74610062, 0x6c6f622d, 0x73697a65, 0x00000000},
        233);
    CHECK(m.bytes() == golden);
}

TEST_CASE("kho root fdt: the map is set in place, children come last added first and go by their blob") {
    Bare m(Generation::k7_0);
    REQUIRE(m.add("one", 0x1000));
    REQUIRE(m.add("two", 0x2000));
    REQUIRE(m.add("three", 0x3000));
    CHECK(m.children() == std::vector<std::string>{"three", "two", "one"});
    kho::root_fdt::set_map(m.kernel(), {0x123456000});
    CHECK(kho::u64_property(m.tree(), 0, kho::kMapProperty) == 0x123456000u);
    kho::root_fdt::remove(m.kernel(), {0x2000});
    kho::root_fdt::remove(m.kernel(), {0x9000});  // no such blob: nothing happens
    CHECK(m.children() == std::vector<std::string>{"three", "one"});
    REQUIRE(m.add("two", 0x4000));
    CHECK(m.children() == std::vector<std::string>{"two", "three", "one"});
    CHECK(m.add("one", 0x5000).error() == Errno::kEEXIST);
    CHECK(kho::u64_property(m.tree(), 0, kho::kMapProperty) == 0x123456000u);
    CHECK(fdt_check_full(m.tree(), 4096) == 0);
}

TEST_CASE("kho root fdt: a page holds 98 children of v1 and v2, 65 of v3; one more is ENOMEM and leaves nothing") {
    for (const Generation generation : test::kStatelessGenerations) {
        CAPTURE(rules_for(generation).release);
        Bare m(generation);
        m.set_defect(Defect::kB20, false);
        const u32 room = generation == Generation::k7_1 ? 65 : 98;
        for (u32 i = 0; i < room; ++i) REQUIRE(m.add("child" + std::to_string(100 + i), i));
        const std::vector<u8> full = m.bytes();
        CHECK(m.add("one_more", 1).error() == Errno::kENOMEM);
        CHECK(m.bytes() == full);
        CHECK(m.add("one_more", 1).error() == Errno::kENOMEM);
        kho::root_fdt::remove(m.kernel(), {7});
        CHECK(m.add("one_more", 1));
    }
}

TEST_CASE("kho root fdt: with B20 a node without its address stays behind, and libfdt's code is the error") {
    Bare m(Generation::k7_0);
    m.set_defect(Defect::kB20);
    std::string last;
    Errno error = Errno::kOk;
    for (u32 i = 0; error == Errno::kOk; ++i) {
        last = "child" + std::to_string(100 + i);
        if (const Status added = m.add(last, i); !added) error = added.error();
    }
    CHECK(static_cast<int>(error) == FDT_ERR_NOSPACE);
    CHECK(m.children().front() == last);
    CHECK_FALSE(kho::u64_property(m.tree(), fdt_subnode_offset(m.tree(), 0, last.c_str()), "fdt"));
    CHECK(m.add(last, 1).error() == Errno::kEEXIST);
}
