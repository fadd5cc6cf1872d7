// SPDX-License-Identifier: GPL-2.0-only
// The text of a manifest, checked value by value.
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <filesystem>

#include "sim/capture/capture.hpp"
#include "sim/capture/json_tree.hpp"
#include "sim/input_error.hpp"

namespace baton::sim {
namespace {

using Kind = JsonNode::Kind;

inline constexpr u64 kAddressEnd = u64{1} << 52;  // physical addresses of either ISA end here
inline constexpr u64 kScratchBytesMax = 1 * kMiB;
inline constexpr u32 kOrderMax = 40;

/// "0x1f", "31"; nothing for anything else, and for more than 64 bits.
std::optional<u64> parse_number(std::string_view text) {
    u32 base = 10;
    if (text.starts_with("0x") || text.starts_with("0X")) {
        base = 16;
        text.remove_prefix(2);
    }
    if (text.empty() || text.size() > 20) return std::nullopt;
    u64 value = 0;
    for (char c : text) {
        const u32 digit = c >= '0' && c <= '9'   ? static_cast<u32>(c - '0')
                          : c >= 'a' && c <= 'f' ? static_cast<u32>(c - 'a') + 10
                          : c >= 'A' && c <= 'F' ? static_cast<u32>(c - 'A') + 10
                                                 : 99;
        if (digit >= base || value > (~u64{0} - digit) / base) return std::nullopt;
        value = value * base + digit;
    }
    return value;
}

/// The manifest's values by name, each of its type.
class Reader {
public:
    explicit Reader(const JsonTree& tree) : tree_(tree) {}

    const JsonNode* optional(const JsonNode& object, std::string_view key, Kind kind) const {
        const JsonNode* n = object.find(key);
        if (n == nullptr || n->is(Kind::kNull)) return nullptr;
        require(*n, kind, fmt::format("\"{}\"", key));
        return n;
    }
    const JsonNode& required(const JsonNode& object, std::string_view key) const {
        const JsonNode* n = object.find(key);
        if (n == nullptr) tree_.fail(object, fmt::format("\"{}\" is missing", key), hint_for(key));
        return *n;
    }
    std::string text(const JsonNode& object, std::string_view key) const {
        const JsonNode* n = optional(object, key, Kind::kString);
        return n != nullptr ? n->text : std::string();
    }
    u64 number(const JsonNode& n, std::string_view what, u64 max = ~u64{0}) const {
        std::optional<u64> v;
        if (n.is(Kind::kNumber)) v = n.number;
        if (n.is(Kind::kString)) v = parse_number(n.text);
        if (!v) tree_.fail(n, fmt::format("{} is no number", what), "a number such as 4096 or \"0x1000\"");
        if (*v > max) tree_.fail(n, fmt::format("{} is {:#x}", what, *v), fmt::format("at most {:#x}", max));
        return *v;
    }
    u64 number_of(const JsonNode& object, std::string_view key, u64 max = ~u64{0}) const {
        return number(required(object, key), fmt::format("\"{}\"", key), max);
    }
    std::optional<u64> optional_number(const JsonNode& object, std::string_view key, u64 max = ~u64{0}) const {
        const JsonNode* n = object.find(key);
        if (n == nullptr || n->is(Kind::kNull)) return std::nullopt;
        return number(*n, fmt::format("\"{}\"", key), max);
    }
    /// `start` and `size` as a range of at least one byte that ends below kAddressEnd.
    PhysRange range(const JsonNode& start, const JsonNode& size, std::string_view what) const {
        const PhysRange r{{number(start, fmt::format("start of {}", what), kAddressEnd - 1)},
                          number(size, fmt::format("size of {}", what), kAddressEnd)};
        if (r.size == 0) tree_.fail(size, fmt::format("size of {} is 0", what), "at least 1 byte");
        if (r.size > kAddressEnd - r.start.value)
            tree_.fail(size, fmt::format("{} ends above {:#x}", what, kAddressEnd),
                       "a range inside 52 bits of physical address");
        return r;
    }
    void require(const JsonNode& n, Kind kind, std::string_view what) const {
        if (!n.is(kind)) tree_.fail(n, fmt::format("{} is {}", what, name_of(n.kind)), std::string(name_of(kind)));
    }
    void require_array(const JsonNode& n, u64 items, std::string_view what, std::string_view shape) const {
        if (!n.is(Kind::kArray) || n.children.size() != items)
            tree_.fail(n, fmt::format("{} has another shape", what), std::string(shape));
    }
    [[noreturn]] void fail(const JsonNode& at, const std::string& message, const std::string& hint) const {
        tree_.fail(at, message, hint);
    }

private:
    static std::string hint_for(std::string_view key) {
        if (key == "arch") return R"("arch": "x86_64" or "aarch64")";
        if (key == "segments") return R"("segments": [{"phys": "0x…", "size": 4096, "file": "name"}, …])";
        return fmt::format(R"("{}": a number such as "0x1000")", key);
    }
    const JsonTree& tree_;
};

struct Placed {
    PhysRange range;
    const JsonNode* node;
    std::string what;
};

void require_disjoint(const Reader& r, std::vector<Placed>& placed) {
    std::ranges::stable_sort(placed, {}, [](const Placed& p) { return p.range.start; });
    for (u64 i = 1; i < placed.size(); ++i)
        if (placed[i - 1].range.end() > placed[i].range.start)
            r.fail(*placed[i].node,
                   fmt::format("{} at {:#x} overlaps {} at {:#x}", placed[i].what, placed[i].range.start.value,
                               placed[i - 1].what, placed[i - 1].range.start.value),
                   "each byte of memory once");
}

/// A name that stays in the folder, whatever the folder holds.
void require_inside(const Reader& r, const JsonNode& node) {
    const std::filesystem::path path(node.text);
    if (node.text.empty() || node.text.find('\0') != std::string::npos || path.is_absolute() ||
        std::ranges::find(path, std::filesystem::path("..")) != path.end())
        r.fail(node, fmt::format("file \"{}\" is not inside the capture", node.text),
               "a name relative to the manifest's folder, without \"..\"");
}

void read_segments(const Reader& r, const JsonNode& root, Capture& out, std::vector<Placed>& placed) {
    const JsonNode& list = r.required(root, "segments");
    r.require(list, Kind::kArray, "\"segments\"");
    if (list.children.empty()) r.fail(list, "there are no segments", "at least the root FDT and the scratch array");
    for (const JsonNode& n : list.children) {
        r.require(n, Kind::kObject, "a segment");
        const JsonNode& file = r.required(n, "file");
        r.require(file, Kind::kString, "\"file\"");
        require_inside(r, file);
        const PhysRange range = r.range(r.required(n, "phys"), r.required(n, "size"), "the segment");
        placed.push_back({range, &n, "the segment"});
        out.segments.push_back({range, file.text, {}});
    }
    std::ranges::sort(out.segments, {}, [](const CaptureSegment& s) { return s.range.start; });
}

void read_patterned(const Reader& r, const JsonNode& root, Capture& out, std::vector<Placed>& placed) {
    const JsonNode* list = r.optional(root, "patterned", Kind::kArray);
    if (list == nullptr) return;
    for (const JsonNode& n : list->children) {
        r.require_array(n, 2, "a patterned region", "[phys, size]");
        const PhysRange range = r.range(n.children[0], n.children[1], "the patterned region");
        if (range.start.value % 8 != 0 || range.size % 8 != 0)
            r.fail(n, "a patterned region is not made of whole words", "start and size are multiples of 8");
        placed.push_back({range, &n, "the patterned region"});
        out.patterned.push_back(range);
    }
    std::ranges::sort(out.patterned, {}, &PhysRange::start);
}

void read_map(const Reader& r, const JsonNode& root, Capture& out) {
    out.ram_base = {r.optional_number(root, "ram_base", kAddressEnd - 1).value_or(0)};
    out.ram_bytes = r.optional_number(root, "mem_mb", (kAddressEnd - out.ram_base.value) / kMiB).value_or(0) * kMiB;
    const JsonNode* list = r.optional(root, "memory_map", Kind::kArray);
    if (list == nullptr) return;
    std::vector<Placed> placed;
    for (const JsonNode& n : list->children) {
        const bool on_node = n.is(Kind::kArray) && n.children.size() == 4;
        r.require_array(n, on_node ? 4 : 3, "an entry of the memory map", "[start, size, \"ram\"], or with a node");
        r.require(n.children[2], Kind::kString, "the type of an entry");
        const PhysRange range = r.range(n.children[0], n.children[1], "the entry");
        placed.push_back({range, &n, "the entry"});
        const u64 node = on_node ? r.number(n.children[3], "the node of an entry", kNodesMax - 1) : 0;
        if (on_node) out.nodes = std::max(out.nodes, static_cast<u32>(node) + 1);
        out.memory_map.push_back({range, n.children[2].text, static_cast<u32>(node)});
    }
    require_disjoint(r, placed);
    out.nodes = std::max(out.nodes, static_cast<u32>(r.optional_number(root, "nodes", kNodesMax).value_or(0)));
    std::ranges::sort(out.memory_map, {}, [](const CaptureMapEntry& e) { return e.range.start; });
}

void read_boot(const Reader& r, const JsonNode& root, CaptureBoot& out) {
    const JsonNode* boot = r.optional(root, "boot", Kind::kObject);
    if (boot == nullptr) return;
    const auto address = [&](std::string_view key) -> std::optional<PhysAddr> {
        const auto v = r.optional_number(*boot, key, kAddressEnd - 1);
        return v ? std::optional(PhysAddr{*v}) : std::nullopt;
    };
    const auto range = [&](std::string_view key) -> PhysRange {
        const JsonNode* n = r.optional(*boot, key, Kind::kArray);
        if (n == nullptr) return {};
        r.require_array(*n, 2, fmt::format("\"{}\"", key), "[start, size]");
        return r.range(n->children[0], n->children[1], fmt::format("\"{}\"", key));
    };
    out.boot_params = address("boot_params");
    out.setup_data = address("setup_data");
    out.cmdline = address("cmdline");
    out.dtb_addr = address("dtb_addr");
    out.initrd = range("initrd");
    out.kernel = range("kernel");
    if (const JsonNode* dtb = r.optional(*boot, "dtb", Kind::kString)) {
        require_inside(r, *dtb);
        out.dtb = dtb->text;
    }
}

void read_expectation(const Reader& r, const JsonNode& root, Capture& out) {
    const JsonNode* expect = r.optional(root, "expect", Kind::kObject);
    if (expect == nullptr) return;
    out.expect.emplace();
    if (const JsonNode* list = r.optional(*expect, "preserved", Kind::kArray))
        for (const JsonNode& n : list->children) {
            r.require_array(n, 2, "an expected block", "[phys, order]");
            out.expect->preserved.push_back({{r.number(n.children[0], "the address")},
                                             {static_cast<u32>(r.number(n.children[1], "the order", kOrderMax))}});
        }
    if (const JsonNode* list = r.optional(*expect, "sub_fdts", Kind::kArray))
        for (const JsonNode& n : list->children) {
            r.require(n, Kind::kString, "the name of a subtree");
            out.expect->sub_fdts.push_back(n.text);
        }
}

void read_handed_over(const Reader& r, const JsonNode& root, Capture& out) {
    out.fdt = {r.number_of(root, "kho_fdt", kAddressEnd - 1)};
    out.fdt_size = r.optional_number(root, "kho_fdt_size").value_or(4096);
    if (out.fdt_size != 4096 && out.fdt_size != 16384 && out.fdt_size != 65536)
        r.fail(*root.find("kho_fdt_size"), fmt::format("\"kho_fdt_size\" is {}", out.fdt_size),
               "the page size of the kernel: 4096, 16384 or 65536");
    if (out.isa == Isa::kX86_64 && out.fdt_size != 4096)
        r.fail(*root.find("kho_fdt_size"), fmt::format("\"kho_fdt_size\" is {} on x86_64", out.fdt_size), "4096");
    out.scratch = {r.number_of(root, "scratch", kAddressEnd - 1)};
    out.scratch_bytes = r.number_of(root, "scratch_len", kScratchBytesMax);
}

}  // namespace

Capture parse_manifest(std::string_view text, const std::string& file) {
    const JsonTree tree(text, file);
    const Reader r(tree);
    const JsonNode& root = tree.root();
    r.require(root, Kind::kObject, "the manifest");
    Capture out;
    const JsonNode& arch = r.required(root, "arch");
    if (!arch.is(Kind::kString) || (arch.text != "x86_64" && arch.text != "aarch64"))
        r.fail(arch, "\"arch\" is unknown", R"("x86_64" or "aarch64")");
    out.isa = arch.text == "x86_64" ? Isa::kX86_64 : Isa::kAArch64;
    out.name = r.text(root, "name");
    out.note = r.text(root, "note");
    out.generation = r.text(root, "generation");
    out.cmdline = r.text(root, "cmdline");
    read_map(r, root, out);
    read_boot(r, root, out.boot);
    read_handed_over(r, root, out);
    std::vector<Placed> placed;
    read_segments(r, root, out, placed);
    read_patterned(r, root, out, placed);
    require_disjoint(r, placed);
    read_expectation(r, root, out);
    return out;
}

u32 Capture::page_shift() const { return static_cast<u32>(std::countr_zero(fdt_size)); }

std::vector<PhysRange> Capture::ram() const {
    std::vector<PhysRange> out;
    for (const CaptureMapEntry& e : memory_map) {
        if (e.type != "ram") continue;
        if (!out.empty() && out.back().end() == e.range.start)
            out.back().size += e.range.size;
        else
            out.push_back(e.range);
    }
    // Where RAM goes on above its hole below 4 GiB, the size alone does not say.
    const bool one_run = isa != Isa::kX86_64 || ram_bytes <= 2 * kGiB;
    if (out.empty() && ram_bytes != 0 && one_run) out.push_back({ram_base, ram_bytes});
    return out;
}

}  // namespace baton::sim
