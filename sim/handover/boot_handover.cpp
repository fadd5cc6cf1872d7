// SPDX-License-Identifier: GPL-2.0-only
// What a boot protocol says about the handover: setup_data type 10, or two /chosen properties.
// Sources: specs/kho.md §2.8, §2.9; specs/kexec.md §7.7; specs/boot.md §6.
#include <libfdt.h>

#include <cstring>

#include "model/bits.hpp"
#include "sim/handover/handover.hpp"

namespace baton::sim {
namespace {

inline constexpr u32 kSetupDataKho = 10;
inline constexpr u64 kSetupDataBytes = 32;
inline constexpr u32 kSetupNodesMax = 4096;
inline constexpr u64 kTreeBytesMax = 2 * kMiB;

template <class T>
std::optional<T> load(const RamReader& read, PhysAddr a) {
    T v;
    std::span<u8> bytes(reinterpret_cast<u8*>(&v), sizeof(T));
    if (!read(a, bytes)) return std::nullopt;
    return v;
}

struct SetupNode {
    u64 next;
    u32 type;
    u32 len;
};
static_assert(sizeof(SetupNode) == 16);

std::optional<BootHandover> read_zero_page(PhysAddr zero_page, const RamReader& read) {
    const auto image = load<u32>(read, zero_page + 0x218);
    const auto size = load<u32>(read, zero_page + 0x21c);
    const auto image_high = load<u32>(read, zero_page + 0xc0);
    const auto size_high = load<u32>(read, zero_page + 0xc4);
    auto next = load<u64>(read, zero_page + 0x250);
    if (!image || !size || !image_high || !size_high || !next) return std::nullopt;
    BootHandover out;
    out.initrd = {{u64{*image_high} << 32 | *image}, u64{*size_high} << 32 | *size};
    for (u32 i = 0; i < kSetupNodesMax && *next != 0; ++i) {
        const PhysAddr at{*next};
        const auto node = load<SetupNode>(read, at);
        if (!node) break;
        if (node->type == kSetupDataKho && node->len == kSetupDataBytes) {
            out.record_at = at;
            out.record.resize(sizeof(SetupNode) + kSetupDataBytes);
            if (!read(at, out.record)) break;
            u64 words[4];
            std::memcpy(words, out.record.data() + sizeof(SetupNode), sizeof(words));
            out.fdt = {words[0]};
            out.fdt_size = words[1];
            out.scratch = {words[2]};
            out.scratch_bytes = words[3];
            out.fdt_field = at + sizeof(SetupNode);
            out.scratch_field = out.fdt_field + 16;
        }
        next = node->next;
    }
    return out;
}

u64 cells(const u8* p, int count) {
    u64 v = 0;
    for (int i = 0; i < count * 4; ++i) v = v << 8 | p[i];
    return v;
}

struct Chosen {
    const void* tree;
    int node;
    int address_cells;
    int size_cells;
    PhysAddr base;

    // <address size> in the root's cell widths; false unless exactly that long.
    bool range(const char* name, PhysAddr& address, u64& size, PhysAddr& field, std::vector<u8>& record) const {
        int len = 0;
        const auto* p = static_cast<const u8*>(fdt_getprop(tree, node, name, &len));
        if (p == nullptr || len != (address_cells + size_cells) * 4) return false;
        address = {cells(p, address_cells)};
        size = cells(p + address_cells * 4, size_cells);
        field = base + static_cast<u64>(p - static_cast<const u8*>(tree));
        record.insert(record.end(), p, p + len);
        return true;
    }
    u64 number(const char* name) const {
        int len = 0;
        const auto* p = static_cast<const u8*>(fdt_getprop(tree, node, name, &len));
        return p != nullptr && (len == 4 || len == 8) ? cells(p, len / 4) : 0;
    }
};

std::optional<BootHandover> read_tree(PhysAddr at, const RamReader& read) {
    const auto size_be = load<u32>(read, at + 4);
    if (!size_be) return std::nullopt;
    const u64 bytes = __builtin_bswap32(*size_be);
    if (bytes < sizeof(fdt_header) || bytes > kTreeBytesMax) return std::nullopt;
    std::vector<u8> tree(bytes);
    if (!read(at, tree) || fdt_check_full(tree.data(), bytes) != 0) return std::nullopt;
    BootHandover out;
    const int chosen = fdt_path_offset(tree.data(), "/chosen");
    if (chosen < 0) return out;
    const Chosen c{tree.data(), chosen, fdt_address_cells(tree.data(), 0), fdt_size_cells(tree.data(), 0), at};
    if (c.address_cells < 1 || c.address_cells > 2 || c.size_cells < 1 || c.size_cells > 2) return out;
    const u64 start = c.number("linux,initrd-start");
    out.initrd = {{start}, c.number("linux,initrd-end") - start};
    BootHandover kho = out;
    kho.record_at = at;
    if (c.range("linux,kho-fdt", kho.fdt, kho.fdt_size, kho.fdt_field, kho.record) &&
        c.range("linux,kho-scratch", kho.scratch, kho.scratch_bytes, kho.scratch_field, kho.record))
        return kho;
    return out;
}

}  // namespace

std::optional<BootHandover> read_boot_handover(Isa isa, PhysAddr argument, const RamReader& read) {
    return isa == Isa::kX86_64 ? read_zero_page(argument, read) : read_tree(argument, read);
}

}  // namespace baton::sim
