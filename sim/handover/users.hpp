// SPDX-License-Identifier: GPL-2.0-only
// What the subtrees of a handover say: reserve_mem regions, upstream's test_kho, kexec-metadata, vmalloc areas.
// Formats: specs/kho.md §2.5, §2.7, §2.10, §7, and the captures.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sim/handover/coverage.hpp"
#include "sim/handover/handover.hpp"

namespace baton::sim {

struct ReservedRegion {
    std::string name;
    PhysAddr start;
    u64 size = 0;
    bool operator==(const ReservedRegion&) const = default;
};

/// A vmalloc descriptor and what its chunks list.
struct VmallocArea {
    PhysAddr first;
    u32 total_pages = 0;
    u16 flags = 0;
    u16 order = 0;
    std::vector<PhysAddr> chunks;
    std::vector<PhysAddr> runs;  // heads of runs of 1 << order pages
    bool whole = false;          // the chunks could be read and hold as many runs as it says
    bool operator==(const VmallocArea&) const = default;
};

struct TestKho {
    enum class Checksum : u32 { kUnknown, kGood, kBad };
    u32 magic = 0;
    u32 folios_stated = 0;
    u32 checksum = 0;
    Checksum checked = Checksum::kUnknown;  // unknown: not all contents are there
    VmallocArea area;                       // that holds the list of folios
    std::vector<HandoverBlock> folios;
    bool operator==(const TestKho&) const = default;
};

struct KexecMetadata {
    u32 version = 0;
    std::string previous_release;
    u32 kexec_count = 0;
    bool operator==(const KexecMetadata&) const = default;
};

struct HandoverUsers {
    std::vector<ReservedRegion> reserve_mem;  // in the order of the subtree
    std::optional<TestKho> test_kho;
    std::optional<KexecMetadata> metadata;
    bool operator==(const HandoverUsers&) const = default;
};

/// `preserved` covers the blocks of `handover`. Checksums of contents are made only when `contents` is set: it reads
/// all of test_kho's folios.
HandoverUsers read_users(const Handover& handover, u32 page_shift, const Coverage& preserved, bool contents,
                         const RamReader& read, WarningSink& warnings);

/// Linux's csum_partial over `bytes`, added to `sum`, folded to 16 bits: what it leaves in 32 bits differs from
/// architecture to architecture, the fold does not.
u16 fold_checksum(std::span<const u8> bytes, u32 sum);

}  // namespace baton::sim
