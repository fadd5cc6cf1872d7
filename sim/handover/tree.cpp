// SPDX-License-Identifier: GPL-2.0-only
#include "sim/handover/tree.hpp"

#include <fmt/format.h>
#include <libfdt.h>

#include <algorithm>
#include <cstring>

namespace baton::sim {
namespace {

inline constexpr u32 kHeaderBytes = 40;

u32 big_endian(std::span<const u8> bytes, u64 at) {
    u32 v;
    std::memcpy(&v, bytes.data() + at, sizeof(v));
    return __builtin_bswap32(v);
}

bool all_zero(std::span<const u8> bytes) {
    return std::ranges::all_of(bytes, [](u8 b) { return b == 0; });
}

struct Part {
    u64 start;
    u64 end;
    std::string_view name;
};

/// Header, reserve map, structure and strings: apart, and zero between them.
void lint_layout(std::span<const u8> tree, const TreeHeader& h, PhysAddr at, std::string_view what,
                 WarningSink& warnings) {
    const int reservations = fdt_num_mem_rsv(tree.data());
    if (reservations != 0)
        warnings.add(WarningId::kFdtReserveMap, at + h.off_reserve,
                     fmt::format("{} has {} memory reservations", what, std::max(reservations, 0)));
    u64 terminator[2] = {};
    const u64 terminator_at = h.off_reserve + 16 * static_cast<u64>(std::max(reservations, 0));
    if (terminator_at + 16 <= tree.size()) std::memcpy(terminator, tree.data() + terminator_at, 16);
    if (terminator[0] != 0)
        warnings.add(WarningId::kFdtReserveMap, at + terminator_at,
                     fmt::format("{}: the reserve map does not end in zeros", what));
    const u64 reserve_end = h.off_reserve + 16 * (static_cast<u64>(std::max(reservations, 0)) + 1);
    Part parts[] = {{0, kHeaderBytes, "header"},
                    {h.off_reserve, reserve_end, "reserve map"},
                    {h.off_struct, u64{h.off_struct} + h.size_struct, "structure block"},
                    {h.off_strings, u64{h.off_strings} + h.size_strings, "strings block"}};
    std::ranges::stable_sort(parts, {}, &Part::start);
    if (h.off_reserve % 8 != 0 || h.off_struct % 4 != 0)
        warnings.add(
            WarningId::kFdtLayout, at,
            fmt::format("{}: reserve map at {:#x}, structure block at {:#x}", what, h.off_reserve, h.off_struct));
    for (u32 i = 1; i < 4; ++i) {
        const Part& before = parts[i - 1];
        const Part& part = parts[i];
        if (part.start < before.end)
            warnings.add(WarningId::kFdtLayout, at + part.start,
                         fmt::format("{}: {} and {} overlap", what, before.name, part.name));
        else if (part.start > tree.size() || !all_zero(tree.subspan(before.end, part.start - before.end)))
            warnings.add(WarningId::kFdtPadding, at + before.end,
                         fmt::format("{}: not zero between {} and {}", what, before.name, part.name));
    }
    if (parts[3].end < tree.size())
        warnings.add(WarningId::kFdtSlack, at + parts[3].end,
                     fmt::format("{} has {} bytes behind its {}", what, tree.size() - parts[3].end, parts[3].name));
}

void lint_header(const TreeHeader& h, PhysAddr at, std::string_view what, WarningSink& warnings) {
    if (h.version != 17 || h.last_compatible != 16 || h.boot_cpu != 0)
        warnings.add(WarningId::kFdtVersion, at,
                     fmt::format("{}: version {}, compatible with {}, boot CPU {:#x}; written are 17, 16 and 0", what,
                                 h.version, h.last_compatible, h.boot_cpu));
}

/// One walk over the tokens: padding of names and values, twins, and which strings are used.
class TokenLint {
public:
    TokenLint(std::span<const u8> tree, const TreeHeader& header, PhysAddr at, std::string_view what,
              WarningSink& warnings)
        : tree_(tree), h_(header), at_(at), what_(what), warnings_(warnings), used_(header.size_strings, 0) {}

    void run() {
        int next = 0;
        int offset = 0;
        for (u32 tag = fdt_next_tag(tree_.data(), 0, &next); tag != FDT_END && next > offset;
             offset = next, tag = fdt_next_tag(tree_.data(), offset, &next)) {
            if (tag == FDT_BEGIN_NODE) {
                node(offset, next);
                ++depth_;
            }
            if (tag == FDT_END_NODE) --depth_;
            if (tag == FDT_PROP) property(offset, next);
        }
        if (offset + 4 != static_cast<int>(h_.size_struct))
            warnings_.add(WarningId::kFdtLayout, at_ + h_.off_struct,
                          fmt::format("{}: the structure block has {} bytes, its tokens take {}", what_, h_.size_struct,
                                      offset + 4));
        for (u32 i = 0; i < used_.size(); ++i) {
            if (used_[i] != 0) continue;
            warnings_.add(WarningId::kFdtUnusedString, at_ + h_.off_strings + i,
                          fmt::format("{}: no property is named by byte {:#x} of the strings", what_, i));
            break;
        }
    }

private:
    void padding(u64 from, int next) {
        const u64 end = std::min<u64>(u64{h_.off_struct} + static_cast<u64>(next), tree_.size());
        if (from < end && !all_zero(tree_.subspan(from, end - from)))
            warnings_.add(WarningId::kFdtPadding, at_ + from, fmt::format("{}: padding is not zero", what_));
    }
    void node(int offset, int next) {
        const u64 name = u64{h_.off_struct} + static_cast<u64>(offset) + 4;
        const u64 length = strnlen(reinterpret_cast<const char*>(tree_.data()) + name, tree_.size() - name);
        padding(name + length + 1, next);
        if (tree_.size() <= kTwinsBytesMax && depth_ <= 2) twins(offset);
    }
    void property(int offset, int next) {
        const u64 head = u64{h_.off_struct} + static_cast<u64>(offset) + 4;
        const u32 length = big_endian(tree_, head);
        const u32 name = big_endian(tree_, head + 4);
        padding(head + 8 + length, next);
        for (u32 i = name; i < used_.size(); ++i) {
            used_[i] = 1;
            if (tree_[u64{h_.off_strings} + i] == 0) break;
        }
    }
    void twins(int node) {
        const void* t = tree_.data();
        int p = 0;
        u32 looked_at = 0;
        fdt_for_each_property_offset(p, t, node) {
            const char* name = nullptr;
            int length = 0;
            if (++looked_at > kTwinsMax || fdt_getprop_by_offset(t, p, &name, &length) == nullptr) break;
            int first_length = 0;
            const struct fdt_property* first = fdt_get_property(t, node, name, &first_length);
            if (first != nullptr && reinterpret_cast<const u8*>(first) - tree_.data() != h_.off_struct + p)
                warnings_.add(WarningId::kFdtDuplicate, at_ + h_.off_struct + static_cast<u64>(p),
                              fmt::format("{}: two properties {}", what_, name));
        }
        int child = 0;
        looked_at = 0;
        fdt_for_each_subnode(child, t, node) {
            int length = 0;
            const char* name = fdt_get_name(t, child, &length);
            if (++looked_at > kTwinsMax || name == nullptr) break;
            if (fdt_subnode_offset_namelen(t, node, name, length) != child)
                warnings_.add(WarningId::kFdtDuplicate, at_ + h_.off_struct + static_cast<u64>(child),
                              fmt::format("{}: two nodes {}", what_, name));
        }
    }

    // Looking for twins is quadratic; a root FDT is one page with fewer children than this.
    static constexpr u32 kTwinsMax = 256;
    static constexpr u64 kTwinsBytesMax = 64 * kKiB;
    i32 depth_ = 0;
    std::span<const u8> tree_;
    const TreeHeader& h_;
    PhysAddr at_;
    std::string_view what_;
    WarningSink& warnings_;
    std::vector<u8> used_;
};

}  // namespace

TreeHeader header_of(std::span<const u8> tree) {
    if (tree.size() < kHeaderBytes) return {};
    const auto word = [&](u32 index) { return big_endian(tree, index * 4); };
    return {word(1), word(2), word(3), word(4), word(5), word(6), word(7), word(8), word(9)};
}

LoadedTree load_tree(PhysAddr at, u64 bytes_max, const RamReader& read) {
    alignas(8) fdt_header header;
    LoadedTree out;
    if (!read(at, {reinterpret_cast<u8*>(&header), sizeof(header)})) return out;
    if (fdt_magic(&header) != FDT_MAGIC) return {LoadedTree::State::kNoTree, 0, {}};
    out.state = LoadedTree::State::kBroken;
    out.error = fdt_check_header(&header);
    if (out.error != 0) return out;
    const u64 bytes = fdt_totalsize(&header);
    out.error = -FDT_ERR_TRUNCATED;
    if (bytes < sizeof(header) || bytes > bytes_max) return out;
    out.bytes.resize(bytes);
    if (!read(at, out.bytes)) {
        out.bytes.clear();
        return out;
    }
    out.error = fdt_check_full(out.bytes.data(), bytes);
    if (out.error == 0)
        out.state = LoadedTree::State::kGood;
    else
        out.bytes.clear();
    return out;
}

std::string tree_error(int error) { return fmt::format("{} ({})", fdt_strerror(error), error); }

void lint_tree(std::span<const u8> tree, PhysAddr at, std::string_view what, WarningSink& warnings) {
    const TreeHeader h = header_of(tree);
    lint_header(h, at, what, warnings);
    lint_layout(tree, h, at, what, warnings);
    TokenLint(tree, h, at, what, warnings).run();
}

std::optional<std::string_view> tree_string(const void* tree, int node, const char* name) {
    int length = 0;
    const auto* p = static_cast<const char*>(fdt_getprop(tree, node, name, &length));
    if (p == nullptr || length < 1 || strnlen(p, static_cast<u64>(length)) != static_cast<u64>(length) - 1)
        return std::nullopt;
    return std::string_view(p, static_cast<u64>(length) - 1);
}

std::optional<u64> tree_u64(const void* tree, int node, const char* name) {
    int length = 0;
    const void* p = fdt_getprop(tree, node, name, &length);
    if (p == nullptr || length != 8) return std::nullopt;
    u64 v;
    std::memcpy(&v, p, sizeof(v));
    return v;
}

std::optional<u32> tree_u32(const void* tree, int node, const char* name) {
    int length = 0;
    const void* p = fdt_getprop(tree, node, name, &length);
    if (p == nullptr || length != 4) return std::nullopt;
    u32 v;
    std::memcpy(&v, p, sizeof(v));
    return v;
}

int tree_length(const void* tree, int node, const char* name) {
    int length = 0;
    return fdt_getprop(tree, node, name, &length) != nullptr ? length : -1;
}

void note_unknown(const void* tree, int node, PhysAddr at, std::initializer_list<std::string_view> properties,
                  bool children_known, WarningSink& warnings) {
    int p = 0;
    fdt_for_each_property_offset(p, tree, node) {
        const char* name = nullptr;
        int length = 0;
        if (fdt_getprop_by_offset(tree, p, &name, &length) == nullptr) break;
        if (std::ranges::find(properties, std::string_view(name)) == properties.end())
            warnings.add(WarningId::kFdtUnknown, at, fmt::format("unknown property {}", name));
    }
    if (children_known) return;
    int child = 0;
    fdt_for_each_subnode(child, tree, node) {
        const char* name = fdt_get_name(tree, child, nullptr);
        warnings.add(WarningId::kFdtUnknown, at, fmt::format("unknown node {}", name != nullptr ? name : "?"));
    }
}

}  // namespace baton::sim
