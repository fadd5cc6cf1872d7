// SPDX-License-Identifier: GPL-2.0-only
// The two trees of KHO v1, byte for byte (specs/kho.md §2.1, §2.7), and hostile headers.
#include "model/kho/fdt.hpp"

#include <libfdt.h>

#include <vector>

#include "tests/catch.hpp"
#include "tests/model/kho/kho_machine.hpp"

using namespace baton;
using test::KhoMachine;

namespace {

constexpr PhysAddr kPageAt{64 * kMiB};

/// The golden words of the specification are big-endian dumps.
std::vector<u8> bytes_of(std::initializer_list<u32> words, u64 size) {
    std::vector<u8> bytes;
    for (const u32 w : words)
        for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<u8>(w >> shift));
    bytes.resize(size);
    return bytes;
}

std::vector<u8> ram_bytes(PhysAddr a, u64 size) {
    const u8* p = ram::read<u8>(a, size);
    return {p, p + size};
}

KhoSubtree subtree(std::string_view name, u64 blob) {
    KhoSubtree s{};
    name.copy(s.name, sizeof s.name - 1);
    s.blob = {blob};
    return s;
}

}  // namespace

TEST_CASE("kho fdt: the root FDT has the golden bytes of the sequential writer") {
    KhoMachine m;
    const KhoSubtree memblock = subtree("memblock", 0x200000000);
    const auto bytes = kho::write_root_fdt(kPageAt, 4096, {"kho-v1", "fdt", {0x123456000}, {&memblock, 1}});
    REQUIRE(bytes);
    CHECK(*bytes == 196);
    const auto golden = bytes_of(
        {0xd00dfeed, 0x000000c4, 0x00000040, 0x000000a0, 0x00000030, 0x00000011, 0x00000010, 0x00000000, 0x00000024,
         0x00000060, 0x00000000, 0x00000000, 0x00000000, 0x00000000, 0x00000000, 0x00000000, 0x00000001, 0x00000000,
         0x00000003, 0x00000007, 0x00000019, 0x6b686f2d, 0x76310000, 0x00000003, 0x00000008, 0x00000004, 0x00604523,
         0x01000000, 0x00000001, 0x6d656d62, 0x6c6f636b, 0x00000000, 0x00000003, 0x00000008, 0x00000000, 0x00000000,
         0x02000000, 0x00000002, 0x00000002, 0x00000009, 0x66647400, 0x70726573, 0x65727665, 0x642d6d65, 0x6d6f7279,
         0x2d6d6170, 0x00636f6d, 0x70617469, 0x626c6500},
        196);
    CHECK(ram_bytes(kPageAt, 196) == golden);
}

TEST_CASE("kho fdt: the memblock blob has the golden bytes") {
    KhoMachine m;
    const ReserveMemEntry oops{.name = "oops", .start = {0x100000000}, .size = 0x400000, .align = 64};
    const auto bytes = kho::write_memblock_fdt(kPageAt, 4096, {&oops, 1});
    REQUIRE(bytes);
    CHECK(*bytes == 210);
    const auto golden = bytes_of(
        {0xd00dfeed, 0x000000d2, 0x00000040, 0x000000bc, 0x00000030, 0x00000011, 0x00000010, 0x00000000, 0x00000016,
         0x0000007c, 0x00000000, 0x00000000, 0x00000000, 0x00000000, 0x00000000, 0x00000000, 0x00000001, 0x00000000,
         0x00000003, 0x0000000c, 0x0000000b, 0x6d656d62, 0x6c6f636b, 0x2d763100, 0x00000001, 0x6f6f7073, 0x00000000,
         0x00000003, 0x0000000f, 0x0000000b, 0x72657365, 0x7276652d, 0x6d656d2d, 0x76310000, 0x00000003, 0x00000008,
         0x00000005, 0x00000000, 0x01000000, 0x00000003, 0x00000008, 0x00000000, 0x00004000, 0x00000000, 0x00000002,
         0x00000002, 0x00000009, 0x73697a65, 0x00737461, 0x72740063, 0x6f6d7061, 0x7469626c, 0x65000000},
        210);
    CHECK(ram_bytes(kPageAt, 210) == golden);
}

TEST_CASE("kho fdt: a page holds 98 children with names of 8 characters, one more is ENOMEM") {
    KhoMachine m;
    std::vector<KhoSubtree> children;
    for (u32 i = 0; i < 99; ++i) children.push_back(subtree("child" + std::to_string(100 + i), i));
    const kho::RootFdt fits{"kho-v1", "fdt", {0}, std::span{children}.first(98)};
    CHECK(kho::write_root_fdt(kPageAt, 4096, fits));
    const kho::RootFdt more{"kho-v1", "fdt", {0}, std::span{children}};
    const auto failed = kho::write_root_fdt(kPageAt, 4096, more);
    REQUIRE_FALSE(failed);
    CHECK(failed.error() == Errno::kENOMEM);
}

TEST_CASE("kho fdt: 64-bit properties are native bytes of exactly eight") {
    KhoMachine m;
    const KhoSubtree child = subtree("child", 0x1122334455667788);
    REQUIRE(kho::write_root_fdt(kPageAt, 4096, {"kho-v1", "fdt", {0x8000}, {&child, 1}}));
    const kho::FdtView view = kho::open_fdt(kPageAt, 4096);
    REQUIRE(view.error == 0);
    CHECK(kho::u64_property(view.tree, 0, kho::kMapProperty) == 0x8000u);
    const int node = fdt_subnode_offset(view.tree, 0, "child");
    CHECK(kho::u64_property(view.tree, node, "fdt") == 0x1122334455667788u);
    CHECK_FALSE(kho::u64_property(view.tree, 0, "compatible"));
    CHECK_FALSE(kho::u64_property(view.tree, 0, "absent"));
}

TEST_CASE("kho fdt: a hostile header is an error, not a walk out of the page") {
    KhoMachine m;
    REQUIRE(kho::write_root_fdt(kPageAt, 4096, {"kho-v1", "fdt", {0}, {}}));
    u8* tree = ram::write<u8>(kPageAt, 4096);
    SECTION("zeroes") {
        std::memset(tree, 0, 4096);
        CHECK(kho::open_fdt(kPageAt, 4096).error == -FDT_ERR_BADMAGIC);
    }
    SECTION("longer than its page") {
        fdt_set_totalsize(tree, 8192);
        CHECK(kho::open_fdt(kPageAt, 4096).error == -FDT_ERR_TRUNCATED);
        CHECK(kho::open_fdt(kPageAt, 8192).error == 0);
    }
    SECTION("offsets outside") {
        fdt_set_off_dt_struct(tree, 1 << 20);
        CHECK(kho::open_fdt(kPageAt, 4096).error == -FDT_ERR_TRUNCATED);
    }
    SECTION("fewer bytes than a header") { CHECK(kho::open_fdt(kPageAt, 16).error == -FDT_ERR_TRUNCATED); }
    SECTION("unaligned") { CHECK(kho::open_fdt(kPageAt + 4, 4092).error == -FDT_ERR_ALIGNMENT); }
    SECTION("outside RAM is the end of the kernel") {
        const auto fault = m.run([&] { kho::open_fdt({1 * kTiB}, 4096); });
        CHECK(fault.kind == sim::Fault::Kind::kBadAccess);
    }
}

TEST_CASE("kho fdt: random bytes under a good header never lead out of the page") {
    KhoMachine m({}, {{0}, 64 * kMiB});
    const PhysAddr last{64 * kMiB - 4096};
    u64 seed = 1;
    for (int round = 0; round < 2000; ++round) {
        const KhoSubtree child = subtree("memblock", 0x1000);
        REQUIRE(kho::write_root_fdt(last, 4096, {"kho-v1", "fdt", {0}, {&child, 1}}));
        u8* tree = ram::write<u8>(last, 4096);
        for (int i = 0; i < 6; ++i) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            tree[4 + (seed >> 33) % 200] = static_cast<u8>(seed >> 56);
        }
        const kho::FdtView view = kho::open_fdt(last, 4096);
        if (view.error != 0) continue;
        fdt_node_check_compatible(view.tree, 0, "kho-v1");
        const int node = fdt_subnode_offset(view.tree, 0, "memblock");
        if (node >= 0) kho::u64_property(view.tree, node, "fdt");
    }
}
