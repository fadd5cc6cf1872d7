// SPDX-License-Identifier: GPL-2.0-only
// Events and the ids they get. Each row is one event that has its id by right, and the changes of one field that take
// the id away.
#include "sim/ownership/races.hpp"

#include <fstream>
#include <functional>
#include <iterator>
#include <set>

#include "tests/catch.hpp"

using namespace baton;
using namespace baton::sim;

namespace {

using Change = std::function<void(WriteEvent&)>;

struct Row {
    Race race;
    WriteEvent event;
    std::vector<std::pair<std::string_view, Change>> flips;  // each alone makes it another race, or none
};

template <class T>
Change set(T WriteEvent::* field, std::type_identity_t<T> value) {
    return [field, value](WriteEvent& e) { e.*field = value; };
}

using E = WriteEvent;

const std::vector<Row>& targets() {
    static const std::vector<Row> kRows = {
        {Race::kF8, {.target = WriteTarget::kMovedImage, .mapped = true}, {{"not mapped", set(&E::mapped, false)}}},
        {Race::kF5, {.target = WriteTarget::kMovedImage}, {{"mapped", set(&E::mapped, true)}}},
        {Race::kF6, {.target = WriteTarget::kCopiedSegment, .mapped = true}, {{"not mapped", set(&E::mapped, false)}}},
        {Race::kF6, {.target = WriteTarget::kInitrd, .mapped = true}, {{"not mapped", set(&E::mapped, false)}}},
        {Race::kF6, {.target = WriteTarget::kPurgatory, .mapped = true}, {{"not mapped", set(&E::mapped, false)}}},
        {Race::kF6, {.target = WriteTarget::kHashedSegment, .mapped = true}, {{"not mapped", set(&E::mapped, false)}}},
        {Race::kF3, {.target = WriteTarget::kPurgatory}, {{"plain", set(&E::target, WriteTarget::kPlain)}}},
        {Race::kF4,
         {.target = WriteTarget::kCopiedSegment},
         {{"digested", set(&E::target, WriteTarget::kHashedSegment)}}},
        {Race::kF5,
         {.target = WriteTarget::kHashedSegment},
         {{"before the digest", set(&E::target, WriteTarget::kCopiedSegment)},
          {"of the initrd", set(&E::target, WriteTarget::kInitrd)}}},
        {Race::kF12, {.target = WriteTarget::kInitrd}, {{"of another", set(&E::target, WriteTarget::kHashedSegment)}}},
        {Race::kF13, {.target = WriteTarget::kMetadata}, {{"plain", set(&E::target, WriteTarget::kPlain)}}},
        {Race::kF14, {.owner = Owner::kHandedOver}, {{"of another", set(&E::owner, Owner::kKernel)}}},
        {Race::kF10, {.target = WriteTarget::kEarlyMemory}, {{"plain", set(&E::target, WriteTarget::kPlain)}}},
        {Race::kF1,
         {.phase = Phase::kRelocation, .owner = Owner::kImageSource},
         {{"copied", set(&E::copied, true)},
          {"later", set(&E::phase, Phase::kPurgatory)},
          {"of another", set(&E::owner, Owner::kFree)}}},
        {Race::kF2,
         {.phase = Phase::kRelocation, .owner = Owner::kImageList},
         {{"later", set(&E::phase, Phase::kPurgatory)}, {"of another", set(&E::owner, Owner::kFree)}}},
        {Race::kF3,
         {.phase = Phase::kPurgatory, .owner = Owner::kControl},
         {{"later", set(&E::phase, static_cast<Phase>(static_cast<u32>(Phase::kPurgatory) + 1))},
          {"of another", set(&E::owner, Owner::kFree)}}},
        {Race::kF3,
         {.phase = Phase::kLoad, .owner = Owner::kPageTables},
         {{"of a kernel that is up", set(&E::phase, Phase::kInitcalls)}}},
        {Race::kF13, {.owner = Owner::kHandoverMetadata}, {{"of another", set(&E::owner, Owner::kKernel)}}},
        {Race::kF14, {.owner = Owner::kPreserved}, {{"of another", set(&E::owner, Owner::kKernel)}}},
    };
    return kRows;
}

constexpr auto kEngine = device::Kind::kDmaEngine;
constexpr auto kAssigned = device::Kind::kAssigned;

const std::vector<Row>& causes() {
    static const std::vector<Row> kRows = {
        {Race::kB1,
         {.isa = Isa::kX86_64, .kind = kEngine, .stale_translation = true},
         {{"on AArch64", set(&E::isa, Isa::kAArch64)},
          {"in the new kernel", set(&E::phase, Phase::kInitcalls)},
          {"translation on", set(&E::iommu_on, true)},
          {"the address was meant", set(&E::stale_translation, false)}}},
        {Race::kB2,
         {.isa = Isa::kAArch64, .kind = kEngine, .stale_translation = true},
         {{"on x86", set(&E::isa, Isa::kX86_64)}, {"translation on", set(&E::iommu_on, true)}}},
        {Race::kB3,
         {.isa = Isa::kAArch64, .kind = kEngine, .phase = Phase::kInitcalls, .stale_translation = true},
         {{"before", set(&E::phase, Phase::kMemoryMap)}, {"translation on", set(&E::iommu_on, true)}}},
        {Race::kM4,
         {.kind = device::Kind::kNic, .origin = DmaOrigin::kCompletion, .was_mapped = true},
         {{"data", set(&E::origin, DmaOrigin::kData)},
          {"mapped", set(&E::mapped, true)},
          {"from before a kexec", set(&E::older_kernel, true)}}},
        {Race::kM3,
         {.kind = device::Kind::kNic, .origin = DmaOrigin::kWithdrawn, .was_mapped = true},
         {{"data", set(&E::origin, DmaOrigin::kData)}, {"mapped", set(&E::mapped, true)}}},
        {Race::kA1,
         {.kind = kEngine, .was_mapped = true},
         {{"never mapped", set(&E::was_mapped, false)}, {"from before a kexec", set(&E::older_kernel, true)}}},
        {Race::kA7,
         {.kind = kAssigned, .lost_at_kexec = true, .older_kernel = true},
         {{"an IOMMU lists it", set(&E::listed, true)},
          {"handed over", set(&E::lost_at_kexec, false)},
          {"a host's device", set(&E::kind, kEngine)}}},
        {Race::kC2,
         {.kind = kAssigned, .lost_at_kexec = true, .listed = true, .older_kernel = true},
         {{"not listed", set(&E::listed, false)}, {"handed over", set(&E::lost_at_kexec, false)}}},
        {Race::kA3,
         {.kind = kEngine, .bus_master_since = false, .older_kernel = true},
         {{"still on", set(&E::bus_master_since, true)}, {"off when it was sent", set(&E::bus_master_then, false)}}},
        {Race::kA2,
         {.kind = kEngine, .bus_master_then = false, .bus_master_since = false, .older_kernel = true},
         {{"on when it was sent", set(&E::bus_master_then, true)}}},
        {Race::kA4,
         {.kind = kEngine, .bus_master_was_off = true, .older_kernel = true},
         {{"never off", set(&E::bus_master_was_off, false)}, {"of this kernel", set(&E::older_kernel, false)}}},
        {Race::kA5,
         {.kind = kEngine, .older_kernel = true},
         {{"of this kernel", set(&E::older_kernel, false)},
          {"of a virtual machine", set(&E::kind, kAssigned)},
          {"switched off and on", set(&E::bus_master_was_off, true)}}},
        {Race::kA5,
         {.kind = kEngine, .bus_master_since = false, .older_kernel = true, .older_then = true},
         {{"sent before the kexec", set(&E::older_then, false)}}},
        {Race::kA1,
         {.kind = kAssigned, .was_mapped = true, .older_kernel = true},
         {{"never mapped", set(&E::was_mapped, false)}}},
        {Race::kC4,
         {.kind = kAssigned, .target = WriteTarget::kCopiedSegment, .mapped = true, .in_scratch = true},
         {{"not mapped", set(&E::mapped, false)},
          {"elsewhere", set(&E::in_scratch, false)},
          {"not in place yet", set(&E::target, WriteTarget::kPlain)}}},
    };
    return kRows;
}

using Rule = std::optional<Race> (*)(const WriteEvent&);

void check(Rule rule, const std::vector<Row>& rows) {
    for (std::size_t i = 0; i < rows.size(); ++i) {
        CAPTURE(i, info(rows[i].race).id);
        CHECK(rule(rows[i].event) == rows[i].race);
        for (const auto& [what, flip] : rows[i].flips) {
            CAPTURE(what);
            WriteEvent e = rows[i].event;
            flip(e);
            CHECK(rule(e) != rows[i].race);
        }
    }
}

}  // namespace

TEST_CASE("races: what was hit") { check(race_by_target, targets()); }

TEST_CASE("races: why the device could") { check(race_by_cause, causes()); }

TEST_CASE("races: an event without anything special has no id") {
    CHECK_FALSE(race_by_target({}));
    CHECK_FALSE(race_by_cause({}));
    for (u32 o = 0; o < static_cast<u32>(Owner::kCount); ++o) {
        const auto owner = static_cast<Owner>(o);
        const bool named =
            owner == Owner::kHandoverMetadata || owner == Owner::kPreserved || owner == Owner::kHandedOver;
        CAPTURE(name(owner));
        CHECK(race_by_target({.phase = Phase::kInitcalls, .owner = owner}).has_value() == named);
    }
}

TEST_CASE("races: every id can come about") {
    std::set<Race> seen;
    for (const auto* rows : {&targets(), &causes()})
        for (const Row& row : *rows) seen.insert(row.race);
    for (const RaceInfo& row : kRaces) {
        CAPTURE(row.id);
        CHECK(seen.contains(row.race));
    }
}

TEST_CASE("races: ids are the catalogue's, and each has a title and a prevention") {
    std::ifstream in(BATON_SOURCE_DIR "/docs/specs/iommu.md");
    const std::string catalogue{std::istreambuf_iterator<char>(in), {}};
    REQUIRE(catalogue.size() > 10'000);
    std::set<std::string_view> ids;
    for (const RaceInfo& row : kRaces) {
        CAPTURE(row.id);
        CHECK(ids.insert(row.id).second);
        CHECK(catalogue.find("**" + std::string(row.id) + " ") != std::string::npos);
        CHECK_FALSE(row.title.empty());
        CHECK_FALSE(row.prevention.empty());
    }
}
