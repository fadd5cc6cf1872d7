// SPDX-License-Identifier: GPL-2.0-only
#include "sim/time/profile.hpp"

#include "tests/catch.hpp"

using namespace baton;
using namespace baton::sim;

namespace {
u64 ps(Work work) { return generic_profile().costs[static_cast<u32>(work)].ps; }
constexpr u64 kPicosecondsPerMs = 1'000'000'000;
}  // namespace

TEST_CASE("generic profile: every unit of work has a cost and a source") {
    for (u32 i = 0; i < kWorkCount; ++i) {
        const WorkCost& cost = generic_profile().costs[i];
        CAPTURE(kWorks[i].name);
        CHECK(static_cast<u32>(cost.work) == i);
        CHECK(cost.ps > 0);
        CHECK_FALSE(cost.source.empty());
        // "pages_…" are the units that are pages, but a struct page is 64 bytes on every kernel.
        CHECK(cost.per_page == kWorks[i].name.starts_with("pages_"));
    }
}

TEST_CASE("generic profile: lies within the published figures") {
    const u64 copy_100_mib = ps(Work::kPagesCopied) * 25600;  // specs/kho.md §6.2
    CHECK(copy_100_mib >= 4 * kPicosecondsPerMs);
    CHECK(copy_100_mib <= 50 * kPicosecondsPerMs);
    const u64 hash_60_mb = ps(Work::kBytesHashed) * 60'000'000;  // specs/kexec.md §12, rules of thumb
    CHECK(hash_60_mb >= 240 * kPicosecondsPerMs);
    CHECK(hash_60_mb <= 400 * kPicosecondsPerMs);
    const u64 memmap_64_gib = ps(Work::kStructPages) * (64 * kGiB / 4096);  // serial; 200 ms is in parallel
    CHECK(memmap_64_gib >= 200 * kPicosecondsPerMs);
    CHECK(memmap_64_gib <= 1000 * kPicosecondsPerMs);
    CHECK(ps(Work::kPagesSwapped) == 3 * ps(Work::kPagesCopied));
    CHECK(ps(Work::kPagesZeroed) < ps(Work::kPagesCopied));
}
