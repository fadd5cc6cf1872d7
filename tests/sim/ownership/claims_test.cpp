// SPDX-License-Identifier: GPL-2.0-only
// What a kernel says of memory is held against the record and the table; a fault is kept, bounded, and survives going
// back and saving.
#include "sim/ownership/claims.hpp"

#include <unistd.h>

#include <filesystem>
#include <set>

#include "model/kernel.hpp"
#include "sim/ownership/transitions.hpp"
#include "sim/random.hpp"
#include "tests/catch.hpp"
#include "tests/support/machines.hpp"

namespace baton::test {
namespace {

using namespace sim;

constexpr u32 kOwners = static_cast<u32>(Owner::kCount);
constexpr PhysRange frames(u64 first, u64 count) { return {{first * kFrameSize}, count * kFrameSize}; }

std::optional<ClaimFault> judge(const OwnershipMap& map, PhysRange r, Owner from, Owner to,
                                Phase phase = Phase::kLoad) {
    return judge_claim(map, r, from, to, phase);
}

/// Frees a folio whose struct page was changed to say that the kernel has it.
void lie(Box& box) {
    const PhysAddr a{box.ask(Op::kAlloc, {static_cast<u64>(AllocKind::kFolio), 0}).values[0]};
    const Geometry& g = box->geometry();
    const Kernel& k = *box->kernel();
    baton::MemSection s;
    const u64 index = (a.value >> g.section_shift) - k.pages.first_section;
    REQUIRE(box->read(k.pages.sections + index * sizeof(s), {reinterpret_cast<u8*>(&s), sizeof(s)}));
    const PhysAddr page = s.memmap + ((a.value & (g.section_bytes() - 1)) >> g.page_shift) * sizeof(baton::Page);
    const u8 no_flags[8] = {};
    REQUIRE(box->host_write(page + offsetof(baton::Page, flags), no_flags));
    box.ask(Op::kFree, {static_cast<u64>(AllocKind::kFolio), a.value, 1});
}

}  // namespace

TEST_CASE("claims: the table has each change of owner in sets of phases that do not meet") {
    std::set<std::pair<Owner, Owner>> twice;
    for (const Transition& t : kTransitions) {
        CAPTURE(name(t.from), name(t.to));
        CHECK(t.from != t.to);
        CHECK(t.phases != 0);
        CHECK_FALSE(t.when.empty());
        CHECK((legal_phases(t.from, t.to) & t.phases) == t.phases);
        PhaseSet others = 0;
        for (const Transition& o : kTransitions)
            if (&o != &t && o.from == t.from && o.to == t.to) others |= o.phases;
        CHECK((others & t.phases) == 0);
        // Nobody owns anything while no kernel runs.
        CHECK((t.phases & phases(Phase::kRelocation, Phase::kPurgatory, Phase::kDecompress)) == 0);
    }
    CHECK(legal_phases(Owner::kFree, Owner::kPreserved) == 0);
    CHECK(legal_phases(Owner::kImageList, Owner::kUser) == 0);
    CHECK(legal_phases(Owner::kHandedOver, Owner::kFree) == 0);
    CHECK(legal_phases(Owner::kKernel, Owner::kImageSource) == phases(Phase::kLoad));
}

TEST_CASE("claims: the first run that is not as claimed is found, wherever it lies") {
    OwnershipMap map;
    map.set(frames(0, 4096), Owner::kKernel);
    CHECK_FALSE(judge(map, frames(0, 4096), Owner::kKernel, Owner::kFree));
    CHECK_FALSE(judge(map, {}, Owner::kUser, Owner::kFree));
    for (const u64 first : {0, 1, 511, 512, 1000, 4094}) {
        CAPTURE(first);
        OwnershipMap wrong;
        wrong.restore(map.snapshot());
        wrong.set(frames(first, 2), Owner::kUser);
        const auto fault = judge(wrong, frames(0, 4096), Owner::kKernel, Owner::kFree);
        REQUIRE(fault);
        CHECK(fault->kind == ClaimFault::Kind::kOwner);
        CHECK(fault->range == frames(first, 2));
        CHECK(fault->recorded == Owner::kUser);
        CHECK(fault->from == Owner::kKernel);
        CHECK(fault->to == Owner::kFree);
        CHECK(to_text(*fault).find("claimed to go from kernel to free, recorded as user (P0 load)") !=
              std::string::npos);
    }
}

TEST_CASE("claims: the first run that is another's, as the runs have it") {
    Random random(5, 5);
    OwnershipMap map;
    for (int i = 0; i < 400; ++i) {
        u64 first = random.bounded(3000), count = 1 + random.bounded(random.bounded(4) == 0 ? 1500 : 9);
        map.set(frames(first, count), static_cast<Owner>(random.bounded(4)));
        first = random.bounded(3000);
        const PhysRange range = frames(first, 1 + random.bounded(2000));
        const auto owner = static_cast<Owner>(random.bounded(4));
        std::optional<OwnedRun> expected;
        for (const OwnedRun& run : map.runs(range))
            if (!expected && run.owner != owner) expected = run;
        REQUIRE(map.first_other(range, owner) == expected);
        REQUIRE(map.all(range, owner) == !expected);
    }
    CHECK_FALSE(map.first_other({{0x1000}, 0}, Owner::kUser));
}

TEST_CASE("claims: a frame that a range covers in part may have changed hands before") {
    OwnershipMap map;
    map.set(frames(1, 1), Owner::kKernel);
    const PhysRange object{{0x1800}, 0x1000};  // in frames 1 and 2
    CHECK_FALSE(judge(map, object, Owner::kNobody, Owner::kKernel, Phase::kMemoryMap));
    map.set(frames(2, 1), Owner::kUser);
    const auto fault = judge(map, object, Owner::kNobody, Owner::kKernel, Phase::kMemoryMap);
    REQUIRE(fault);
    CHECK(fault->range == frames(2, 1));
    CHECK(judge(map, {{0x2100}, 0x10}, Owner::kNobody, Owner::kKernel, Phase::kMemoryMap).has_value());
    CHECK(judge(map, frames(1, 1), Owner::kNobody, Owner::kKernel, Phase::kMemoryMap).has_value());
}

TEST_CASE("claims: a change that no row has, or not in this phase, is a fault") {
    OwnershipMap map;
    const auto none = judge(map, frames(7, 1), Owner::kNobody, Owner::kMmio);
    REQUIRE(none);
    CHECK(to_text(*none) == "0x7000: nothing goes from nobody to mmio (P0 load)");
    const auto now = judge(map, frames(7, 2), Owner::kNobody, Owner::kKernel);
    REQUIRE(now);
    CHECK(to_text(*now) == "0x7000..0x8fff: nothing goes from nobody to kernel now (P0 load)");
    CHECK_FALSE(judge(map, frames(7, 2), Owner::kNobody, Owner::kKernel, Phase::kEarlyBoot));
}

TEST_CASE("claims: the log is bounded, and survives saving") {
    ClaimLog log;
    for (u64 i = 0; i < ClaimLog::kKept + 5; ++i)
        log.add({.kind = static_cast<ClaimFault::Kind>(i % 3),
                 .range = frames(i, 1 + i % 7),
                 .from = static_cast<Owner>(i % kOwners),
                 .to = static_cast<Owner>(i / 3 % kOwners),
                 .recorded = static_cast<Owner>(i / 5 % kOwners),
                 .reading = static_cast<Reading>(i % static_cast<u64>(Reading::kCount)),
                 .site = static_cast<Site>(i % (kSiteCount + 1)),
                 .nth = i,
                 .phase = static_cast<Phase>(i % kPhaseCount)});
    CHECK(log.faults().size() == ClaimLog::kKept);
    CHECK(log.dropped() == 5);
    CHECK(log.count() == ClaimLog::kKept + 5);
    for (const ClaimFault& f : log.faults()) REQUIRE_FALSE(to_text(f).empty());
    ByteWriter bytes;
    log.save(bytes);
    ClaimLog back;
    ByteReader reader(bytes.bytes(), "test");
    back.load(reader);
    reader.expect_end();
    CHECK(back.snapshot() == log.snapshot());

    for (u64 length = 0; length < bytes.size(); length += 13) {
        ByteReader cut(std::span(bytes.bytes()).first(length), "test");
        CHECK_THROWS_AS(back.load(cut), SaveError);
    }
    std::vector<u8> bad = bytes.bytes();
    bad[16] = 200;  // the kind of the first
    ByteReader bad_kind(bad, "test");
    CHECK_THROWS_AS(back.load(bad_kind), SaveError);
    CHECK(back.snapshot() == log.snapshot());
}

TEST_CASE("claims: a machine keeps what a kernel says wrong, through moments and files") {
    Box box({.geometry = GeometryId::kX86_64, .ram_bytes = 256 * kMiB, .seed = 7});
    CHECK(box->claim_faults().count() == 0);
    const Machine::Moment before = box->moment();
    lie(box);
    REQUIRE(box->claim_faults().count() == 1);
    const ClaimFault fault = box->claim_faults().faults().front();
    CHECK(fault.from == Owner::kKernel);
    CHECK(fault.recorded == Owner::kUser);
    CHECK(fault.to == Owner::kFree);
    const Machine::Moment after = box->moment();
    box->restore(before);
    CHECK(box->claim_faults().count() == 0);
    box->restore(after);
    REQUIRE(box->claim_faults().count() == 1);

    const auto file = std::filesystem::temp_directory_path() / ("baton-claims-" + std::to_string(getpid()) + ".sav");
    box->save(file, {});
    const Machine::Loaded loaded = Machine::load(file, {});
    std::filesystem::remove(file);
    CHECK(loaded.machine->claim_faults().faults() == std::vector<ClaimFault>{fault});
}

}  // namespace baton::test
