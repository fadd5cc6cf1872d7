// SPDX-License-Identifier: GPL-2.0-only
// Metadata has files of its own, named for what they are, as in captures of real kernels; the rest of what is preserved
// follows in runs. A byte is in one file: a piece that begins in another's memory begins where that ends.
#include "sim/capture/export_plan.hpp"

#include <fmt/format.h>
#include <libfdt.h>

#include <algorithm>
#include <map>

#include "model/bits.hpp"
#include "model/boot/x86_64/boot_params.hpp"
#include "model/kho/abi.hpp"
#include "sim/handover/audit.hpp"
#include "sim/input_error.hpp"

namespace baton::sim {
namespace {

inline constexpr u32 kSetupNodesMax = 64;

/// Disjoint ranges by their start, each with its file.
class Segments {
public:
    /// The parts of `range` that no earlier piece has.
    void add(PhysRange range, const std::string& what) {
        PhysAddr from = range.start;
        auto next = taken_.upper_bound(range.start);
        if (next != taken_.begin()) from = std::max(from, std::prev(next)->second.range.end());
        while (from < range.end()) {
            const PhysAddr to = next == taken_.end() ? range.end() : std::min(range.end(), next->first);
            if (from < to) taken_[from] = {{from, to - from}, fmt::format("{}_{:#x}.bin", what, from.value)};
            if (next == taken_.end()) return;
            from = next->second.range.end();
            ++next;
        }
    }
    std::vector<PlannedSegment> list() const {
        std::vector<PlannedSegment> out;
        out.reserve(taken_.size());
        for (const auto& [start, segment] : taken_) out.push_back(segment);
        return out;
    }

private:
    std::map<PhysAddr, PlannedSegment> taken_;
};

template <class T>
T load(const HandoverToExport& h, PhysAddr at, const char* what) {
    T value{};
    if (!h.read(at, {reinterpret_cast<u8*>(&value), sizeof(value)}))
        throw InputError(h.name, fmt::format("the {} at {:#x} is not in RAM", what, at.value));
    return value;
}

/// Names go into file names: what is no letter, digit, '-' or '.' becomes '_'.
std::string file_word(std::string_view name) {
    std::string out(name.substr(0, 64));
    for (char& c : out) {
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
        if (!plain) c = '_';
    }
    return out;
}

void plan_zero_page(const HandoverToExport& h, Segments& to, PlannedBoot& boot) {
    const auto params = load<boot::BootParams>(h, h.argument, "zero page");
    boot.command_line = {u64{params.ext_cmd_line_ptr} << 32 | params.header.cmd_line_ptr};
    if (boot.command_line.value != 0) {
        for (u64 i = 0; i < boot::kCommandLineSizeMax; ++i) {
            const char c = load<char>(h, boot.command_line + i, "command line");
            if (c == '\0') break;
            boot.command_line_text += c;
        }
        to.add({boot.command_line, boot.command_line_text.size() + 1}, "cmdline");
    }
    // From the KHO node on: the seed in front of it is for one kernel only.
    boot.setup_data = h.boot.record_at;
    PhysAddr at = boot.setup_data;
    for (u32 i = 0; i < kSetupNodesMax && at.value != 0; ++i) {
        const auto node = load<boot::SetupData>(h, at, "setup_data node");
        to.add({at, sizeof(node) + u64{node.len}}, fmt::format("setup_data{}_type{}", i, node.type));
        at = node.next;
    }
}

void plan_tree(const HandoverToExport& h, PlannedBoot& boot) {
    const u64 bytes = fdt32_to_cpu(load<fdt32_t>(h, h.argument + 4, "device tree"));
    if (bytes < sizeof(fdt_header) || bytes > 2 * kMiB)
        throw InputError(h.name, fmt::format("a device tree of {} bytes", bytes));
    boot.tree.resize(bytes);
    if (!h.read(h.argument, boot.tree) || fdt_check_full(boot.tree.data(), bytes) != 0)
        throw InputError(h.name, fmt::format("no sound device tree lies at {:#x}", h.argument.value));
    const int chosen = fdt_path_offset(boot.tree.data(), "/chosen");
    int length = 0;
    const auto* line =
        chosen < 0 ? nullptr : static_cast<const char*>(fdt_getprop(boot.tree.data(), chosen, "bootargs", &length));
    if (line != nullptr) boot.command_line_text.assign(line, strnlen(line, static_cast<std::size_t>(length)));
}

std::vector<PhysRange> runs_of(const Handover& handover, const Geometry& g) {
    std::vector<PhysRange> blocks;
    blocks.reserve(handover.blocks.size());
    for (const HandoverBlock& b : handover.blocks) {
        const PhysRange block{b.phys, shl(1, b.order.value + g.page_shift)};
        if (block.end() > block.start)
            blocks.push_back(block);  // what a broken bitmap says beyond the end is no memory
    }
    std::ranges::sort(blocks, {}, &PhysRange::start);
    std::vector<PhysRange> runs;
    for (const PhysRange& b : blocks) {
        if (!runs.empty() && b.start <= runs.back().end())
            runs.back().size = std::max(runs.back().end(), b.end()) - runs.back().start;
        else
            runs.push_back(b);
    }
    return runs;
}

}  // namespace

ExportPlan plan_export(const HandoverToExport& h) {
    const Geometry& g = geometry_of(h.geometry);
    ExportPlan plan;
    Segments segments;
    const std::vector<PhysRange> runs = runs_of(h.handover, g);
    // A blob that has preserved pages to itself is kept with all of them, as a kernel's own captures do.
    const auto whole = [&](PhysRange piece) {
        const PhysAddr start = align_down(piece.start, g.page_size());
        const PhysRange pages{start, align_up(piece.end(), g.page_size()) - start};
        const bool kept = std::ranges::any_of(runs, [&](const PhysRange& run) { return run.contains(pages); });
        return kept ? pages : piece;
    };
    for (const MetadataPiece& p : metadata_of(h.handover, {}, g.page_shift))
        segments.add(whole(p.range), file_word(p.what));
    segments.add({h.handover.scratch_array.phys, h.handover.scratch_array.bytes.size()}, "scratch_array");
    if (g.isa == Isa::kX86_64)
        plan_zero_page(h, segments, plan.boot);
    else
        plan_tree(h, plan.boot);
    for (const PhysRange& run : runs) segments.add(run, "preserved");
    plan.segments = segments.list();
    return plan;
}

}  // namespace baton::sim
