// SPDX-License-Identifier: GPL-2.0-only
#include "sim/inspect/find.hpp"

#include <fmt/format.h>
#include <libfdt.h>

#include <algorithm>
#include <bit>
#include <cstring>

namespace baton::sim {
namespace {

inline constexpr u64 kFrame = 4096;
inline constexpr u64 kSetupNodeAlign = 16;
inline constexpr u64 kSetupTypeAndLength = u64{32} << 32 | 10;  // type 10, 32 bytes, as they lie in a node
inline constexpr u64 kCandidatesMax = 4096;
inline constexpr u64 kJudgedMax = 64;

struct Candidates {
    std::vector<PhysAddr> trees;
    std::vector<PhysAddr> nodes;
};

/// Addresses in `block` that look like the begin of something.
bool scan(PhysAddr at, std::span<const u8> block, Candidates& out) {
    const auto word = [&](u64 offset) {
        u64 v;
        std::memcpy(&v, block.data() + offset, sizeof(v));
        return v;
    };
    const u32 magic = __builtin_bswap32(FDT_MAGIC);
    for (u64 page = (kFrame - at.value % kFrame) % kFrame; page + 8 <= block.size(); page += kFrame)
        if (static_cast<u32>(word(page)) == magic && out.trees.size() < kCandidatesMax) out.trees.push_back(at + page);
    const u64 first = (kSetupNodeAlign - at.value % kSetupNodeAlign) % kSetupNodeAlign;
    for (u64 node = first; node + 16 <= block.size(); node += kSetupNodeAlign)
        if (word(node + 8) == kSetupTypeAndLength && out.nodes.size() < kCandidatesMax) out.nodes.push_back(at + node);
    return out.trees.size() < kCandidatesMax || out.nodes.size() < kCandidatesMax;
}

bool is_root(std::span<const u8> tree) {
    const auto compatible = tree_string(tree.data(), 0, "compatible");
    return compatible && compatible->starts_with("kho-v");
}

class Finder {
public:
    Finder(const Source& source, std::optional<PhysAddr> fdt)
        : source_(source), fdt_(fdt), read_([&](PhysAddr a, std::span<u8> to) { return source.memory.read(a, to); }) {}

    std::vector<FoundHandover> run() {
        Candidates c;
        source_.memory.for_each_data([&](PhysAddr at, std::span<const u8> block) { return scan(at, block, c); });
        for (PhysAddr at : c.trees) look_at_tree(at);
        for (PhysAddr at : c.nodes) look_at_node(at);
        for (PhysAddr root : roots_)
            if (std::ranges::none_of(found_, [&](const FoundHandover& f) { return f.boot.fdt == root; }))
                found_.push_back({{.fdt = root, .fdt_size = 0}, fmt::format("magic at {:#x}", root.value)});
        if (fdt_) std::erase_if(found_, [&](const FoundHandover& f) { return f.boot.fdt != *fdt_; });
        judge();
        return std::move(found_);
    }

private:
    void look_at_tree(PhysAddr at) {
        const LoadedTree tree = load_tree(at, kTreeBytesMax, read_);
        if (tree.state != LoadedTree::State::kGood) return;
        if (is_root(tree.bytes)) roots_.push_back(at);
        const BootHandover boot = read_chosen(tree.bytes, at);
        if (boot.fdt.value != 0) found_.push_back({boot, fmt::format("device tree at {:#x}", at.value)});
    }
    /// A node names a root FDT that is one, or it is chance.
    void look_at_node(PhysAddr at) {
        u64 words[6];
        if (!read_(at, {reinterpret_cast<u8*>(words), sizeof(words)})) return;
        if (std::ranges::find(roots_, PhysAddr{words[2]}) == roots_.end()) return;
        words[0] = 0;  // this node alone: the list it is in may be another kernel's memory by now
        const auto node = [&](PhysAddr a, std::span<u8> to) {
            if (a < at || a.value - at.value > sizeof(words) || to.size() > sizeof(words) - (a - at)) return false;
            std::memcpy(to.data(), reinterpret_cast<const u8*>(words) + (a - at), to.size());
            return true;
        };
        BootHandover boot = read_setup_data(at, node);
        if (boot.fdt.value == 0) return;
        const bool known =
            std::ranges::any_of(found_, [&](const FoundHandover& f) { return f.boot.record == boot.record; });
        if (!known) found_.push_back({std::move(boot), fmt::format("setup_data node at {:#x}", at.value)});
    }
    /// Errors of a trial decoding; a record counts for more than any of them.
    u64 penalty(const FoundHandover& f) const {
        const Handover h = decode_handover(f.boot, {.page_shift = page_shift_of(f), .ram = source_.ram}, read_);
        u64 errors = 0;
        for (const Warning& w : h.warnings) errors += info(w.id).severity == Severity::kError ? 1 : 0;
        return errors + (f.boot.record.empty() ? u64{1} << 16 : 0) + (h.blocks.empty() ? u64{1} << 20 : 0);
    }
    u32 page_shift_of(const FoundHandover& f) const {
        if (f.boot.fdt_size == 16384 || f.boot.fdt_size == 65536)
            return static_cast<u32>(std::countr_zero(f.boot.fdt_size));
        return source_.page_shift.value_or(12);
    }
    void judge() {
        if (found_.size() < 2) return;
        if (found_.size() > kJudgedMax) found_.resize(kJudgedMax);
        std::vector<std::pair<u64, u64>> order;
        for (u64 i = 0; i < found_.size(); ++i) order.emplace_back(penalty(found_[i]), i);
        std::ranges::sort(order);
        std::vector<FoundHandover> sorted;
        for (const auto& [errors, i] : order) sorted.push_back(std::move(found_[i]));
        found_ = std::move(sorted);
    }

    const Source& source_;
    const std::optional<PhysAddr> fdt_;
    RamReader read_;
    std::vector<PhysAddr> roots_;
    std::vector<FoundHandover> found_;
};

}  // namespace

std::vector<FoundHandover> find_handovers(const Source& source, std::optional<PhysAddr> fdt) {
    return Finder(source, fdt).run();
}

}  // namespace baton::sim
