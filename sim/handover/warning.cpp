// SPDX-License-Identifier: GPL-2.0-only
#include "sim/handover/warning.hpp"

#include <fmt/format.h>

#include <utility>

namespace baton::sim {
namespace {

using enum WarningId;
using enum Severity;

constexpr std::array<WarningInfo, static_cast<u32>(kCount)> kTable = {{
    {kBootRecordMissing, kError, "boot-record-missing",
     "the boot protocol's data is there, and holds no handover: the next kernel boots cold"},
    {kBootRecordMismatch, kError, "boot-record-mismatch",
     "the boot protocol hands over other addresses or sizes than were stated"},
    {kBootRecordSize, kError, "boot-record-size", "the setup_data node or /chosen property has the wrong length"},
    {kBootListBroken, kError, "boot-list-broken", "the setup_data list leaves memory or does not end"},
    {kBootFdtSize, kError, "boot-fdt-size", "the size handed over with the root FDT is not the page size"},
    {kFdtAbsent, kError, "fdt-absent", "there is no memory where the root FDT should be"},
    {kFdtBroken, kError, "fdt-broken", "libfdt refuses the tree"},
    {kFdtVersion, kError, "fdt-version", "the header's versions or boot CPU are not what any kernel writes"},
    {kFdtLayout, kError, "fdt-layout", "the tree's blocks overlap or are misplaced"},
    {kFdtPadding, kError, "fdt-padding", "padding between blocks, after names or after values is not zero"},
    {kFdtSlack, kNote, "fdt-slack", "the tree is larger than its content: it was not packed"},
    {kFdtReserveMap, kError, "fdt-reserve-map", "the tree has memory reservations, which no handover has"},
    {kFdtDuplicate, kError, "fdt-duplicate", "a node has two properties, or two children, of one name"},
    {kFdtUnknown, kNote, "fdt-unknown", "a property or node that no known kernel writes"},
    {kFdtUnusedString, kNote, "fdt-unused-string", "the strings block holds characters that no property uses"},
    {kRootCompatible, kError, "root-compatible", "the root FDT's compatible string is missing or of no known version"},
    {kRootTooLarge, kError, "root-too-large", "the root FDT is larger than a page"},
    {kRootNotPreserved, kError, "root-not-preserved", "the page of the root FDT is not among the preserved blocks"},
    {kRootUnaligned, kError, "root-unaligned", "the root FDT does not begin a page"},
    {kMapMissing, kError, "map-missing", "the root FDT has no preserved-memory-map"},
    {kMapSize, kError, "map-size", "preserved-memory-map is not 8 bytes long"},
    {kMapEmpty, kError, "map-empty", "preserved-memory-map is 0: nothing protects what was preserved"},
    {kGenerationUnknown, kNote, "generation-unknown", "the stated generation is not one that is known here"},
    {kGenerationMismatch, kError, "generation-mismatch", "the stated generation has another compatible string"},
    {kBitmapSizeMismatch, kError, "bitmap-size-mismatch",
     "the bitmaps look like those of the other size that kho-v1 has"},
    {kChunkAbsent, kError, "chunk-absent", "there is no memory where a chunk should be"},
    {kChunkUnaligned, kError, "chunk-unaligned", "a chunk does not begin a page"},
    {kChunkLoop, kError, "chunk-loop", "the chunk list comes back to itself"},
    {kChunkCount, kError, "chunk-count", "a chunk has more entries than a page holds"},
    {kChunkEmpty, kNote, "chunk-empty", "a chunk has no entries"},
    {kChunkOrder, kError, "chunk-order", "a chunk's order is larger than memory"},
    {kChunkUnordered, kError, "chunk-unordered", "orders or addresses do not ascend along the chunk list"},
    {kChunkJunk, kError, "chunk-junk", "a chunk is not zero behind its last entry"},
    {kBitmapAbsent, kError, "bitmap-absent", "there is no memory where a bitmap should be"},
    {kBitmapUnaligned, kError, "bitmap-unaligned", "a bitmap is not aligned to its size"},
    {kBitmapWindow, kError, "bitmap-window", "a bitmap's window does not begin at a multiple of its span"},
    {kBitmapShared, kError, "bitmap-shared", "two entries name one bitmap; the blocks of the first are listed"},
    {kBitmapEmpty, kNote, "bitmap-empty", "a bitmap without a bit set"},
    {kNodeAbsent, kError, "node-absent", "there is no memory where a radix node should be"},
    {kNodeUnaligned, kError, "node-unaligned", "a radix node does not begin a page"},
    {kNodeShared, kError, "node-shared", "a radix node has two parents, or is its own descendant"},
    {kNodeEmpty, kNote, "node-empty", "a radix node with nothing below it"},
    {kKeyBroken, kError, "key-broken", "a radix key has no valid order: its marker bit is missing or too high"},
    {kBlockAddress, kError, "block-address", "a block ends above the highest physical address"},
    {kBlockDuplicate, kError, "block-duplicate", "a block is listed twice"},
    {kBlockOverlap, kError, "block-overlap", "two blocks overlap"},
    {kBlockInScratch, kError, "block-in-scratch", "a block lies in scratch, where the next kernel puts its own data"},
    {kBlockOutsideRam, kError, "block-outside-ram", "a block is not in RAM"},
    {kBlockIntShift, kNote, "block-int-shift",
     "a block of 2 GiB or more: kernels that compute its size as an int reserve everything above it"},
    {kBlocksTooMany, kError, "blocks-too-many", "more blocks than are looked at; the rest is left out"},
    {kMetadataTooMuch, kError, "metadata-too-much", "more metadata than is looked at; the rest is left out"},
    {kMetadataInScratch, kError, "metadata-in-scratch", "metadata lies in scratch, where relocation overwrites it"},
    {kMetadataOutsideRam, kError, "metadata-outside-ram", "metadata is not in RAM"},
    {kMetadataOverlap, kError, "metadata-overlap", "two pieces of metadata share memory"},
    {kMetadataPreserved, kNote, "metadata-preserved", "a page of the tracker lies in a preserved block"},
    {kScratchUnknown, kNote, "scratch-unknown", "the scratch areas are neither stated nor found"},
    {kScratchAbsent, kError, "scratch-absent", "there is no memory where the scratch array should be"},
    {kScratchRagged, kError, "scratch-ragged", "the scratch array is not a whole number of entries"},
    {kScratchCount, kError, "scratch-count", "the scratch array is empty or absurdly long"},
    {kScratchUnaligned, kError, "scratch-unaligned", "a scratch area is not made of whole pages"},
    {kScratchEmpty, kNote, "scratch-empty", "a scratch area of size 0: a default scale's global area may be one"},
    {kScratchOverlap, kError, "scratch-overlap", "two scratch areas overlap"},
    {kScratchOutsideRam, kError, "scratch-outside-ram", "a scratch area is not in RAM"},
    {kScratchArrayOutside, kError, "scratch-array-outside", "the scratch array is a segment, and not in scratch"},
    {kSubtreeAddress, kError, "subtree-address", "a subtree has no address, or one of the wrong length"},
    {kSubtreeSize, kError, "subtree-size", "a subtree's size is missing, of the wrong length, or not its blob's"},
    {kSubtreeUnaligned, kNote, "subtree-unaligned", "a subtree's blob does not begin a page"},
    {kSubtreeAbsent, kNote, "subtree-absent", "a subtree's blob is not in the source"},
    {kSubtreeNotPreserved, kError, "subtree-not-preserved", "a subtree's blob is not among the preserved blocks"},
    {kReserveMemBroken, kError, "reserve-mem-broken", "the memblock subtree does not describe its regions"},
    {kReserveMemLimits, kNote, "reserve-mem-limits", "more regions, or a longer name, than reserve_mem= can make"},
    {kReserveMemUnaligned, kError, "reserve-mem-unaligned", "a region is empty or not made of whole pages"},
    {kReserveMemNotPreserved, kError, "reserve-mem-not-preserved", "a region is not covered by preserved blocks"},
    {kReserveMemOverlap, kError, "reserve-mem-overlap", "two regions overlap"},
    {kVmallocAbsent, kNote, "vmalloc-absent", "a vmalloc chunk is not in the source"},
    {kVmallocLoop, kError, "vmalloc-loop", "the chunks of a vmalloc area come back to themselves"},
    {kVmallocFlags, kError, "vmalloc-flags", "a vmalloc descriptor has unknown flags"},
    {kVmallocOrder, kError, "vmalloc-order", "a vmalloc descriptor's order is larger than memory"},
    {kVmallocTotal, kError, "vmalloc-total", "the runs of a vmalloc area are not as many as it says"},
    {kVmallocJunk, kError, "vmalloc-junk", "a vmalloc chunk is not zero behind its last run"},
    {kVmallocNotPreserved, kError, "vmalloc-not-preserved", "a run or chunk of a vmalloc area is not preserved"},
    {kTestKhoBroken, kError, "test-kho-broken", "the kho_test subtree does not describe its folios"},
    {kTestKhoFolio, kError, "test-kho-folio", "a folio of test_kho is not preserved with its order"},
    {kTestKhoJunk, kNote, "test-kho-junk",
     "test_kho's list is not zero behind its last folio (vmalloc memory need not be)"},
    {kTestKhoChecksum, kError, "test-kho-checksum", "the folios' contents do not have test_kho's checksum"},
    {kTestKhoEmpty, kNote, "test-kho-empty",
     "the folios of test_kho are all zero: the source leaves their contents out, or they were lost"},
    {kMetadataBlobBroken, kError, "kexec-metadata-broken", "the kexec-metadata blob is not one of version 1"},
    {kSourceTruncated, kError, "source-truncated", "the dump ends before the memory that it announces"},
    {kSourceOverlap, kNote, "source-overlap", "the dump holds some memory twice; the first copy is used"},
    {kSourcePartial, kNote, "source-partial", "the dump leaves preserved memory out"},
    {kSeveralHandovers, kNote, "several-handovers", "memory holds other handovers too: of earlier or later kexecs"},
    {kExpectDiffers, kNote, "expect-differs", "the manifest expects other blocks or subtrees than there are"},
}};

constexpr bool in_order() {
    for (u32 i = 0; i < kTable.size(); ++i)
        if (static_cast<u32>(kTable[i].id) != i) return false;
    return true;
}
static_assert(in_order());

}  // namespace

const std::array<WarningInfo, static_cast<u32>(WarningId::kCount)> kWarnings = kTable;

void WarningSink::add(WarningId id, PhysAddr at, std::string text) {
    if (++counts_[static_cast<u32>(id)] <= kKeptPerId) kept_.push_back({id, at, std::move(text)});
}

std::vector<Warning> WarningSink::take() {
    for (u32 i = 0; i < counts_.size(); ++i)
        if (counts_[i] > kKeptPerId)
            kept_.push_back({static_cast<WarningId>(i), {}, fmt::format("and {} more", counts_[i] - kKeptPerId)});
    counts_ = {};
    return std::exchange(kept_, {});
}

}  // namespace baton::sim
