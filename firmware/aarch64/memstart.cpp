// SPDX-License-Identifier: GPL-2.0-only
// Where DRAM begins, before there is a kernel that could know (specs/boot.md §3).
//
// The direct map is relative to it, so entry.S needs it to build the map that kernel_main starts on, and the kernel
// will arrive at the same value from its memblock. It is no function of the image's address: scratch areas, where kexec
// puts images, may lie gigabytes above the start of DRAM. While this runs, the direct map begins at physical 0.
#include <algorithm>

#include "model/boot/aarch64/device_tree.hpp"
#include "model/boot/aarch64/memstart.hpp"

#include <libfdt.h>

namespace baton {
namespace {

bool tree_is_ram(PhysAddr tree) {
    if (!platform::is_ram(tree, sizeof(fdt_header))) return false;
    return platform::is_ram(tree, fdt_totalsize(ram::read<u8>(tree, sizeof(fdt_header))));
}

}  // namespace

/// A tree that cannot be read gives the image's own gigabyte: enough for the kernel to read it and say what is wrong.
extern "C" u64 memstart_of_tree(u64 image, u64 argument) {
    const Geometry& g = platform::kTargetGeometry;
    const PhysAddr otherwise = boot::memstart_of(g, {image});
    if (!tree_is_ram({argument})) return otherwise.value;
    const auto tree = boot::checked_tree({{argument}, 0});
    if (!tree) return otherwise.value;
    PhysAddr lowest{~u64{0}};
    int offset = 0;
    while (const auto node = boot::next_memory_node(*tree, offset))
        for (u32 i = 0; i < node->pairs; ++i) {
            const PhysRange pages = boot::memory_pages(g, boot::memory_range(*tree, *node, i));
            if (!pages.empty()) lowest = std::min(lowest, pages.start);
        }
    return lowest.value == ~u64{0} ? otherwise.value : boot::memstart_of(g, lowest).value;
}

}  // namespace baton
