// SPDX-License-Identifier: GPL-2.0-only
#include "sim/ownership/departure.hpp"

#include <algorithm>
#include <initializer_list>

#include "sim/handover/coverage.hpp"
#include "sim/ownership/read_list.hpp"

namespace baton::sim {
namespace {

/// Owners as a set of bits.
using OwnerSet = u32;
constexpr OwnerSet owners_of(std::initializer_list<Owner> owners) {
    OwnerSet set = 0;
    for (const Owner o : owners) set |= OwnerSet{1} << static_cast<u32>(o);
    return set;
}
constexpr bool has(OwnerSet set, Owner o) { return (set >> static_cast<u32>(o) & 1) != 0; }
static_assert(static_cast<u32>(Owner::kCount) <= 32);

constexpr OwnerSet kAnyKnown = ~OwnerSet{0};
/// Whatever RAM says lies above is nobody's.
constexpr u64 kKnownEnd = OwnershipMap::kFrames << kFrameShift;

Coverage pages_of(const std::vector<PhysAddr>& pages, u64 page_size) {
    std::vector<PhysRange> ranges;
    ranges.reserve(pages.size());
    for (const PhysAddr p : pages)
        if (p.value < kKnownEnd) ranges.push_back({p, page_size});
    return Coverage(std::move(ranges));
}

class Comparison {
public:
    explicit Comparison(const OwnershipMap& owners) : owners_(owners) {}

    /// Every frame of the range must be one of these owners'.
    void expect(PhysRange range, OwnerSet allowed, Reading reading) {
        for (const OwnedRun& run : owners_.runs(range))
            if (!has(allowed, run.owner)) fault(run, reading);
    }
    void expect(const Coverage& coverage, Owner owner, Reading reading) {
        for (const PhysRange& r : coverage.ranges())
            if (!owners_.all(r, owner)) expect(r, owners_of({owner}), reading);
    }
    /// Every frame of the owner must be in one of these ranges.
    void bear_out(Owner owner, const Coverage& coverage, Reading reading) {
        u64 named = 0;
        for (const PhysRange& r : coverage.ranges()) named += frames_of(owner, r);
        if (named == owners_.count(owner)) return;
        for (const OwnedRun& run : owners_.runs())
            if (run.owner == owner) outside(run, coverage, reading);
    }
    std::vector<ClaimFault> take() { return std::move(faults_); }

private:
    u64 frames_of(Owner owner, PhysRange r) const {
        if (owners_.all(r, owner)) return ((r.end() - 1).value >> kFrameShift) - (r.start.value >> kFrameShift) + 1;
        u64 frames = 0;
        for (const OwnedRun& run : owners_.runs(r))
            if (run.owner == owner) frames += run.range.size >> kFrameShift;
        return frames;
    }
    /// The parts of a run that are not covered.
    void outside(const OwnedRun& run, const Coverage& coverage, Reading reading) {
        PhysAddr at = run.range.start;
        const auto& ranges = coverage.ranges();
        auto r = std::ranges::upper_bound(ranges, at, {}, [](const PhysRange& c) { return c.end(); });
        for (; r != ranges.end() && r->start < run.range.end(); ++r) {
            if (at < r->start) fault({{at, r->start - at}, run.owner}, reading);
            at = r->end();
        }
        if (at < run.range.end()) fault({{at, run.range.end() - at}, run.owner}, reading);
    }
    void fault(const OwnedRun& run, Reading reading) {
        if (!faults_.empty()) {
            ClaimFault& last = faults_.back();
            if (last.reading == reading && last.recorded == run.owner && last.range.end() == run.range.start) {
                last.range.size += run.range.size;
                return;
            }
        }
        faults_.push_back(
            {.kind = ClaimFault::Kind::kBytes, .range = run.range, .recorded = run.owner, .reading = reading});
    }

    const OwnershipMap& owners_;
    std::vector<ClaimFault> faults_;
};

/// Destinations, but for pages that are used in place: those are their own sources.
Coverage destinations(const EntryList& list, u64 page_size) {
    std::vector<PhysRange> ranges;
    for (const ListCopy& c : list.copies) {
        if (c.from == c.to || c.to.value >= kKnownEnd) continue;
        if (!ranges.empty() && ranges.back().end() == c.to)
            ranges.back().size += page_size;
        else
            ranges.push_back({c.to, page_size});
    }
    return Coverage(std::move(ranges));
}

Coverage both(const Coverage& a, const Coverage& b) {
    std::vector<PhysRange> ranges(a.ranges().begin(), a.ranges().end());
    ranges.insert(ranges.end(), b.ranges().begin(), b.ranges().end());
    return Coverage(std::move(ranges));
}

u32 levels_of_idmap(const Geometry& g) { return (48 - g.page_shift + g.page_shift - 4) / (g.page_shift - 3); }

/// A page, or what of it is in use: an object that shares its page with others is the kernel's.
PhysRange whole_page(PhysAddr at, u64 bytes, u64 page_size) {
    const PhysAddr start{at.value & ~(page_size - 1)};
    return {start, ((at + bytes) - start + page_size - 1) & ~(page_size - 1)};
}

}  // namespace

std::vector<ClaimFault> compare_departure(const Departure& d) {
    const u64 page = d.geometry.page_size();
    const Isa isa = d.geometry.isa;
    Comparison compare(d.owners);

    const EntryList list = read_entry_list(d.memory, isa, page, d.jump.head);
    std::vector<PhysAddr> from;
    from.reserve(list.copies.size());
    for (const ListCopy& c : list.copies) from.push_back(c.from);
    const Coverage sources = pages_of(from, page);
    const Coverage list_pages = pages_of(list.pages, page);
    compare.expect(sources, Owner::kImageSource, Reading::kListReads);
    compare.expect(list_pages, Owner::kImageList, Reading::kListPage);
    const OwnerSet lost = owners_of({Owner::kImageSource, Owner::kImageList, Owner::kControl, Owner::kPreserved,
                                     Owner::kHandoverMetadata, Owner::kMmio});
    const Coverage written = destinations(list, page);
    for (const PhysRange& r : written.ranges()) compare.expect(r, kAnyKnown & ~lost, Reading::kListWrites);

    const Coverage pages = pages_of({d.jump.control_page, d.jump.swap_page}, page);
    compare.expect({d.jump.control_page, page}, owners_of({Owner::kControl}), Reading::kControlPage);
    compare.expect({d.jump.swap_page, page}, owners_of({Owner::kControl}), Reading::kSwapPage);
    std::vector<PhysAddr> tables = table_pages(d.memory, isa, d.geometry.page_shift, d.geometry.levels, d.jump.root);
    const u32 idmap_levels = isa == Isa::kX86_64 ? 0 : levels_of_idmap(d.geometry);
    for (const PhysAddr t : table_pages(d.memory, isa, d.geometry.page_shift, idmap_levels, d.jump.idmap_root))
        tables.push_back(t);
    const Coverage kexec_tables = pages_of(tables, page);
    for (const PhysRange& r : kexec_tables.ranges())
        compare.expect(r, owners_of({Owner::kControl, Owner::kPageTables}), Reading::kKexecTable);
    const Coverage kernel_tables =
        pages_of(table_pages(d.memory, isa, d.geometry.page_shift, d.geometry.levels, d.root), page);
    compare.expect(kernel_tables, Owner::kPageTables, Reading::kKernelTable);

    compare.bear_out(Owner::kImageSource, sources, Reading::kNotRead);
    compare.bear_out(Owner::kImageList, list_pages, Reading::kNotListed);
    compare.bear_out(Owner::kControl, both(pages, kexec_tables), Reading::kNotUsed);
    compare.bear_out(Owner::kPageTables, both(kernel_tables, kexec_tables), Reading::kNotWalked);
    return compare.take();
}

std::vector<ClaimFault> compare_handover(const OwnershipMap& owners, const Geometry& g, const Handover& handover) {
    const u64 page = g.page_size();
    Comparison compare(owners);
    std::vector<PhysRange> ranges;
    ranges.reserve(handover.blocks.size());
    for (const HandoverBlock& b : handover.blocks)
        if (b.phys.value < kKnownEnd) ranges.push_back({b.phys, g.bytes_of(b.order)});
    const Coverage blocks(std::move(ranges));
    compare.expect(blocks, Owner::kPreserved, Reading::kTrackerBlock);

    constexpr OwnerSet kMetadata = owners_of({Owner::kHandoverMetadata, Owner::kPreserved});
    const auto metadata = [&](const HandoverPiece& piece) {
        const bool object = piece.bytes.size() < page && &piece != &handover.root_fdt;
        compare.expect(whole_page(piece.phys, piece.bytes.size(), page),
                       object ? kMetadata | owners_of({Owner::kKernel}) : kMetadata, Reading::kTrackerPage);
    };
    if (!handover.root_fdt.bytes.empty()) metadata(handover.root_fdt);
    for (const HandoverPiece& piece : handover.tracker) metadata(piece);
    for (const HandoverPiece& piece : handover.sub_fdts)
        compare.expect(whole_page(piece.phys, piece.bytes.size(), page), kMetadata, Reading::kTrackerPage);

    constexpr OwnerSet kStays = owners_of({Owner::kPreserved, Owner::kHandoverMetadata});
    for (const PhysRange& area : handover.scratch)
        if (area.start.value < kPhysEnd && area.size < kPhysEnd)
            compare.expect(area, kAnyKnown & ~kStays, Reading::kScratchArea);
    compare.bear_out(Owner::kPreserved, blocks, Reading::kNotHandedOver);
    return compare.take();
}

}  // namespace baton::sim
