// SPDX-License-Identifier: GPL-2.0-only
// The generic profile. Bandwidths come from published kexec figures; what nobody measured is a model parameter of the
// size that one cached (about 1 ns) or one uncached (about 80 ns) access has, and says so.
#include "sim/time/profile.hpp"

#include <iterator>
#include <string_view>

namespace baton::sim {

namespace {

struct Row {
    Work work;
    u64 ps;
    bool per_page;
    std::string_view source;
};

constexpr std::string_view kCached = "model parameter: one or a few cached accesses";

constexpr Row kGeneric[] = {
    {Work::kPagesCopied, 550'000, true,
     "specs/kho.md §6.2: 4-50 ms per 100 MiB, the geometric mean is 14.1 ms, 7.4 GB/s (Graf, kexec-CMA, 2025)"},
    {Work::kPagesSwapped, 1'650'000, true, "three copies: specs/kexec.md §12, rules of thumb"},
    {Work::kPagesZeroed, 275'000, true, "half of a copy, which reads too: specs/kexec.md §12, rules of thumb"},
    {Work::kBytesHashed, 4'000, false, "specs/kexec.md §12: SHA-256 in generic C reaches 150-250 MB/s, here 250"},
    {Work::kBytesCopied, 134, false, "as pages_copied: 550 ns / 4096"},
    {Work::kEntriesWalked, 1'000, false, kCached},
    {Work::kListLinks, 80'000, false, "model parameter: one uncached, dependent access"},
    {Work::kTableEntries, 2'000, false, kCached},
    {Work::kMemblockScans, 2'000, false, kCached},
    {Work::kMemblockMoves, 5'000, false, kCached},
    {Work::kStructPages, 20'000, false,
     "specs/kexec.md §12 (f): 500 GiB of struct pages skipped make 3.9 s 1.2-1.32 s (Arif, 2023)"},
    {Work::kBuddyOps, 50'000, false, "model parameter: a few list heads, some uncached"},
    {Work::kBitOps, 86'000, false,
     "specs/kho.md §6.2: PKRAM saves 100 GB of 4K pages in 2265 ms (2021); nobody measured KHO"},
    {Work::kBitmapWords, 1'000, false, kCached},
    {Work::kFdtBytes, 500, false, kCached},
    {Work::kMmio, 1'000'000, false, "model parameter: one uncached read over PCIe"},
    {Work::kBytesDecompressed, 2'800, false,
     "specs/kexec.md §12 (c+d+e): 150 ms for a kernel that unpacks to 53 MB (ByteDance, 2022)"},
};
static_assert(std::size(kGeneric) == kWorkCount, "every unit of model/work.hpp has its cost here");
static_assert(
    [] {
        for (u32 i = 0; i < kWorkCount; ++i)
            if (static_cast<u32>(kGeneric[i].work) != i) return false;
        return true;
    }(),
    "rows of kGeneric stand in the order of the enumerators of Work");

}  // namespace

const Profile& generic_profile() {
    static const Profile kProfile = [] {
        Profile profile;
        profile.name = "generic";
        for (u32 i = 0; i < kWorkCount; ++i) {
            const Row& row = kGeneric[i];
            profile.costs[i] = {row.work, row.ps, row.per_page, std::string(row.source)};
        }
        return profile;
    }();
    return kProfile;
}

}  // namespace baton::sim
