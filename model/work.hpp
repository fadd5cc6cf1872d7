// SPDX-License-Identifier: GPL-2.0-only
// The units of the cost ledger: what `platform::charge` counts (architecture §3, §5).
//
// The model counts work; a platform profile of the simulator turns it into time. Counts are identical in all targets.
// To add a unit: one enumerator and one row here, its cost in the profiles, one `charge` where it is spent.
#pragma once

#include <string_view>

#include "model/types.hpp"

namespace baton {

enum class Work : u32 {
    kPagesCopied,
    kPagesSwapped,
    kPagesZeroed,
    kBytesHashed,
    kBytesCopied,
    kEntriesWalked,
    kListLinks,
    kTableEntries,
    kMemblockScans,
    kMemblockMoves,
    kStructPages,
    kBuddyOps,
    kBitOps,
    kBitmapWords,
    kFdtBytes,
    kMmio,
    kBytesDecompressed,
    kCount,
};

struct WorkInfo {
    Work work;
    std::string_view name;
    std::string_view meaning;
};

inline constexpr WorkInfo kWorks[] = {
    {Work::kPagesCopied, "pages_copied", "pages of the running kernel's size copied once"},
    {Work::kPagesSwapped, "pages_swapped", "pages exchanged through the swap page (three copies each)"},
    {Work::kPagesZeroed, "pages_zeroed", "pages cleared"},
    {Work::kBytesHashed, "bytes_hashed", "bytes fed to SHA-256"},
    {Work::kBytesCopied, "bytes_copied", "bytes copied in pieces smaller than a page"},
    {Work::kEntriesWalked, "entries_walked", "words of the kexec entry list read"},
    {Work::kListLinks, "list_links", "links of metadata lists followed or made"},
    {Work::kTableEntries, "table_entries", "page-table entries written"},
    {Work::kMemblockScans, "memblock_scans", "memblock entries looked at"},
    {Work::kMemblockMoves, "memblock_moves", "memblock entries moved"},
    {Work::kStructPages, "struct_pages", "struct pages initialised (charged when Linux would)"},
    {Work::kBuddyOps, "buddy_ops", "blocks taken from, split, merged or put to a free list"},
    {Work::kBitOps, "bit_ops", "preservation bits set or cleared"},
    {Work::kBitmapWords, "bitmap_words", "64-bit bitmap words scanned"},
    {Work::kFdtBytes, "fdt_bytes", "bytes of device tree written or parsed"},
    {Work::kMmio, "mmio", "device register accesses"},
    {Work::kBytesDecompressed, "bytes_decompressed", "bytes a compressed image would have unpacked"},
};
inline constexpr u32 kWorkCount = static_cast<u32>(Work::kCount);
static_assert(sizeof(kWorks) / sizeof(kWorks[0]) == kWorkCount);
static_assert(
    [] {
        for (u32 i = 0; i < kWorkCount; ++i)
            if (static_cast<u32>(kWorks[i].work) != i) return false;
        return true;
    }(),
    "rows of kWorks stand in the order of the enumerators");
constexpr const WorkInfo& info(Work w) { return kWorks[static_cast<u32>(w)]; }

}  // namespace baton
