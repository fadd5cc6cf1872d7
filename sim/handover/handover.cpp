// SPDX-License-Identifier: GPL-2.0-only
#include "sim/handover/handover.hpp"

#include <fmt/format.h>
#include <libfdt.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "sim/handover/tracker.hpp"

namespace baton::sim {
namespace {

inline constexpr char kMapProperty[] = "preserved-memory-map";
inline constexpr u64 kBlobBytesMax = 2 * kMiB;
inline constexpr u64 kSubtreesMax = 4096;

class Decoder {
public:
    Decoder(const BootHandover& boot, const DecodeOptions& options, const RamReader& read)
        : boot_(boot), options_(options), read_(read) {
        out_.format = options.format;
        out_.format_reason = options.reason;
    }

    Handover run() {
        read_scratch();
        if (read_root()) {
            choose_format();
            read_subtrees();
            read_map();
        }
        for (Warning& w : warnings_.take()) out_.warnings.push_back(std::move(w));
        return std::move(out_);
    }

private:
    void warn(WarningId id, PhysAddr at, std::string text) { warnings_.add(id, at, std::move(text)); }
    const void* root() const { return out_.root_fdt.bytes.data(); }

    void read_scratch() {
        struct Area {
            u64 addr;
            u64 size;
        };
        const u64 bytes = boot_.scratch_bytes;
        if (boot_.scratch.value == 0 && bytes == 0) {
            warn(WarningId::kScratchUnknown, {}, "the scratch areas are not known");
            return;
        }
        if (bytes % sizeof(Area) != 0)
            warn(WarningId::kScratchRagged, boot_.scratch, fmt::format("the scratch array has {} bytes", bytes));
        const u64 count = bytes / sizeof(Area);
        if (count == 0 || count > kScratchAreasMax) {
            warn(WarningId::kScratchCount, boot_.scratch, fmt::format("the scratch array has {} entries", count));
            return;
        }
        std::vector<u8> array(bytes);
        if (!read_(boot_.scratch, array)) {
            warn(WarningId::kScratchAbsent, boot_.scratch,
                 fmt::format("the scratch array at {:#x} is not in memory", boot_.scratch.value));
            return;
        }
        for (u64 i = 0; i < count; ++i) {
            Area area;
            std::memcpy(&area, array.data() + i * sizeof(area), sizeof(area));
            out_.scratch.push_back({{area.addr}, area.size});
        }
        out_.scratch_array = {boot_.scratch, std::move(array)};
    }

    bool read_root() {
        out_.root_fdt.phys = boot_.fdt;
        LoadedTree tree = load_tree(boot_.fdt, kTreeBytesMax, read_);
        if (tree.state != LoadedTree::State::kGood) {
            if (tree.state == LoadedTree::State::kAbsent)
                warn(WarningId::kFdtAbsent, boot_.fdt,
                     fmt::format("no memory at {:#x} for the root FDT", boot_.fdt.value));
            else
                warn(
                    WarningId::kFdtBroken, boot_.fdt,
                    fmt::format("root FDT: {}", tree.state == LoadedTree::State::kNoTree ? tree_error(-FDT_ERR_BADMAGIC)
                                                                                         : tree_error(tree.error)));
            return false;
        }
        out_.root_fdt.bytes = std::move(tree.bytes);
        if (out_.root_fdt.bytes.size() > u64{1} << options_.page_shift)
            warn(WarningId::kRootTooLarge, boot_.fdt,
                 fmt::format("the root FDT has {} bytes, more than a page", out_.root_fdt.bytes.size()));
        lint_tree(out_.root_fdt.bytes, boot_.fdt, "root FDT", warnings_);
        if (const auto compatible = tree_string(root(), 0, "compatible")) out_.compatible = *compatible;
        return true;
    }

    /// By the compatible string; a stated generation decides only between formats that share one.
    void choose_format() {
        const HandoverFormat* by_name = format_with(out_.compatible, 0);
        if (by_name == nullptr)
            warn(WarningId::kRootCompatible, boot_.fdt,
                 fmt::format("the root FDT is compatible with \"{}\"", out_.compatible));
        if (by_name != nullptr && out_.format != nullptr && by_name->compatible != out_.format->compatible) {
            warn(WarningId::kGenerationMismatch, boot_.fdt,
                 fmt::format("generation {} writes \"{}\", the root FDT says \"{}\"", out_.format->generation,
                             out_.format->compatible, by_name->compatible));
            out_.format = nullptr;
        }
        stated_ = out_.format != nullptr;
        if (stated_ || by_name == nullptr) return;
        out_.format = by_name;
        out_.format_reason = "compatible string";
    }

    void read_subtrees() {
        note_unknown(root(), 0, boot_.fdt, {"compatible", kMapProperty}, true, warnings_);
        int node = 0;
        fdt_for_each_subnode(node, root(), 0) {
            if (out_.subtrees.size() == kSubtreesMax) return;
            const PhysAddr at = boot_.fdt + header_of(out_.root_fdt.bytes).off_struct + static_cast<u64>(node);
            read_subtree(node, at);
        }
    }

    void read_subtree(int node, PhysAddr at) {
        const char* name = fdt_get_name(root(), node, nullptr);
        const std::string property{out_.format != nullptr ? out_.format->subtree_property : "fdt"};
        const std::string size_property{out_.format != nullptr ? out_.format->size_property : ""};
        note_unknown(root(), node, at, {property, size_property}, false, warnings_);
        const auto blob = tree_u64(root(), node, property.c_str());
        if (!blob) {
            const int length = tree_length(root(), node, property.c_str());
            warn(WarningId::kSubtreeAddress, at,
                 length < 0 ? fmt::format("subtree {} has no {}", name, property)
                            : fmt::format("{} of subtree {} has {} bytes", property, name, length));
            return;
        }
        HandoverSubtree subtree{name, {*blob}, std::nullopt};
        if (!size_property.empty()) {
            subtree.size = tree_u64(root(), node, size_property.c_str());
            if (!subtree.size)
                warn(WarningId::kSubtreeSize, at, fmt::format("subtree {} has no good {}", name, size_property));
        }
        read_blob(subtree);
        out_.subtrees.push_back(std::move(subtree));
    }

    void read_blob(const HandoverSubtree& subtree) {
        LoadedTree tree = load_tree(subtree.blob, kBlobBytesMax, read_);
        const std::string what = fmt::format("subtree {}", subtree.name);
        switch (tree.state) {
            case LoadedTree::State::kAbsent:
                warn(WarningId::kSubtreeAbsent, subtree.blob,
                     fmt::format("{}: its blob at {:#x} is not in memory", what, subtree.blob.value));
                return;
            case LoadedTree::State::kBroken:
                warn(WarningId::kFdtBroken, subtree.blob, fmt::format("{}: {}", what, tree_error(tree.error)));
                return;
            case LoadedTree::State::kGood:
                lint_tree(tree.bytes, subtree.blob, what, warnings_);
                if (subtree.size && *subtree.size < tree.bytes.size())
                    warn(WarningId::kSubtreeSize, subtree.blob,
                         fmt::format("{} is stated to have {} bytes, its tree has {}", what, *subtree.size,
                                     tree.bytes.size()));
                out_.sub_fdts.push_back({subtree.blob, std::move(tree.bytes)});
                return;
            case LoadedTree::State::kNoTree: break;
        }
        if (!subtree.size) return;
        if (*subtree.size == 0 || *subtree.size > kBlobBytesMax) {
            warn(WarningId::kSubtreeSize, subtree.blob, fmt::format("{} has {:#x} bytes", what, *subtree.size));
            return;
        }
        std::vector<u8> bytes(*subtree.size);
        if (read_(subtree.blob, bytes))
            out_.blobs.push_back({subtree.blob, std::move(bytes)});
        else
            warn(WarningId::kSubtreeAbsent, subtree.blob,
                 fmt::format("{}: its blob at {:#x} is not whole in memory", what, subtree.blob.value));
    }

    void read_map() {
        const int length = tree_length(root(), 0, kMapProperty);
        const auto map = tree_u64(root(), 0, kMapProperty);
        if (length < 0)
            warn(WarningId::kMapMissing, boot_.fdt, fmt::format("the root FDT has no {}", kMapProperty));
        else if (!map)
            warn(WarningId::kMapSize, boot_.fdt, fmt::format("{} has {} bytes, not 8", kMapProperty, length));
        else if (*map == 0)
            warn(WarningId::kMapEmpty, boot_.fdt, fmt::format("{} is 0: nothing is preserved", kMapProperty));
        if (!map || *map == 0 || out_.format == nullptr) return;
        out_.map = {*map};
        if (out_.format->tracker == TrackerKind::kChunks && (!stated_ || options_.doubt))
            walk_both_ways();
        else
            walk(*out_.format, out_, warnings_);
    }

    void walk(const HandoverFormat& format, Handover& out, WarningSink& warnings) const {
        const u64 page = u64{1} << options_.page_shift;
        TrackerJob job{options_.page_shift, format.bitmap_bytes != 0 ? format.bitmap_bytes : page, read_, out,
                       warnings};
        if (format.tracker == TrackerKind::kRadix)
            walk_radix_tree(job, out_.map);
        else
            walk_chunk_list(job, out_.map);
    }

    /// Reads a chunk list with bitmaps of either size. Keeps what the stated generation means, else what makes sense.
    void walk_both_ways() {
        const HandoverFormat& by_512 = *format_with(out_.format->compatible, 512);
        const HandoverFormat& by_page = *format_with(out_.format->compatible, 0);
        Handover small;
        WarningSink small_warnings;
        WarningSink page_warnings;
        small.root_fdt.phys = out_.root_fdt.phys;
        small.scratch = out_.scratch;
        walk(by_512, small, small_warnings);
        walk(by_page, out_, page_warnings);
        const BitmapSizeGuess g = guess_bitmap_size(out_, small, options_.page_shift, options_.ram);
        const bool use_512 = stated_ ? out_.format->bitmap_bytes == 512 : g.bitmap_bytes == 512;
        if (stated_ && g.certain && use_512 != (g.bitmap_bytes == 512))
            warn(WarningId::kBitmapSizeMismatch, out_.map,
                 fmt::format("generation {} has bitmaps of {}, but {}", out_.format->generation,
                             use_512 ? "512 bytes" : "one page", g.reason));
        if (use_512) {
            out_.tracker = std::move(small.tracker);
            out_.bitmaps = std::move(small.bitmaps);
            out_.blocks = std::move(small.blocks);
            out_.pages = small.pages;
        }
        for (Warning& w : (use_512 ? small_warnings : page_warnings).take()) out_.warnings.push_back(std::move(w));
        if (stated_) return;
        const bool edited = header_of(out_.root_fdt.bytes).off_struct == kEditedStructOffset;
        out_.format = use_512 ? &by_512 : edited ? format_named("7.0") : &by_page;
        out_.format_reason = fmt::format("{}{}", g.certain ? "" : "a guess: ", g.reason);
    }

    // Trees that were edited in place and packed, as from 6.19 on, have it there; the sequential writer puts 0x40.
    static constexpr u32 kEditedStructOffset = 0x38;

    const BootHandover& boot_;
    const DecodeOptions& options_;
    const RamReader& read_;
    WarningSink warnings_;
    Handover out_;
    bool stated_ = false;
};

}  // namespace

Handover decode_handover(const BootHandover& boot, const DecodeOptions& options, const RamReader& read) {
    return Decoder(boot, options, read).run();
}

Handover read_handover(const BootHandover& boot, const Geometry& g, const Rules& rules, const RamReader& read) {
    const u32 bitmap_bytes = rules.bitmap_bytes == g.page_size() ? 0 : rules.bitmap_bytes;
    const DecodeOptions options{.page_shift = g.page_shift,
                                .format = format_with(rules.compatible, bitmap_bytes),
                                .reason = "the kernel's own",
                                .ram = {}};
    return decode_handover(boot, options, read);
}

}  // namespace baton::sim
