// SPDX-License-Identifier: GPL-2.0-only
// What a boot protocol says about the handover: setup_data type 10, or two /chosen properties.
// Sources: specs/kho.md §2.8, §2.9; specs/kexec.md §7.7; specs/boot.md §6.
#include <fmt/format.h>
#include <libfdt.h>

#include <cstring>

#include "sim/handover/handover.hpp"

namespace baton::sim {
namespace {

inline constexpr u32 kSetupDataKho = 10;
inline constexpr u64 kSetupDataBytes = 32;
inline constexpr u32 kSetupNodesMax = 4096;

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

void warn(BootHandover& out, WarningId id, PhysAddr at, std::string text) {
    out.warnings.push_back({id, at, std::move(text)});
}

std::optional<BootHandover> read_zero_page(PhysAddr zero_page, const RamReader& read) {
    const auto image = load<u32>(read, zero_page + 0x218);
    const auto size = load<u32>(read, zero_page + 0x21c);
    const auto image_high = load<u32>(read, zero_page + 0xc0);
    const auto size_high = load<u32>(read, zero_page + 0xc4);
    const auto first = load<u64>(read, zero_page + 0x250);
    if (!image || !size || !image_high || !size_high || !first) return std::nullopt;
    BootHandover out = read_setup_data({*first}, read);
    out.initrd = {{u64{*image_high} << 32 | *image}, u64{*size_high} << 32 | *size};
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
    bool range(const char* name, PhysAddr& address, u64& size, PhysAddr& field, BootHandover& out) const {
        int len = 0;
        const auto* p = static_cast<const u8*>(fdt_getprop(tree, node, name, &len));
        if (p == nullptr) return false;
        const PhysAddr at = base + static_cast<u64>(p - static_cast<const u8*>(tree));
        if (len != (address_cells + size_cells) * 4) {
            warn(out, WarningId::kBootRecordSize, at, fmt::format("{} has {} bytes", name, len));
            return false;
        }
        address = {cells(p, address_cells)};
        size = cells(p + address_cells * 4, size_cells);
        field = at;
        out.record.insert(out.record.end(), p, p + len);
        return true;
    }
    u64 number(const char* name) const {
        int len = 0;
        const auto* p = static_cast<const u8*>(fdt_getprop(tree, node, name, &len));
        return p != nullptr && (len == 4 || len == 8) ? cells(p, len / 4) : 0;
    }
};

std::optional<BootHandover> read_tree(PhysAddr at, const RamReader& read) {
    const LoadedTree tree = load_tree(at, kTreeBytesMax, read);
    if (tree.state != LoadedTree::State::kGood) return std::nullopt;
    return read_chosen(tree.bytes, at);
}

}  // namespace

BootHandover read_setup_data(PhysAddr first, const RamReader& read) {
    BootHandover out;
    PhysAddr at = first;
    for (u32 i = 0; at.value != 0; ++i) {
        if (i == kSetupNodesMax) {
            warn(out, WarningId::kBootListBroken, first, fmt::format("setup_data has more than {} nodes", i));
            break;
        }
        const auto node = load<SetupNode>(read, at);
        if (!node) {
            warn(out, WarningId::kBootListBroken, at, fmt::format("no memory at {:#x} for setup_data", at.value));
            break;
        }
        if (node->type == kSetupDataKho && node->len != kSetupDataBytes)
            warn(out, WarningId::kBootRecordSize, at, fmt::format("setup_data of type 10 has {} bytes", node->len));
        if (node->type == kSetupDataKho && node->len == kSetupDataBytes) {
            std::vector<u8> record(sizeof(SetupNode) + kSetupDataBytes);
            if (!read(at, record)) {
                warn(out, WarningId::kBootListBroken, at, fmt::format("setup_data at {:#x} is cut off", at.value));
                break;
            }
            u64 words[4];
            std::memcpy(words, record.data() + sizeof(SetupNode), sizeof(words));
            out.record_at = at;
            out.record = std::move(record);
            out.fdt = {words[0]};
            out.fdt_size = words[1];
            out.scratch = {words[2]};
            out.scratch_bytes = words[3];
            out.fdt_field = at + sizeof(SetupNode);
            out.scratch_field = out.fdt_field + 16;
        }
        at = {node->next};
    }
    return out;
}

BootHandover read_chosen(std::span<const u8> tree, PhysAddr at) {
    BootHandover out;
    const int chosen = fdt_path_offset(tree.data(), "/chosen");
    if (chosen < 0) return out;
    const Chosen c{tree.data(), chosen, fdt_address_cells(tree.data(), 0), fdt_size_cells(tree.data(), 0), at};
    if (c.address_cells < 1 || c.address_cells > 2 || c.size_cells < 1 || c.size_cells > 2) return out;
    const u64 start = c.number("linux,initrd-start");
    out.initrd = {{start}, c.number("linux,initrd-end") - start};
    BootHandover kho = out;
    kho.record_at = at;
    const bool fdt = c.range("linux,kho-fdt", kho.fdt, kho.fdt_size, kho.fdt_field, kho);
    const bool scratch = c.range("linux,kho-scratch", kho.scratch, kho.scratch_bytes, kho.scratch_field, kho);
    if (fdt && scratch) return kho;
    out.warnings = std::move(kho.warnings);
    if (fdt != scratch)
        warn(out, WarningId::kBootRecordMissing, at, "only one of linux,kho-fdt and linux,kho-scratch is there");
    return out;
}

std::optional<BootHandover> read_boot_handover(Isa isa, PhysAddr argument, const RamReader& read) {
    return isa == Isa::kX86_64 ? read_zero_page(argument, read) : read_tree(argument, read);
}

}  // namespace baton::sim
