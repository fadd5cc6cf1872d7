// SPDX-License-Identifier: GPL-2.0-only
#include "sim/handover/audit.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace baton::sim {
namespace {

inline constexpr u32 kIntBits = 31;  // a size of 1 << 31 does not fit an int

/// [start, start + size), clipped where it would wrap.
PhysRange clipped(PhysAddr start, u64 size) {
    if (start.value >= kPhysEnd) return {start, 0};
    return {start, std::min(size, kPhysEnd - start.value)};
}

class Audit {
public:
    Audit(const AuditInput& input, WarningSink& warnings)
        : in_(input), h_(input.handover), warnings_(warnings), ram_(std::vector(input.ram.begin(), input.ram.end())) {
        std::vector<PhysRange> areas;
        for (const PhysRange& s : h_.scratch) areas.push_back(clipped(s.start, s.size));
        scratch_ = Coverage(std::move(areas));
    }

    void run() {
        scratch();
        blocks();
        roots();
        metadata();
    }

private:
    void warn(WarningId id, PhysAddr at, std::string text) { warnings_.add(id, at, std::move(text)); }
    u64 page() const { return u64{1} << in_.page_shift; }
    bool outside_ram(const PhysRange& r) const { return !ram_.empty() && !ram_.covers(r); }

    void scratch() {
        std::vector<PhysRange> sorted;
        for (const PhysRange& s : h_.scratch) {
            if (s.size == 0) {
                warn(WarningId::kScratchEmpty, s.start,
                     fmt::format("scratch area at {:#x} has no bytes", s.start.value));
                continue;
            }
            if (s.start.value % page() != 0 || s.size % page() != 0)
                warn(WarningId::kScratchUnaligned, s.start,
                     fmt::format("scratch area [{:#x}, +{:#x})", s.start.value, s.size));
            if (s.start.value >= kPhysEnd || s.size > kPhysEnd - s.start.value || outside_ram(s)) {
                warn(WarningId::kScratchOutsideRam, s.start,
                     fmt::format("scratch area [{:#x}, +{:#x}) is not in RAM", s.start.value, s.size));
            }
            sorted.push_back(s);
        }
        std::ranges::sort(sorted, {}, &PhysRange::start);
        for (u64 i = 1; i < sorted.size(); ++i)
            if (sorted[i].start - sorted[i - 1].start < sorted[i - 1].size)
                warn(WarningId::kScratchOverlap, sorted[i].start,
                     fmt::format("scratch areas at {:#x} and {:#x} overlap", sorted[i - 1].start.value,
                                 sorted[i].start.value));
        const HandoverPiece& array = h_.scratch_array;
        if (in_.array_is_segment && !array.bytes.empty() && !scratch_.covers({array.phys, array.bytes.size()}))
            warn(WarningId::kScratchArrayOutside, array.phys,
                 fmt::format("the scratch array at {:#x} is in no scratch area", array.phys.value));
    }

    void blocks() {
        std::vector<HandoverBlock> sorted = h_.blocks;
        if (!std::ranges::is_sorted(sorted)) std::ranges::sort(sorted);
        PhysAddr end{0};
        for (u64 i = 0; i < sorted.size(); ++i) {
            const HandoverBlock& b = sorted[i];
            const PhysRange r{b.phys, page() << b.order.value};
            if (i != 0 && b == sorted[i - 1])
                warn(WarningId::kBlockDuplicate, b.phys, block_text(b) + " is listed twice");
            else if (b.phys < end)
                warn(WarningId::kBlockOverlap, b.phys, block_text(b) + " overlaps a block before it");
            end = std::max(end, r.end());
            if (scratch_.touches(r)) warn(WarningId::kBlockInScratch, b.phys, block_text(b) + " is in scratch");
            if (outside_ram(r)) warn(WarningId::kBlockOutsideRam, b.phys, block_text(b) + " is not in RAM");
            if (b.order.value + in_.page_shift >= kIntBits)
                warn(WarningId::kBlockIntShift, b.phys, block_text(b) + " has a size that no int holds");
        }
    }
    static std::string block_text(const HandoverBlock& b) {
        return fmt::format("block {:#x} of order {}", b.phys.value, b.order.value);
    }

    void roots() {
        if (h_.root_fdt.bytes.empty()) return;
        const PhysAddr root = h_.root_fdt.phys;
        if (root.value % page() != 0)
            warn(WarningId::kRootUnaligned, root, fmt::format("the root FDT lies at {:#x}", root.value));
        if (!in_.preserved.covers({root, page()}))
            warn(WarningId::kRootNotPreserved, root, fmt::format("the root FDT at {:#x} is not preserved", root.value));
        for (const HandoverSubtree& s : h_.subtrees) {
            if (s.blob.value % page() != 0)
                warn(WarningId::kSubtreeUnaligned, s.blob,
                     fmt::format("the blob of {} lies at {:#x}", s.name, s.blob.value));
            const PhysRange r = clipped(s.blob, blob_bytes(s));
            if (r.size == 0 || !in_.preserved.covers(r))
                warn(WarningId::kSubtreeNotPreserved, s.blob,
                     fmt::format("the blob of {} at {:#x} is not preserved", s.name, s.blob.value));
        }
    }
    u64 blob_bytes(const HandoverSubtree& s) const {
        for (const HandoverPiece& p : h_.sub_fdts)
            if (p.phys == s.blob) return std::max<u64>(p.bytes.size(), s.size.value_or(0));
        return std::max<u64>(s.size.value_or(1), 1);
    }

    void metadata() {
        std::vector<MetadataPiece> pieces = metadata_of(h_, in_.users, in_.page_shift);
        for (const MetadataPiece& p : pieces) {
            if (scratch_.touches(p.range))
                warn(WarningId::kMetadataInScratch, p.range.start,
                     fmt::format("{} at {:#x} is in scratch", p.what, p.range.start.value));
            if (outside_ram(p.range))
                warn(WarningId::kMetadataOutsideRam, p.range.start,
                     fmt::format("{} at {:#x} is not in RAM", p.what, p.range.start.value));
        }
        for (const HandoverPiece& p : h_.tracker)
            if (in_.preserved.touches(clipped(p.phys, p.bytes.size())))
                warn(WarningId::kMetadataPreserved, p.phys,
                     fmt::format("the tracker's page at {:#x} is in a preserved block", p.phys.value));
        std::ranges::stable_sort(pieces, {}, [](const MetadataPiece& p) { return p.range.start; });
        for (u64 i = 1; i < pieces.size(); ++i)
            if (pieces[i].range.start < pieces[i - 1].range.end())
                warn(WarningId::kMetadataOverlap, pieces[i].range.start,
                     fmt::format("{} at {:#x} and {} at {:#x} share memory", pieces[i - 1].what,
                                 pieces[i - 1].range.start.value, pieces[i].what, pieces[i].range.start.value));
    }

    const AuditInput& in_;
    const Handover& h_;
    WarningSink& warnings_;
    Coverage ram_;
    Coverage scratch_;
};

}  // namespace

std::vector<MetadataPiece> metadata_of(const Handover& h, const HandoverUsers& users, u32 page_shift) {
    std::vector<MetadataPiece> out;
    const u64 page = u64{1} << page_shift;
    if (!h.root_fdt.bytes.empty()) out.push_back({"root FDT", clipped(h.root_fdt.phys, page)});
    for (const HandoverSubtree& s : h.subtrees) {
        u64 bytes = s.size.value_or(0);
        for (const HandoverPiece& p : h.sub_fdts)
            if (p.phys == s.blob) bytes = std::max<u64>(bytes, p.bytes.size());
        if (bytes != 0) out.push_back({"subtree " + s.name, clipped(s.blob, bytes)});
    }
    const bool radix = h.format != nullptr && h.format->tracker == TrackerKind::kRadix;
    u64 bitmap = 0;
    for (const HandoverPiece& p : h.tracker) {
        const bool is_bitmap = bitmap < h.bitmaps.size() && h.bitmaps[bitmap].phys == p.phys;
        if (is_bitmap) ++bitmap;
        out.push_back({radix       ? (is_bitmap ? "radix leaf" : "radix node")
                       : is_bitmap ? "bitmap"
                                   : "chunk",
                       clipped(p.phys, p.bytes.size())});
    }
    if (users.test_kho)
        for (PhysAddr chunk : users.test_kho->area.chunks) out.push_back({"vmalloc chunk", clipped(chunk, page)});
    return out;
}

Coverage coverage_of(const std::vector<HandoverBlock>& blocks, u32 page_shift) {
    std::vector<PhysRange> ranges;
    ranges.reserve(blocks.size());
    for (const HandoverBlock& b : blocks) ranges.push_back({b.phys, u64{1} << (b.order.value + page_shift)});
    return Coverage(std::move(ranges));
}

void audit_handover(const AuditInput& input, WarningSink& warnings) { Audit(input, warnings).run(); }

}  // namespace baton::sim
