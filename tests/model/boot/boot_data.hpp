// SPDX-License-Identifier: GPL-2.0-only
// Boot data for tests: zero pages, device trees and handovers, written byte by byte as a boot loader or kernel would.
#pragma once

#include <libfdt.h>

#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "model/boot/x86_64/boot_params.hpp"
#include "tests/support/bare_machine.hpp"

namespace baton::test {

inline void poke(BareMachine& m, PhysAddr at, const void* data, u64 bytes) { std::memcpy(m.bytes(at), data, bytes); }
template <class T>
void poke(BareMachine& m, PhysAddr at, const T& v) {
    poke(m, at, &v, sizeof(v));
}

/// Ends a run as a hang when too much work is charged, as the machine's budget of calls does.
class BudgetMachine : public BareMachine {
public:
    using BareMachine::BareMachine;
    void charge(Work w, u64 amount) override {
        BareMachine::charge(w, amount);
        if (--calls_left == 0) fault({.kind = sim::Fault::Kind::kHang});
    }
    u64 calls_left = 200'000;
};

/// A region list as text, one region a line: what dmesg's "MEMBLOCK configuration" says.
inline std::string regions(const MemblockType& t) {
    std::string out;
    char line[80];
    for (u64 i = 0; i < t.cnt; ++i) {
        const MemblockRegion& r = memblock::region(t, i);
        std::snprintf(line, sizeof(line), "[%#llx-%#llx) %#x\n", static_cast<unsigned long long>(r.base.value),
                      static_cast<unsigned long long>(r.end().value), r.flags);
        out += line;
    }
    return out;
}

/// A setup header as images have it.
inline boot::SetupHeader setup_header() {
    boot::SetupHeader h{};
    h.setup_sects = 4;
    h.boot_flag = boot::kBootFlag;
    h.jump_opcode = 0xeb;
    h.jump_offset = 0x6a;
    h.header = boot::kHeaderMagic;
    h.version = 0x20f;
    h.loadflags = boot::kLoadedHigh;
    h.kernel_alignment = 2 * kMiB;
    h.relocatable_kernel = 1;
    h.xloadflags = boot::kXlfKernel64 | boot::kXlfAbove4G;
    h.cmdline_size = boot::kCommandLineSizeMax;
    h.pref_address = 0x1000000;
    h.init_size = kImageSize;
    return h;
}

inline constexpr PhysAddr kZeroPageAt{0x90000};
inline constexpr PhysAddr kCommandLineAt{0x91000};

/// A zero page for a machine of `ram_end` bytes: low RAM up to 0x9fc00, BIOS, RAM from 1 MiB.
inline boot::BootParams zero_page(u64 ram_end = 256 * kMiB) {
    boot::BootParams p{};
    p.header = setup_header();
    p.header.type_of_loader = 0xff;
    const boot::E820Entry map[] = {
        {0, 0x9fc00, 1}, {0x9fc00, 0x400, 2}, {0xf0000, 0x10000, 2}, {kMiB, ram_end - kMiB, 1}};
    for (const auto& e : map) p.e820_table[p.e820_entries++] = e;
    return p;
}

/// Writes the page and a command line and points the kernel at them.
inline void give(BareMachine& m, boot::BootParams p, std::string_view command_line = "quiet") {
    p.header.cmd_line_ptr = static_cast<u32>(kCommandLineAt.value);
    poke(m, kCommandLineAt, command_line.data(), command_line.size());
    *m.bytes(kCommandLineAt + command_line.size()) = std::byte{0};
    poke(m, kZeroPageAt, p);
    m.kernel().boot.argument = kZeroPageAt;
}

/// A handover FDT and scratch array that populate accepts.
struct Handover {
    PhysAddr fdt;
    PhysAddr scratch;
    std::vector<kho::ScratchArea> areas;
};
inline void give(BareMachine& m, const Handover& h) {
    char tree[4096] = {};
    fdt_create(tree, sizeof(tree));
    fdt_finish_reservemap(tree);
    fdt_begin_node(tree, "");
    fdt_property_string(tree, "compatible", "kho-v1");
    fdt_property_u64(tree, kho::kMapProperty, 0x1000);  // any but 0, which is no map (B31)
    fdt_end_node(tree);
    fdt_finish(tree);
    poke(m, h.fdt, tree, sizeof(tree));
    poke(m, h.scratch, h.areas.data(), h.areas.size() * sizeof(kho::ScratchArea));
}

/// A device tree being built; properties go to the node begun last.
class TreeBuilder {
public:
    TreeBuilder() : bytes(16 * kKiB) { fdt_create(bytes.data(), static_cast<int>(bytes.size())); }
    TreeBuilder& reserve(PhysRange r) {
        fdt_add_reservemap_entry(bytes.data(), r.start.value, r.size);
        return *this;
    }
    TreeBuilder& node(const char* name) {
        if (depth++ == 0) fdt_finish_reservemap(bytes.data());
        fdt_begin_node(bytes.data(), name);
        return *this;
    }
    TreeBuilder& end() {
        --depth;
        fdt_end_node(bytes.data());
        return *this;
    }
    TreeBuilder& text(const char* name, const char* value) {
        fdt_property_string(bytes.data(), name, value);
        return *this;
    }
    TreeBuilder& cells(const char* name, const std::vector<u32>& values) {
        std::vector<fdt32_t> data;
        for (const u32 v : values) data.push_back(cpu_to_fdt32(v));
        fdt_property(bytes.data(), name, data.data(), static_cast<int>(data.size() * 4));
        return *this;
    }
    std::vector<u8> finish() {
        while (depth > 0) end();
        fdt_finish(bytes.data());
        std::vector<u8> out(bytes.begin(), bytes.begin() + fdt_totalsize(bytes.data()));
        return out;
    }

    std::vector<u8> bytes;
    int depth = 0;
};

inline constexpr PhysRange kArmRam{{0x40000000}, 256 * kMiB};
inline constexpr PhysAddr kTreeAt{0x48000000};

/// The root and one memory node for kArmRam, 2 + 2 cells; the root is still open.
inline TreeBuilder arm_tree(u32 megabytes = 256) {
    TreeBuilder t;
    t.node("").cells("#address-cells", {2}).cells("#size-cells", {2});
    t.node("memory@40000000").text("device_type", "memory").cells("reg", {0, 0x40000000, 0, megabytes << 20}).end();
    return t;
}

inline void give(BareMachine& m, const std::vector<u8>& tree, PhysAddr at = kTreeAt) {
    poke(m, at, tree.data(), tree.size());
    m.kernel().boot.argument = at;
}

}  // namespace baton::test
