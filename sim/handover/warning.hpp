// SPDX-License-Identifier: GPL-2.0-only
// What an observer says about a handover that does not add up: a name that tools can look for, an address, a sentence.
//
// One table: it feeds the output, the documentation (docs/inspect.md is compared with it) and the exit code. An error
// is something that loses or corrupts memory, or that the receiving kernel refuses; a note is legal but worth knowing.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "model/types.hpp"

namespace baton::sim {

enum class WarningId : u32 {
    // what the boot protocol hands over
    kBootRecordMissing,
    kBootRecordMismatch,
    kBootRecordSize,
    kBootListBroken,
    kBootFdtSize,
    // flattened trees
    kFdtAbsent,
    kFdtBroken,
    kFdtVersion,
    kFdtLayout,
    kFdtPadding,
    kFdtSlack,
    kFdtReserveMap,
    kFdtDuplicate,
    kFdtUnknown,
    kFdtUnusedString,
    // the root FDT
    kRootCompatible,
    kRootTooLarge,
    kRootNotPreserved,
    kRootUnaligned,
    kMapMissing,
    kMapSize,
    kMapEmpty,
    // generations
    kGenerationUnknown,
    kGenerationMismatch,
    kBitmapSizeMismatch,
    // chunk list and bitmaps
    kChunkAbsent,
    kChunkUnaligned,
    kChunkLoop,
    kChunkCount,
    kChunkEmpty,
    kChunkOrder,
    kChunkUnordered,
    kChunkJunk,
    kBitmapAbsent,
    kBitmapUnaligned,
    kBitmapWindow,
    kBitmapShared,
    kBitmapEmpty,
    // radix tree
    kNodeAbsent,
    kNodeUnaligned,
    kNodeShared,
    kNodeEmpty,
    kKeyBroken,
    // blocks
    kBlockAddress,
    kBlockDuplicate,
    kBlockOverlap,
    kBlockInScratch,
    kBlockOutsideRam,
    kBlockIntShift,
    kBlocksTooMany,
    kMetadataTooMuch,
    // where metadata lies
    kMetadataInScratch,
    kMetadataOutsideRam,
    kMetadataOverlap,
    kMetadataPreserved,
    // scratch
    kScratchUnknown,
    kScratchAbsent,
    kScratchRagged,
    kScratchCount,
    kScratchUnaligned,
    kScratchEmpty,
    kScratchOverlap,
    kScratchOutsideRam,
    kScratchArrayOutside,
    // subtrees
    kSubtreeAddress,
    kSubtreeSize,
    kSubtreeUnaligned,
    kSubtreeAbsent,
    kSubtreeNotPreserved,
    kReserveMemBroken,
    kReserveMemLimits,
    kReserveMemUnaligned,
    kReserveMemNotPreserved,
    kReserveMemOverlap,
    kVmallocAbsent,
    kVmallocLoop,
    kVmallocFlags,
    kVmallocOrder,
    kVmallocTotal,
    kVmallocJunk,
    kVmallocNotPreserved,
    kTestKhoBroken,
    kTestKhoFolio,
    kTestKhoJunk,
    kTestKhoChecksum,
    kTestKhoEmpty,
    kMetadataBlobBroken,
    // the source
    kSourceTruncated,
    kSourceOverlap,
    kSourcePartial,
    kSeveralHandovers,
    kExpectDiffers,
    kCount,
};

enum class Severity : u32 { kError, kNote };

struct WarningInfo {
    WarningId id;
    Severity severity;
    std::string_view name;
    std::string_view meaning;
};

/// In the order of the enumerators.
extern const std::array<WarningInfo, static_cast<u32>(WarningId::kCount)> kWarnings;

inline const WarningInfo& info(WarningId id) { return kWarnings[static_cast<u32>(id)]; }

struct Warning {
    WarningId id = WarningId::kCount;
    PhysAddr at;  // what it is about
    std::string text;
    bool operator==(const Warning&) const = default;
};

/// Collects warnings. Hostile data can be wrong a million times: of each kind the first kKeptPerId are kept, the rest
/// counted.
class WarningSink {
public:
    static constexpr u32 kKeptPerId = 32;

    void add(WarningId id, PhysAddr at, std::string text);
    bool has(WarningId id) const { return counts_[static_cast<u32>(id)] != 0; }
    /// In the order they came; then, for each kind with more than were kept, one that tells how many.
    std::vector<Warning> take();

private:
    std::vector<Warning> kept_;
    std::array<u64, static_cast<u32>(WarningId::kCount)> counts_{};
};

}  // namespace baton::sim
