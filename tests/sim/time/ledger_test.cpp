// SPDX-License-Identifier: GPL-2.0-only
#include "sim/time/ledger.hpp"

#include "sim/random.hpp"
#include "tests/catch.hpp"

using namespace baton;
using namespace baton::sim;

namespace {

/// A profile in which unit i costs 1 ps << i; pages copied are per page.
Profile simple_profile() {
    Profile profile;
    for (u32 i = 0; i < kWorkCount; ++i) profile.costs[i] = {static_cast<Work>(i), u64{1} << i, false, "test"};
    profile.costs[static_cast<u32>(Work::kPagesCopied)] = {Work::kPagesCopied, 1000, true, "test"};
    return profile;
}

}  // namespace

TEST_CASE("ledger: work counts in the phase of the last site") {
    Ledger ledger(simple_profile());
    CHECK(ledger.phase() == Phase::kLoad);
    ledger.charge(Work::kPagesCopied, 2);
    ledger.at(Site::kRelocateStart);
    ledger.charge(Work::kPagesCopied, 5);
    ledger.at(Site::kMmio);
    CHECK(ledger.phase() == Phase::kRelocation);
    ledger.charge(Work::kPagesCopied, 1);
    ledger.at(Site::kPurgatoryStart);
    ledger.charge(Work::kBytesHashed, 1000);

    CHECK(ledger.work(Phase::kLoad, Work::kPagesCopied) == 2);
    CHECK(ledger.work(Phase::kRelocation, Work::kPagesCopied) == 6);
    CHECK(ledger.work(Work::kPagesCopied) == 8);
    CHECK(ledger.work(Phase::kPurgatory, Work::kPagesCopied) == 0);
    CHECK(ledger.phase_ns(Phase::kLoad) == 2);
    CHECK(ledger.phase_ns(Phase::kRelocation) == 6);
    CHECK(ledger.phase_ns(Phase::kPurgatory) == 8);  // 1000 × 8 ps
    CHECK(ledger.now_ns() == 16);
}

TEST_CASE("ledger: every site but mmio sets its phase") {
    Ledger ledger(simple_profile());
    for (const SiteInfo& site : kSites) {
        const Phase before = ledger.phase();
        ledger.at(site.site);
        CHECK(ledger.phase() == (site.site == Site::kMmio ? before : site.phase));
    }
}

TEST_CASE("ledger: a restore while the memory map is built belongs to it") {
    Ledger ledger(simple_profile());
    ledger.at(Site::kKhoDeserialiseBlock);
    ledger.at(Site::kKhoRestore);
    CHECK(ledger.phase() == Phase::kMemoryMap);
    ledger.at(Site::kBootDone);
    ledger.at(Site::kKhoRestore);
    CHECK(ledger.phase() == Phase::kRestore);
}

TEST_CASE("ledger: fractions of a nanosecond add up") {
    Ledger ledger(simple_profile());
    for (int i = 0; i < 999; ++i) ledger.charge(static_cast<Work>(1), 1);  // 2 ps each
    CHECK(ledger.now_ns() == 1);
    ledger.charge(static_cast<Work>(1), 1);
    CHECK(ledger.now_ns() == 2);
}

TEST_CASE("ledger: a page costs more on a kernel with larger pages, a byte does not") {
    Ledger ledger(simple_profile());
    ledger.set_page_size(65536);
    ledger.charge(Work::kPagesCopied, 3);
    CHECK(ledger.now_ns() == 48);
    ledger.set_page_size(4096);
    ledger.charge(Work::kPagesCopied, 3);
    CHECK(ledger.now_ns() == 51);
    CHECK(ledger.work(Work::kPagesCopied) == 6);
}

TEST_CASE("ledger: absurd amounts saturate and never wrap") {
    Profile profile = simple_profile();
    profile.costs[0].ps = ~u64{0};
    Ledger ledger(profile);
    ledger.charge(static_cast<Work>(1), u64{1} << 63);  // 2 ps: 2^64 ps, fits
    CHECK(ledger.now_ns() == 18446744073709551u);       // 2^64 / 1000
    ledger.charge(static_cast<Work>(1), u64{1} << 63);
    CHECK(ledger.work(static_cast<Work>(1)) == ~u64{0});
    CHECK(ledger.now_ns() == 36893488147419103u);

    u64 last = ledger.now_ns();
    ledger.set_page_size(65536);
    for (int i = 0; i < 5; ++i) {
        ledger.at(i % 2 == 0 ? Site::kLoadBegin : Site::kDecompress);
        ledger.charge(static_cast<Work>(0), ~u64{0});
        CHECK(ledger.now_ns() >= last);
        last = ledger.now_ns();
    }
    CHECK(last == ~u64{0});
    CHECK(ledger.phase_ns(Phase::kDecompress) == ~u64{0});
    CHECK(ledger.work(static_cast<Work>(0)) == ~u64{0});
}

TEST_CASE("ledger: a restored state goes on exactly as the first time") {
    Ledger ledger(generic_profile());
    Random random(1, 2);
    const auto steps = [&](u64 n) {
        for (u64 i = 0; i < n; ++i) {
            ledger.at(static_cast<Site>(random.bounded(kSiteCount)));
            ledger.charge(static_cast<Work>(random.bounded(kWorkCount)), random.bounded(100000));
        }
    };
    steps(100);
    const Ledger::State saved = ledger.snapshot();
    const Random saved_random = random;
    steps(100);
    const Ledger::State first = ledger.snapshot();
    CHECK_FALSE(first == saved);
    ledger.restore(saved);
    random = saved_random;
    CHECK(ledger.snapshot() == saved);
    steps(100);
    CHECK(ledger.snapshot() == first);

    Ledger::Picoseconds sum = 0;
    for (const Ledger::Picoseconds t : first.time) sum += t;
    CHECK(sum == first.now);
}
