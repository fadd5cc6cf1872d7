// SPDX-License-Identifier: GPL-2.0-only
// Cells are big-endian 32-bit words; how many make an address or a size is the root's to say, one each by default.
#include "model/boot/aarch64/device_tree.hpp"

#include <libfdt.h>

#include <cstring>

#include "model/bits.hpp"
#include "model/boot/aarch64/image.hpp"

namespace baton::boot {
namespace {

const void* property(const Tree& t, int node, const char* name, u32& bytes) {
    int length = 0;
    const void* data = fdt_getprop(t.fdt, node, name, &length);
    bytes = data == nullptr ? 0 : static_cast<u32>(length);
    return data;
}

bool has_property(const Tree& t, int node, const char* name) {
    u32 bytes = 0;
    return property(t, node, name, bytes) != nullptr;
}

// A string property without its NUL; what lacks the NUL ends where the property does.
std::string_view string_property(const Tree& t, int node, const char* name) {
    u32 bytes = 0;
    const auto* data = static_cast<const char*>(property(t, node, name, bytes));
    return data == nullptr ? std::string_view{} : std::string_view{data, strnlen(data, bytes)};
}

u64 cells(const void* data, u32 count) {
    const auto* words = static_cast<const fdt32_t*>(data);
    u64 v = 0;
    for (u32 i = 0; i < count; ++i) v = shl(v, 32) | fdt32_ld(words + i);
    return v;
}

u32 cell_width(const Tree& t, const char* name) {
    u32 bytes = 0;
    const void* data = property(t, 0, name, bytes);
    return data != nullptr && bytes == sizeof(fdt32_t) ? static_cast<u32>(cells(data, 1)) : 1;
}

u32 pair_bytes(const Tree& t) { return (t.address_cells + t.size_cells) * static_cast<u32>(sizeof(fdt32_t)); }

PhysRange pair_at(const Tree& t, const void* data, u32 index) {
    const auto* at = static_cast<const u8*>(data) + u64{index} * pair_bytes(t);
    const u64 start = cells(at, t.address_cells);
    const u64 size = cells(at + t.address_cells * sizeof(fdt32_t), t.size_cells);
    return {{start}, size};
}

bool is_usable_memory(const Tree& t, int node) {
    if (string_property(t, node, "device_type") != "memory") return false;
    if (!has_property(t, node, "status")) return true;
    const std::string_view status = string_property(t, node, "status");
    return status == "okay" || status == "ok";
}

MemoryNode memory_node(const Tree& t, int node) {
    MemoryNode m{.nid = kNoNode, .hotpluggable = has_property(t, node, "hotpluggable")};
    u32 bytes = 0;
    m.ranges = property(t, node, "linux,usable-memory", bytes);
    if (m.ranges == nullptr) m.ranges = property(t, node, "reg", bytes);
    m.pairs = bytes / pair_bytes(t);
    const void* nid = property(t, node, "numa-node-id", bytes);
    if (nid != nullptr && bytes == sizeof(fdt32_t)) m.nid = {static_cast<i32>(cells(nid, 1))};
    return m;
}

int chosen(const Tree& t) { return fdt_path_offset(t.fdt, "/chosen"); }

}  // namespace

std::expected<Tree, BadBoot> checked_tree(PhysRange range) {
    if (!is_aligned(range.start, kDeviceTreeAlign)) return std::unexpected(BadBoot::kTreeAlignment);
    const void* header = ram::read<u8>(range.start, sizeof(fdt_header));
    if (fdt_check_header(header) != 0) return std::unexpected(BadBoot::kTreeHeader);
    const u64 bytes = fdt_totalsize(header);
    if (bytes > kDeviceTreeSizeMax) return std::unexpected(BadBoot::kTreeSize);
    if (range.size != 0 && range.size != bytes) return std::unexpected(BadBoot::kTreeHeader);
    Tree t{.fdt = ram::read<u8>(range.start, bytes)};
    platform::charge(Work::kFdtBytes, bytes);
    if (fdt_check_full(t.fdt, bytes) != 0) return std::unexpected(BadBoot::kTreeStructure);
    t.address_cells = cell_width(t, "#address-cells");
    t.size_cells = cell_width(t, "#size-cells");
    if (t.address_cells - 1 > 1 || t.size_cells - 1 > 1) return std::unexpected(BadBoot::kTreeCells);
    return t;
}

u64 tree_bytes(const Tree& tree) { return fdt_totalsize(tree.fdt); }

std::optional<MemoryNode> next_memory_node(const Tree& tree, int& offset) {
    for (offset = offset == 0 ? fdt_first_subnode(tree.fdt, 0) : fdt_next_subnode(tree.fdt, offset); offset >= 0;
         offset = fdt_next_subnode(tree.fdt, offset)) {
        platform::charge(Work::kListLinks, 1);
        if (is_usable_memory(tree, offset)) return memory_node(tree, offset);
    }
    return {};
}

std::optional<CpuNode> next_cpu_node(const Tree& tree, int& offset) {
    const int cpus = fdt_path_offset(tree.fdt, "/cpus");
    if (cpus < 0) return {};
    const int first = fdt_first_subnode(tree.fdt, cpus);
    for (offset = offset == 0 ? first : fdt_next_subnode(tree.fdt, offset); offset >= 0;
         offset = fdt_next_subnode(tree.fdt, offset)) {
        platform::charge(Work::kListLinks, 1);
        if (string_property(tree, offset, "device_type") != "cpu") continue;
        u32 bytes = 0;
        const void* nid = property(tree, offset, "numa-node-id", bytes);
        if (nid == nullptr || bytes != sizeof(fdt32_t)) continue;
        return CpuNode{.nid = static_cast<u32>(cells(nid, 1)), .boot = offset == first};
    }
    return {};
}

PhysRange memory_range(const Tree& tree, const MemoryNode& node, u32 pair) {
    BATON_ASSERT(pair < node.pairs);
    return pair_at(tree, node.ranges, pair);
}

std::string_view chosen_string(const Tree& tree, const char* name) {
    const int node = chosen(tree);
    return node < 0 ? std::string_view{} : string_property(tree, node, name);
}

bool chosen_flag(const Tree& tree, const char* name) {
    const int node = chosen(tree);
    return node >= 0 && has_property(tree, node, name);
}

std::optional<u64> chosen_number(const Tree& tree, const char* name) {
    u32 bytes = 0;
    const int node = chosen(tree);
    const void* data = node < 0 ? nullptr : property(tree, node, name, bytes);
    if (data == nullptr || (bytes != 4 && bytes != 8)) return {};
    return cells(data, bytes / 4);
}

std::optional<PhysRange> chosen_range(const Tree& tree, const char* name) {
    u32 bytes = 0;
    const int node = chosen(tree);
    const void* data = node < 0 ? nullptr : property(tree, node, name, bytes);
    if (data == nullptr || bytes != pair_bytes(tree)) return {};
    return pair_at(tree, data, 0);
}

}  // namespace baton::boot
