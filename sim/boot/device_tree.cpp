// SPDX-License-Identifier: GPL-2.0-only
// The device tree a boot loader hands to a kernel (specs/boot.md §6; specs/kexec.md §11.5).
#include <libfdt.h>

#include <algorithm>
#include <string>

#include "model/boot/aarch64/image.hpp"
#include "sim/boot/placement.hpp"

namespace baton::sim::boot_loader {
namespace {

inline constexpr u64 kMadeBytesMax = 64 * kKiB;  // a command line, and a node a memory entry
inline constexpr u64 kEditRoom = 8 * kKiB;       // of a tree that grows
inline constexpr u32 kIntcHandle = 1;
inline constexpr u32 kClockHandle = 2;

void check(int error) {
    if (error < 0) throw LoaderError(fmt::format("no device tree could be made: {}", fdt_strerror(error)));
}

// Builds a tree front to back.
class TreeWriter {
public:
    explicit TreeWriter(std::span<const PhysRange> reserved) : bytes_(kMadeBytesMax) {
        check(fdt_create(bytes_.data(), static_cast<int>(bytes_.size())));
        for (const PhysRange& r : reserved) check(fdt_add_reservemap_entry(bytes_.data(), r.start.value, r.size));
        check(fdt_finish_reservemap(bytes_.data()));
        begin("");
    }
    void begin(const std::string& name) { check(fdt_begin_node(bytes_.data(), name.c_str())); }
    void end() { check(fdt_end_node(bytes_.data())); }
    void cell(const char* name, u32 v) { check(fdt_property_u32(bytes_.data(), name, v)); }
    void number(const char* name, u64 v) { check(fdt_property_u64(bytes_.data(), name, v)); }
    void cells(const char* name, std::initializer_list<u32> v) {
        std::vector<fdt32_t> words;
        for (const u32 word : v) words.push_back(cpu_to_fdt32(word));
        check(fdt_property(bytes_.data(), name, words.data(), static_cast<int>(words.size() * sizeof(fdt32_t))));
    }
    void flag(const char* name) { check(fdt_property(bytes_.data(), name, nullptr, 0)); }
    void string(const char* name, const std::string& v) { check(fdt_property_string(bytes_.data(), name, v.c_str())); }
    /// Several strings, each with its NUL.
    void strings(const char* name, std::string_view v) {
        check(fdt_property(bytes_.data(), name, v.data(), static_cast<int>(v.size())));
    }
    void range(const char* name, PhysRange r) {
        const fdt64_t cells[2] = {cpu_to_fdt64(r.start.value), cpu_to_fdt64(r.size)};
        check(fdt_property(bytes_.data(), name, cells, sizeof(cells)));
    }
    std::vector<u8> finish() {
        end();
        check(fdt_finish(bytes_.data()));
        bytes_.resize(fdt_totalsize(bytes_.data()));
        return bytes_;
    }

private:
    std::vector<u8> bytes_;
};

void put_memory(TreeWriter& tree, const MachineMap& map) {
    for (const MemoryMapEntry& e : map.entries) {
        if (e.type != static_cast<u32>(MemoryType::kRam)) continue;
        tree.begin(fmt::format("memory@{:x}", e.start.value));
        tree.string("device_type", "memory");
        tree.range("reg", {e.start, e.size});
        if (map.nodes != 0) tree.cell("numa-node-id", e.nid);
        tree.end();
    }
}

// One a node, so that nodes without memory are there too.
void put_cpus(TreeWriter& tree, u32 nodes) {
    tree.begin("cpus");
    tree.cell("#address-cells", 1);
    tree.cell("#size-cells", 0);
    for (u32 i = 0; i < std::max(nodes, 1u); ++i) {
        tree.begin(fmt::format("cpu@{:x}", i));
        tree.string("device_type", "cpu");
        tree.string("compatible", "arm,cortex-a57");
        tree.cell("reg", i);
        if (nodes != 0) tree.cell("numa-node-id", i);
        tree.end();
    }
    tree.end();
}

// Kernels of ours use none of this. A real one that is fed a handover of ours does: it is what QEMU's virt board has
// (gic-version=3), the least of it that an arm64 kernel comes up with.
void put_board(TreeWriter& tree) {
    tree.begin("psci");
    tree.strings("compatible", std::string_view("arm,psci-1.0\0arm,psci-0.2\0", 26));
    tree.string("method", "hvc");
    tree.end();
    tree.begin("timer");
    tree.string("compatible", "arm,armv8-timer");
    tree.cells("interrupts", {1, 13, 4, 1, 14, 4, 1, 11, 4, 1, 10, 4});
    tree.flag("always-on");
    tree.end();
    tree.begin("intc@8000000");
    tree.string("compatible", "arm,gic-v3");
    tree.cells("reg", {0, 0x8000000, 0, 0x10000, 0, 0x80a0000, 0, 0xf60000});
    tree.cell("#redistributor-regions", 1);
    tree.cell("#interrupt-cells", 3);
    tree.cell("#address-cells", 0);
    tree.flag("interrupt-controller");
    tree.cell("phandle", kIntcHandle);
    tree.end();
    tree.begin("apb-pclk");
    tree.string("compatible", "fixed-clock");
    tree.cell("#clock-cells", 0);
    tree.cell("clock-frequency", 24'000'000);
    tree.string("clock-output-names", "clk24mhz");
    tree.cell("phandle", kClockHandle);
    tree.end();
    tree.begin("pl011@9000000");
    tree.strings("compatible", std::string_view("arm,pl011\0arm,primecell\0", 24));
    tree.cells("reg", {0, 0x9000000, 0, 0x1000});
    tree.cells("interrupts", {0, 1, 4});
    tree.cells("clocks", {kClockHandle, kClockHandle});
    tree.strings("clock-names", std::string_view("uartclk\0apb_pclk\0", 17));
    tree.end();
}

std::vector<u8> made_tree(const MachineMap& map, const Chosen& chosen) {
    TreeWriter tree(map.reserved);
    tree.cell("interrupt-parent", kIntcHandle);
    tree.cell("#address-cells", 2);
    tree.cell("#size-cells", 2);
    tree.string("compatible", "linux,dummy-virt");
    tree.string("model", "Baton");
    put_memory(tree, map);
    put_cpus(tree, map.nodes);
    put_board(tree);
    tree.begin("chosen");
    tree.string("stdout-path", "/pl011@9000000");
    tree.string("bootargs", std::string(chosen.command_line.value_or("")));
    if (!chosen.initrd.empty()) {
        tree.number("linux,initrd-start", chosen.initrd.start.value);
        tree.number("linux,initrd-end", chosen.initrd.end().value);
    }
    tree.end();
    return tree.finish();
}

bool is_listed(const void* tree, PhysRange range) {
    for (int i = 0; i < fdt_num_mem_rsv(tree); ++i) {
        uint64_t start = 0;
        uint64_t size = 0;
        if (fdt_get_mem_rsv(tree, i, &start, &size) == 0 && PhysRange{{start}, size}.contains(range)) return true;
    }
    return false;
}

}  // namespace

std::vector<u8> with_chosen(std::span<const u8> tree, const Chosen& chosen, std::span<const PhysRange> reserved) {
    std::vector<u8> out(tree.size() + kEditRoom + reserved.size() * 2 * sizeof(u64));
    check(fdt_open_into(tree.data(), out.data(), static_cast<int>(out.size())));
    void* const fdt = out.data();
    for (const PhysRange& r : reserved)
        if (!is_listed(fdt, r)) check(fdt_add_mem_rsv(fdt, r.start.value, r.size));
    int node = fdt_path_offset(fdt, "/chosen");
    if (node == -FDT_ERR_NOTFOUND) node = fdt_add_subnode(fdt, 0, "chosen");
    check(node);
    if (chosen.command_line) {
        const std::string line(*chosen.command_line);
        check(fdt_setprop_string(fdt, node, "bootargs", line.c_str()));
    }
    if (!chosen.initrd.empty()) {
        check(fdt_setprop_u64(fdt, node, "linux,initrd-start", chosen.initrd.start.value));
        check(fdt_setprop_u64(fdt, node, "linux,initrd-end", chosen.initrd.end().value));
    }
    check(fdt_pack(fdt));
    out.resize(fdt_totalsize(fdt));
    if (out.size() > boot::kDeviceTreeSizeMax)
        throw LoaderError(fmt::format("a device tree of {} bytes is larger than a kernel maps", out.size()));
    return out;
}

std::vector<u8> device_tree(const MachineMap& map, const Chosen& chosen) {
    if (map.device_tree.empty()) return made_tree(map, chosen);
    return with_chosen(map.device_tree, chosen, map.reserved);
}

}  // namespace baton::sim::boot_loader
