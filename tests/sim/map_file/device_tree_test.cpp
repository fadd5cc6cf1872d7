// SPDX-License-Identifier: GPL-2.0-only
// Maps from flattened device trees: cell widths, several ranges, reservations, what a disabled node is.
#include <libfdt.h>

#include <fstream>
#include <functional>
#include <iterator>

#include "sim/map_file/map_file.hpp"
#include "tests/catch.hpp"

using namespace baton;
using namespace baton::sim;

namespace {

std::string said(const InputError& e) {
    std::string out = e.file;
    if (e.line != 0) out += ":" + std::to_string(e.line) + ":" + std::to_string(e.col);
    out += ": " + std::string(e.what());
    return e.hint.empty() ? out : out + " (" + e.hint + ")";
}

// A tree written node by node; cells are given as numbers.
class Maker {
public:
    explicit Maker(std::initializer_list<PhysRange> reserved = {}) {
        fdt_create(bytes_.data(), static_cast<int>(bytes_.size()));
        for (const PhysRange& r : reserved) fdt_add_reservemap_entry(bytes_.data(), r.start.value, r.size);
        fdt_finish_reservemap(bytes_.data());
        fdt_begin_node(bytes_.data(), "");
    }
    Maker& node(const char* name) {
        fdt_begin_node(bytes_.data(), name);
        return *this;
    }
    Maker& end() {
        fdt_end_node(bytes_.data());
        return *this;
    }
    Maker& text(const char* name, const char* value) {
        fdt_property_string(bytes_.data(), name, value);
        return *this;
    }
    Maker& cells(const char* name, std::initializer_list<u32> words) {
        std::vector<fdt32_t> big;
        for (const u32 w : words) big.push_back(cpu_to_fdt32(w));
        fdt_property(bytes_.data(), name, big.data(), static_cast<int>(big.size() * sizeof(fdt32_t)));
        return *this;
    }
    Maker& widths(u32 address, u32 size) { return cells("#address-cells", {address}).cells("#size-cells", {size}); }
    FirmwareMap map() {
        end();
        fdt_finish(bytes_.data());
        bytes_.resize(fdt_totalsize(bytes_.data()));
        return parse_map(bytes_, "t.dtb");
    }

private:
    std::vector<u8> bytes_ = std::vector<u8>(16 * kKiB);
};

TEST_CASE("device tree: the captured machine's, without what its last boot left in /chosen") {
    const FirmwareMap map = read_map_file(BATON_SOURCE_DIR "/tests/data/linux-kho/aarch64-v2-radix/k2/boot.dtb");
    CHECK(map.isa == Isa::kAArch64);
    CHECK(map.entries == std::vector<MemoryMapEntry>{{{0x40000000}, 0x20000000, 1, 0}});
    CHECK(map.reserved.empty());  // its only one was the initrd
    const void* tree = map.device_tree.data();
    REQUIRE(fdt_check_full(tree, map.device_tree.size()) == 0);
    const int chosen = fdt_path_offset(tree, "/chosen");
    REQUIRE(chosen >= 0);
    CHECK(fdt_getprop(tree, chosen, "linux,kho-fdt", nullptr) == nullptr);
    CHECK(fdt_getprop(tree, chosen, "linux,initrd-start", nullptr) == nullptr);
    CHECK(fdt_getprop(tree, chosen, "stdout-path", nullptr) != nullptr);
}

TEST_CASE("device tree: addresses and sizes of one to four cells") {
    const auto one = Maker().widths(1, 1).node("memory@0").text("device_type", "memory");
    FirmwareMap map = Maker(one).cells("reg", {0x40000000, 0x10000000}).end().map();
    CHECK(map.entries == std::vector<MemoryMapEntry>{{{0x40000000}, 0x10000000, 1, 0}});
    map = Maker().widths(2, 1).node("m").text("device_type", "memory").cells("reg", {8, 0, 0x10000000}).end().map();
    CHECK(map.entries == std::vector<MemoryMapEntry>{{{0x800000000}, 0x10000000, 1, 0}});
    CHECK(!map.device_tree.empty());
    map = Maker().widths(3, 2).node("m").text("device_type", "memory").cells("reg", {0, 1, 2, 0, 4096}).end().map();
    CHECK(map.entries == std::vector<MemoryMapEntry>{{{0x100000002}, 4096, 1, 0}});
    CHECK(map.device_tree.empty());  // kernels of ours read two cells at most
    // Without the properties both are 1.
    map = Maker().node("m").text("device_type", "memory").cells("reg", {0x1000, 0x2000}).end().map();
    CHECK(map.entries == std::vector<MemoryMapEntry>{{{0x1000}, 0x2000, 1, 0}});
}

TEST_CASE("device tree: several nodes and ranges, NUMA ids, linux,usable-memory, disabled nodes") {
    const FirmwareMap map = Maker()
                                .widths(1, 1)
                                .node("memory@80000000")
                                .text("device_type", "memory")
                                .cells("numa-node-id", {1})
                                .cells("reg", {0x80000000, 0x10000000, 0xa0000000, 0x10000000})
                                .end()
                                .node("memory@40000000")
                                .text("device_type", "memory")
                                .cells("linux,usable-memory", {0x40000000, 0x8000000})
                                .cells("reg", {0x40000000, 0x10000000})
                                .end()
                                .node("memory@c0000000")
                                .text("device_type", "memory")
                                .text("status", "disabled")
                                .cells("reg", {0xc0000000, 0x10000000})
                                .end()
                                .map();
    CHECK(map.entries == std::vector<MemoryMapEntry>{{{0x40000000}, 0x8000000, 1, 0},
                                                     {{0x80000000}, 0x10000000, 1, 1},
                                                     {{0xa0000000}, 0x10000000, 1, 1}});
    CHECK(map.nodes == 2);
}

TEST_CASE("device tree: a CPU can be all of a node; without numa-node-id there are no nodes") {
    const auto made = [](bool on_memory) {
        Maker maker;
        maker.widths(1, 1).node("memory@40000000").text("device_type", "memory").cells("reg", {0x40000000, 0x10000000});
        if (on_memory) maker.cells("numa-node-id", {0});
        maker.end().node("cpus").node("cpu@0").text("device_type", "cpu").cells("numa-node-id", {3}).end().end();
        return maker.map().nodes;
    };
    CHECK(made(true) == 4);
    CHECK(made(false) == 0);
    Maker far;
    far.widths(1, 1).node("m").text("device_type", "memory").cells("reg", {0x40000000, 0x1000});
    far.cells("numa-node-id", {64}).end();
    CHECK_THROWS_WITH(far.map(), Catch::Contains("node 64 is none"));
}

TEST_CASE("device tree: /memreserve/ and /reserved-memory are kept out of the way, dynamic ones have no place yet") {
    Maker maker({{{0x41000000}, 0x1000}});
    const FirmwareMap map = maker.widths(1, 1)
                                .node("memory@40000000")
                                .text("device_type", "memory")
                                .cells("reg", {0x40000000, 0x10000000})
                                .end()
                                .node("reserved-memory")
                                .widths(1, 1)
                                .node("tee@48000000")
                                .cells("reg", {0x48000000, 0x200000})
                                .cells("no-map", {})
                                .end()
                                .node("pool")
                                .cells("size", {0x400000})
                                .end()
                                .end()
                                .map();
    CHECK(map.reserved == std::vector<PhysRange>{{{0x41000000}, 0x1000}, {{0x48000000}, 0x200000}});
}

TEST_CASE("device tree: what makes no sense is refused") {
    const auto refusal = [](Maker maker) -> std::string {
        try {
            maker.map();
        } catch (const InputError& e) {
            return said(e);
        }
        return "accepted";
    };
    CHECK(refusal(Maker().widths(1, 1)) == "t.dtb: no memory node (one has device_type = \"memory\" and reg)");
    CHECK(refusal(Maker().widths(1, 0)) == "t.dtb: #size-cells is not one number from 1 to 4");
    CHECK(refusal(Maker().widths(2, 2).node("m").text("device_type", "memory").cells("reg", {1, 2, 3}).end()) ==
          "t.dtb: /m: reg of 12 bytes is not made of 2+2 cells");
    CHECK(refusal(Maker().widths(3, 1).node("m").text("device_type", "memory").cells("reg", {1, 0, 0, 4096}).end()) ==
          "t.dtb: /m: a number of more than 64 bits");
    CHECK(refusal(Maker()
                      .widths(1, 1)
                      .node("m")
                      .text("device_type", "memory")
                      .cells("reg", {0x1000, 0x2000, 0x2000, 0x1000})
                      .end())
              .starts_with("t.dtb: [0x2000-0x2fff] ram overlaps [0x1000-0x2fff] ram"));
    std::ifstream in(BATON_SOURCE_DIR "/tests/data/linux-kho/aarch64-6.16/k2/boot.dtb", std::ios::binary);
    std::vector<u8> bytes{std::istreambuf_iterator<char>(in), {}};
    REQUIRE(bytes.size() > 1000);
    CHECK_THROWS_WITH(parse_map(std::span(bytes).first(500), "t.dtb"), Catch::Contains("but the file has 500"));
    bytes[0x40] ^= 0xff;  // in the structure block
    for (std::size_t i = 0x38; i < 0x200; ++i) bytes[i] = 0x5a;
    CHECK_THROWS_WITH(parse_map(bytes, "t.dtb"), Catch::Contains("no sound device tree"));
}

}  // namespace
