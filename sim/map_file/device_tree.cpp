// SPDX-License-Identifier: GPL-2.0-only
// A flattened device tree: what a kernel would take for RAM (specs/boot.md §6), and what it must leave alone.
//
// The same rules as early boot's: children of the root with device_type "memory" that are not disabled;
// linux,usable-memory wins over reg. Reservations come from /memreserve/ and from /reserved-memory, whose dynamic
// entries (a size, no reg) have no place yet and are left out. A kernel gets this very tree, unless its cells are wider
// than a kernel of ours can read: then the loader makes one.
#include <fmt/format.h>
#include <libfdt.h>

#include <algorithm>
#include <optional>

#include "sim/map_file/forms.hpp"

namespace baton::sim::map_forms {
namespace {

inline constexpr u32 kCellsMax = 4;  // libfdt's own limit
inline constexpr u32 kCellsOfKernel = 2;

class Reader {
public:
    Reader(std::span<const u8> bytes, const std::string& name) : name_(name) {
        const u64 size = bytes.size() < sizeof(fdt_header) ? 0 : fdt_totalsize(bytes.data());
        if (size < sizeof(fdt_header) || size > bytes.size())
            wrong(fmt::format("a device tree of {} bytes, but the file has {}", size, bytes.size()), "is it cut off?");
        tree_.assign(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
        if (const int error = fdt_check_full(tree_.data(), tree_.size()); error != 0)
            wrong(fmt::format("no sound device tree: {}", fdt_strerror(error)));
        address_cells_ = cells_of(0, "#address-cells");
        size_cells_ = cells_of(0, "#size-cells");
    }

    FirmwareMap read() {
        FirmwareMap map{.name = name_, .isa = Isa::kAArch64, .entries = {}, .reserved = {}, .device_tree = {}};
        std::vector<MapLine> lines;
        int node = 0;
        fdt_for_each_subnode(node, tree_.data(), 0) {
            if (text(node, "device_type") == "memory" && enabled(node)) memory(node, lines);
            if (std::string_view(fdt_get_name(tree_.data(), node, nullptr)) == "reserved-memory") reserved_memory(node);
        }
        if (lines.empty()) wrong("no memory node", "one has device_type = \"memory\" and reg");
        map.entries = checked_entries(name_, std::move(lines));
        if (nodes_ != 0) count_cpu_nodes();
        map.nodes = nodes_;
        forget_last_boot();
        listed();
        map.reserved = joined();
        if (std::max(address_cells_, size_cells_) <= kCellsOfKernel) map.device_tree = std::move(tree_);
        return map;
    }

private:
    [[noreturn]] void wrong(const std::string& message, std::string hint = {}) const {
        throw InputError(name_, 0, 0, message, std::move(hint));
    }
    u32 cells_of(int node, const char* property) const {
        int length = 0;
        const void* data = fdt_getprop(tree_.data(), node, property, &length);
        if (data == nullptr) return node == 0 ? 1 : 0;
        const u32 cells = length == sizeof(fdt32_t) ? fdt32_ld(static_cast<const fdt32_t*>(data)) : 0;
        if (cells < 1 || cells > kCellsMax)
            wrong(fmt::format("{} is not one number from 1 to {}", property, kCellsMax));
        return cells;
    }
    std::string_view text(int node, const char* property) const {
        int length = 0;
        const auto* data = static_cast<const char*>(fdt_getprop(tree_.data(), node, property, &length));
        return data == nullptr ? std::string_view{} : std::string_view(data, strnlen(data, static_cast<u64>(length)));
    }
    bool enabled(int node) const {
        if (fdt_getprop(tree_.data(), node, "status", nullptr) == nullptr) return true;
        const std::string_view status = text(node, "status");
        return status == "okay" || status == "ok";
    }
    // High words of a wide number must be 0.
    u64 number(const fdt32_t* cells, u32 count, int node) const {
        u64 value = 0;
        for (u32 i = 0; i < count; ++i) {
            const u32 word = fdt32_ld(cells + i);
            if (i + 2 < count && word != 0)
                wrong(fmt::format("/{}: a number of more than 64 bits", fdt_get_name(tree_.data(), node, nullptr)));
            value = value << 32 | word;
        }
        return value;
    }
    std::vector<PhysRange> ranges(int node, const char* property) const {
        int length = 0;
        const auto* cells = static_cast<const fdt32_t*>(fdt_getprop(tree_.data(), node, property, &length));
        std::vector<PhysRange> out;
        if (cells == nullptr) return out;
        const u32 pair = address_cells_ + size_cells_;
        const u32 words = static_cast<u32>(length) / sizeof(fdt32_t);
        if (static_cast<u32>(length) % sizeof(fdt32_t) != 0 || words % pair != 0)
            wrong(fmt::format("/{}: {} of {} bytes is not made of {}+{} cells",
                              fdt_get_name(tree_.data(), node, nullptr), property, length, address_cells_,
                              size_cells_));
        for (u32 i = 0; i < words; i += pair)
            out.push_back(
                {{number(cells + i, address_cells_, node)}, number(cells + i + address_cells_, size_cells_, node)});
        return out;
    }
    // numa-node-id of memory or a CPU, which then is a node of the machine.
    std::optional<u32> node_id(int node) {
        int length = 0;
        const void* nid = fdt_getprop(tree_.data(), node, "numa-node-id", &length);
        if (nid == nullptr || length != sizeof(fdt32_t)) return std::nullopt;
        const u32 id = fdt32_ld(static_cast<const fdt32_t*>(nid));
        if (id >= kNodesMax)
            wrong(fmt::format("/{}: node {} is none", fdt_get_name(tree_.data(), node, nullptr), id),
                  fmt::format("nodes are 0 to {}", kNodesMax - 1));
        nodes_ = std::max(nodes_, id + 1);
        return id;
    }
    void count_cpu_nodes() {
        const int cpus = fdt_path_offset(tree_.data(), "/cpus");
        int node = 0;
        if (cpus < 0) return;
        fdt_for_each_subnode(node, tree_.data(), cpus) {
            if (text(node, "device_type") == "cpu") node_id(node);
        }
    }
    void memory(int node, std::vector<MapLine>& lines) {
        const bool usable = fdt_getprop(tree_.data(), node, "linux,usable-memory", nullptr) != nullptr;
        const u32 id = node_id(node).value_or(0);
        for (const PhysRange& r : ranges(node, usable ? "linux,usable-memory" : "reg"))
            if (!r.empty()) lines.push_back({0, 0, {r.start, r.size, static_cast<u32>(MemoryType::kRam), id}});
    }
    void reserved_memory(int parent) {
        int node = 0;
        fdt_for_each_subnode(node, tree_.data(), parent) {
            if (!enabled(node)) continue;
            for (const PhysRange& r : ranges(node, "reg"))
                if (!r.empty()) reserved_.push_back(r);
        }
    }
    // What a boot loader or kexec told one kernel is not the machine's.
    void forget_last_boot() {
        void* const tree = tree_.data();
        const int chosen = fdt_path_offset(tree, "/chosen");
        if (chosen < 0) return;
        int length = 0;
        const auto* at = static_cast<const fdt32_t*>(fdt_getprop(tree, chosen, "linux,initrd-start", &length));
        const u64 initrd = at == nullptr ? 0 : number(at, std::min<u32>(static_cast<u32>(length) / 4, 2), chosen);
        for (int i = fdt_num_mem_rsv(tree) - 1; i >= 0; --i) {
            uint64_t start = 0;
            uint64_t size = 0;
            if (initrd != 0 && fdt_get_mem_rsv(tree, i, &start, &size) == 0 && start == initrd)
                fdt_del_mem_rsv(tree, i);
        }
        for (const char* name : {"linux,initrd-start", "linux,initrd-end", "linux,kho-fdt", "linux,kho-scratch",
                                 "linux,booted-from-kexec", "linux,elfcorehdr", "linux,usable-memory-range"})
            fdt_delprop(tree, fdt_path_offset(tree, "/chosen"), name);
        fdt_pack(tree);
        tree_.resize(fdt_totalsize(tree));
    }
    void listed() {
        for (int i = 0; i < fdt_num_mem_rsv(tree_.data()); ++i) {
            uint64_t start = 0;
            uint64_t size = 0;
            if (fdt_get_mem_rsv(tree_.data(), i, &start, &size) == 0 && size != 0) reserved_.push_back({{start}, size});
        }
    }
    std::vector<PhysRange> joined() {
        std::ranges::sort(reserved_, {}, &PhysRange::start);
        std::vector<PhysRange> out;
        for (const PhysRange& r : reserved_) {
            if (r.end() < r.start) wrong(fmt::format("the reservation at {:#x} wraps around", r.start.value));
            if (!out.empty() && r.start <= out.back().end())
                out.back().size = std::max(out.back().end(), r.end()) - out.back().start;
            else
                out.push_back(r);
        }
        return out;
    }

    std::string name_;
    std::vector<u8> tree_;
    u32 address_cells_ = 1;
    u32 size_cells_ = 1;
    std::vector<PhysRange> reserved_;
    u32 nodes_ = 0;
};

}  // namespace

bool is_device_tree(std::span<const u8> bytes) {
    constexpr u8 kMagic[] = {0xd0, 0x0d, 0xfe, 0xed};
    return bytes.size() >= sizeof(kMagic) && std::equal(std::begin(kMagic), std::end(kMagic), bytes.begin());
}

FirmwareMap read_device_tree(std::span<const u8> bytes, const std::string& name) { return Reader(bytes, name).read(); }

}  // namespace baton::sim::map_forms
