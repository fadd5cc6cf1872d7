// SPDX-License-Identifier: GPL-2.0-only
// write_device_tree: the tree for the next AArch64 kernel, and that kernel reading it (specs/kexec.md §11.5;
// specs/kho.md §2.9, §10.14).
#include "tests/catch.hpp"
#include "tests/model/boot/boot_data.hpp"

using namespace baton;
using namespace baton::test;

namespace {

constexpr PhysAddr kBuffer{0x4e000000};
constexpr u64 kRoom = 16 * kKiB;

boot::NextBoot next_boot() {
    return {.command_line = "kho=on second",
            .initrd = {{0x4a000000}, 0x426f7},
            .kho_fdt = {0x40f40000},
            .kho_fdt_size = 4096,
            .kho_scratch = {0x4f3f0000},
            .kho_scratch_bytes = 48};
}

std::vector<u8> first_tree() {
    auto t = arm_tree();
    t.node("chosen").cells("linux,initrd-end", {0x48201000}).cells("linux,initrd-start", {0x48200000});
    t.text("bootargs", "kho=on a first command line that is longer").text("stdout-path", "/pl011@9000000");
    t.cells("rng-seed", {1, 2, 3}).cells("kaslr-seed", {4, 5});
    return t.finish();
}

// A kernel that has booted from a tree and writes the next one.
struct Writer {
    BareMachine m{GeometryId::kAArch64_4K, kArmRam};
    explicit Writer(const std::vector<u8>& tree = first_tree()) {
        give(m, tree);
        boot::setup_aarch64(m.kernel());
        std::memset(m.bytes(kBuffer), 0xa5, kRoom);
    }
    Result<u64> write(const boot::NextBoot& next, u64 room = kRoom) {
        return boot::write_device_tree(m.kernel(), next, kBuffer, room);
    }
    std::vector<u8> tree(const boot::NextBoot& next) {
        const auto size = write(next);
        REQUIRE(size);
        const u8* p = ram::read<u8>(kBuffer, *size);
        REQUIRE(fdt_check_full(p, *size) == 0);
        REQUIRE(fdt_totalsize(p) == *size);
        return {p, p + *size};
    }
};

Errno error_of(const Result<u64>& r) { return r ? Errno::kOk : r.error(); }

std::vector<std::string> chosen_properties(const std::vector<u8>& tree) {
    std::vector<std::string> names;
    int offset = 0;
    fdt_for_each_property_offset(offset, tree.data(), fdt_path_offset(tree.data(), "/chosen")) {
        const char* name = nullptr;
        fdt_getprop_by_offset(tree.data(), offset, &name, nullptr);
        names.emplace_back(name);
    }
    return names;
}

std::vector<u8> property(const std::vector<u8>& tree, const char* name) {
    int length = 0;
    const auto* p =
        static_cast<const u8*>(fdt_getprop(tree.data(), fdt_path_offset(tree.data(), "/chosen"), name, &length));
    REQUIRE(p != nullptr);
    return {p, p + length};
}

}  // namespace

TEST_CASE("next tree: /chosen has the captured order") {
    Writer w;
    CHECK(chosen_properties(w.tree(next_boot())) ==
          std::vector<std::string>{"linux,booted-from-kexec", "rng-seed", "kaslr-seed", "linux,kho-scratch",
                                   "linux,kho-fdt", "linux,initrd-end", "linux,initrd-start", "bootargs",
                                   "stdout-path"});
}

TEST_CASE("next tree: values, big-endian cells, one reservation for the initrd") {
    Writer w;
    const auto tree = w.tree(next_boot());
    CHECK(property(tree, "linux,kho-fdt") == std::vector<u8>{0, 0, 0, 0, 0x40, 0xf4, 0, 0, 0, 0, 0, 0, 0, 0, 0x10, 0});
    CHECK(property(tree, "linux,kho-scratch") ==
          std::vector<u8>{0, 0, 0, 0, 0x4f, 0x3f, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x30});
    CHECK(property(tree, "linux,initrd-end") == std::vector<u8>{0, 0, 0, 0, 0x4a, 0x04, 0x26, 0xf7});
    CHECK(property(tree, "bootargs").size() == sizeof("kho=on second"));
    CHECK(property(tree, "rng-seed").size() == 128);
    CHECK(property(tree, "kaslr-seed").size() == 8);
    CHECK(property(tree, "linux,booted-from-kexec").empty());
    REQUIRE(fdt_num_mem_rsv(tree.data()) == 1);
    uint64_t start = 0, size = 0;
    fdt_get_mem_rsv(tree.data(), 0, &start, &size);
    CHECK(start == 0x4a000000);
    CHECK(size == 0x426f7);
}

TEST_CASE("next tree: without handover and initrd nothing of them is left") {
    auto t = TreeBuilder();
    t.reserve({{0x48200000}, 0x1000}).reserve({{0x4f000000}, 0x2000});
    t.node("").cells("#address-cells", {2}).cells("#size-cells", {2});
    t.node("memory").text("device_type", "memory").cells("reg", {0, 0x40000000, 0, 0x10000000}).end();
    t.node("chosen").cells("linux,initrd-start", {0x48200000}).cells("linux,initrd-end", {0x48201000});
    t.text("bootargs", "old").cells("linux,elfcorehdr", {1, 2, 3, 4}).cells("linux,usable-memory-range", {1, 2, 3, 4});
    t.cells("linux,kho-fdt", {0, 0x40f40000, 0, 0x1000});
    Writer w(t.finish());
    const auto tree = w.tree({});
    CHECK(chosen_properties(tree) == std::vector<std::string>{"linux,booted-from-kexec", "rng-seed", "kaslr-seed"});
    REQUIRE(fdt_num_mem_rsv(tree.data()) == 1);  // the other one is somebody else's
    uint64_t start = 0, size = 0;
    fdt_get_mem_rsv(tree.data(), 0, &start, &size);
    CHECK(start == 0x4f000000);
}

TEST_CASE("next tree: /chosen is made when there is none, the rest of the tree is untouched") {
    Writer w(arm_tree().finish());
    const auto tree = w.tree(next_boot());
    CHECK(chosen_properties(tree).size() == 8);
    int length = 0;
    const void* reg = fdt_getprop(tree.data(), fdt_path_offset(tree.data(), "/memory@40000000"), "reg", &length);
    REQUIRE(reg != nullptr);
    CHECK(length == 16);
}

TEST_CASE("next tree: what does not fit is refused") {
    Writer w;
    const auto size = w.write(next_boot());
    REQUIRE(size);
    CHECK(error_of(w.write(next_boot(), *size - 8)) == Errno::kENOMEM);
    CHECK(error_of(w.write(next_boot(), 64)) == Errno::kENOMEM);
    // An address that the tree's one-cell addresses cannot hold (kho.md B28).
    auto t = TreeBuilder();
    t.node("").cells("#address-cells", {1}).cells("#size-cells", {1});
    t.node("memory").text("device_type", "memory").cells("reg", {0x40000000, 0x10000000});
    Writer narrow(t.finish());
    auto next = next_boot();
    next.kho_fdt = {0x1'0000'0000};
    CHECK(error_of(narrow.write(next)) == Errno::kEINVAL);
}

TEST_CASE("next tree: a tree that was scribbled on is refused") {
    for (const u64 offset : {0, 4, 8, 0x40}) {
        Writer w;
        std::memset(w.m.bytes(kTreeAt + offset), 0x7f, 4);
        CHECK(error_of(w.write(next_boot())) == Errno::kEINVAL);
    }
}

TEST_CASE("next tree: stale memory in the buffer never gets into the tree") {
    Writer a;
    const auto tree = a.tree(next_boot());
    Writer b;
    std::memset(b.m.bytes(kBuffer), 0x11, kRoom);
    CHECK(b.tree(next_boot()) == tree);
}

TEST_CASE("next tree: the next kernel learns what this one wrote") {
    Writer w;
    const auto next = next_boot();
    const auto tree = w.tree(next);

    BareMachine m(GeometryId::kAArch64_4K, kArmRam);
    give(m, tree, {0x49200000});
    give(m,
         Handover{
             next.kho_fdt, next.kho_scratch, {{{0x4f000000}, 16 * kMiB}, {{0x41000000}, kMiB}, {{0x42000000}, kMiB}}});
    Kernel& k = m.kernel();
    REQUIRE(m.run([&] { boot::setup_aarch64(k); }).kind == sim::Fault::Kind::kNone);
    CHECK(k.command_line() == next.command_line);
    CHECK(k.boot.initrd == next.initrd);
    CHECK(k.boot.from_kexec == 1);
    CHECK(k.kho.is_kho_boot == 1);
    CHECK(k.kho.incoming.fdt == next.kho_fdt);
    CHECK(k.kho.incoming.scratch == next.kho_scratch);
    CHECK(k.kho.incoming.scratch_bytes == 48);

    // And hands on again: the tree does not grow, its old seeds and reservations are gone.
    const auto again = boot::write_device_tree(k, next, kBuffer, kRoom);
    REQUIRE(again);
    CHECK(*again == tree.size());
}
