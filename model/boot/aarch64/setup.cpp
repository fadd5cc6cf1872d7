// SPDX-License-Identifier: GPL-2.0-only
// Early boot on AArch64, from the device tree in x0 to a memblock that knows RAM (specs/boot.md §6; specs/kexec.md
// §11.6; specs/kho.md §1.3, §2.9).
//
// Unlike x86-64, RAM is known first: memory nodes, then the KHO properties as the last step of the scan (scratch areas
// flag what is there already), then options, then the reservations. Nothing is allocated before all are made, so the
// order is safe too. Reservations carry no flag here: the captured kernels' image, tree and initrd have none.
#include <algorithm>

#include <libfdt.h>

#include "model/bits.hpp"
#include "model/boot/aarch64/device_tree.hpp"
#include "model/boot/aarch64/image.hpp"
#include "model/boot/aarch64/memstart.hpp"
#include "model/boot/early.hpp"
#include "model/kernel.hpp"

namespace baton::boot {
namespace {

inline constexpr u64 kPhysicalEnd = u64{1} << 48;
inline constexpr u64 kToTheTop = ~u64{0};

Tree tree_or_panic(const Kernel& k, PhysRange range) {
    const auto tree = checked_tree(range);
    if (!tree) platform::panic(Log::kPanicBadBoot, k.boot.argument.value, static_cast<u64>(tree.error()));
    return *tree;
}

PhysRange outer_pages(const Kernel& k, PhysRange r) {
    const u64 page = geometry(k).page_size();
    const PhysAddr start = align_down(r.start, page);
    return {start, align_up(r.end(), page) - start};
}

void record_memory(Kernel& k, PhysRange r, NodeId nid) {
    BootInfo& b = k.boot;
    if (b.memory_map_count == kMemoryMapMax) {
        platform::log(LogLevel::kWarn, Log::kE820Truncated, 1);
        return;
    }
    b.memory_map[b.memory_map_count++] = {.start = r.start,
                                          .size = r.size,
                                          .type = static_cast<u32>(MemoryType::kRam),
                                          .nid = nid == kNoNode ? 0 : static_cast<u32>(nid.value)};
}

void scan_memory(Kernel& k, const Tree& tree) {
    int offset = 0;
    while (const auto node = next_memory_node(tree, offset)) {
        for (u32 i = 0; i < node->pairs; ++i) {
            platform::charge(Work::kListLinks, 1);
            const PhysRange r = memory_pages(geometry(k), memory_range(tree, *node, i));
            if (r.empty()) continue;
            // Nodes come at the end of setup: until then RAM, scratch and an initrd may be added over each other.
            expect_recorded(memblock::add(k.memblock, r));
            if (node->hotpluggable) expect_recorded(memblock::set_memory_flag(k.memblock, r, kMemblockHotplug, true));
            record_memory(k, r, node->nid);
        }
    }
    if (k.boot.memory_map_count == 0)
        platform::panic(Log::kPanicBadBoot, k.boot.argument.value, static_cast<u64>(BadBoot::kTreeNoMemory));
}

void scan_chosen(Kernel& k, const Tree& tree) {
    const std::string_view line = chosen_string(tree, "bootargs").substr(0, sizeof(k.boot.command_line) - 1);
    std::copy(line.begin(), line.end(), k.boot.command_line);
    k.boot.command_line[line.size()] = '\0';
    k.boot.command_line_bytes = static_cast<u32>(line.size());
    platform::charge(Work::kBytesCopied, line.size());

    const auto start = chosen_number(tree, "linux,initrd-start");
    const auto end = chosen_number(tree, "linux,initrd-end");
    if (start && end && *start < *end) k.boot.initrd = {{*start}, *end - *start};
    k.boot.from_kexec = chosen_flag(tree, "linux,booted-from-kexec");
}

// Both properties or none: half a handover is a cold boot.
std::optional<KhoIncoming> incoming_handover(const Tree& tree) {
    const auto fdt = chosen_range(tree, "linux,kho-fdt");
    const auto scratch = chosen_range(tree, "linux,kho-scratch");
    if (!fdt || !scratch) return {};
    return KhoIncoming{
        .fdt = fdt->start, .fdt_size = fdt->size, .scratch = scratch->start, .scratch_bytes = scratch->size};
}

// What neither the CPU nor the direct map can reach is no memory (half of the kernel's address space is direct map).
void clip_memory(Kernel& k) {
    Memblock& mb = k.memblock;
    const Geometry& g = geometry(k);
    expect_recorded(memblock::remove(mb, {{kPhysicalEnd}, kToTheTop}));
    k.memstart = memstart_of(g, memblock::start_of_dram(mb));
    expect_recorded(memblock::remove(mb, {k.memstart + shl(1, g.va_bits - 1), kToTheTop}));
}

void reserve_initrd(Kernel& k) {
    if (k.boot.initrd.empty()) return;
    const Memblock& mb = k.memblock;
    const PhysRange pages = outer_pages(k, k.boot.initrd);
    if (pages.start < memblock::start_of_dram(mb) || pages.end() > memblock::end_of_dram(mb) ||
        pages.end() < pages.start) {
        BATON_WARN();  // not reachable through the direct map: go on without
        k.boot.initrd = {};
        return;
    }
    expect_recorded(memblock::add(k.memblock, pages));
    expect_recorded(memblock::reserve(k.memblock, pages));
    platform::own(pages, Owner::kNobody, Owner::kKernel);
}

void reserve_listed(Kernel& k) {
    const Tree tree = tree_or_panic(k, k.boot.device_tree);
    const int count = fdt_num_mem_rsv(tree.fdt);
    for (int i = 0; i < count; ++i) {
        platform::charge(Work::kListLinks, 1);
        uint64_t start = 0;
        uint64_t size = 0;
        if (fdt_get_mem_rsv(tree.fdt, i, &start, &size) == 0)
            expect_recorded(memblock::reserve(k.memblock, {{start}, size}));
    }
}

}  // namespace

void setup_aarch64(Kernel& k) {
    platform::at(Site::kBootProtocol, k.boot.argument.value);
    const Tree tree = tree_or_panic(k, {k.boot.argument, 0});
    k.boot.device_tree = {k.boot.argument, tree_bytes(tree)};
    expect_recorded(memblock::reserve(k.memblock, k.boot.device_tree));
    platform::own(outer_pages(k, k.boot.device_tree), Owner::kNobody, Owner::kFirmware);
    scan_memory(k, tree);
    scan_chosen(k, tree);
    const std::optional<KhoIncoming> incoming = incoming_handover(tree);
    platform::at(Site::kBootMemoryKnown);

    if (incoming) kho::populate(k, *incoming);
    mm::parse_early_options(k, k.command_line());
    kho::parse_early_options(k, k.command_line());

    clip_memory(k);
    reserve_initrd(k);
    expect_recorded(memblock::reserve(k.memblock, {k.image, k.image_size}));
    reserve_listed(k);
    platform::at(Site::kBootReserve);
    take_nodes_aarch64(k, tree_or_panic(k, k.boot.device_tree));

    // Linux allows growth when the direct map is there, and never lowers the limit. Ours is built by the caller right
    // after this, from memblock itself, and needs no mapping of what it writes (paging::init_kernel_space).
    k.memblock.current_limit = memblock::end_of_dram(k.memblock).value;
    k.memblock.can_resize = 1;
}

}  // namespace baton::boot
