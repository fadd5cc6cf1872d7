// SPDX-License-Identifier: GPL-2.0-only
#include "sim/ownership/claims.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "sim/ownership/transitions.hpp"

namespace baton::sim {
namespace {

inline constexpr u64 kSavedBytes = 37;

/// What the bytes say, and what the record should be then.
struct ReadingInfo {
    Reading reading;
    std::string_view text;
};
inline constexpr ReadingInfo kReadings[] = {
    {Reading::kNone, ""},
    {Reading::kListReads, "the entry list reads it (image source)"},
    {Reading::kListPage, "it is a page of the entry list (image list)"},
    {Reading::kListWrites, "the entry list writes it (destination)"},
    {Reading::kControlPage, "the relocation code runs there (control page)"},
    {Reading::kSwapPage, "relocation swaps through it (control page)"},
    {Reading::kKexecTable, "it is a page table of the relocation (control page or page tables)"},
    {Reading::kKernelTable, "it is a page table of the kernel (page tables)"},
    {Reading::kTrackerBlock, "the tracker hands it over (preserved)"},
    {Reading::kTrackerPage, "it describes the handover (handover metadata)"},
    {Reading::kScratchArea, "it is scratch, where nothing may stay"},
    {Reading::kNotRead, "no entry of the list reads it"},
    {Reading::kNotListed, "the entry list does not go through it"},
    {Reading::kNotUsed, "the jump does not use it"},
    {Reading::kNotWalked, "it is in no tree of page tables"},
    {Reading::kNotHandedOver, "nothing hands it over"},
};
static_assert(std::size(kReadings) == static_cast<u32>(Reading::kCount));

std::string where(PhysRange r) {
    return r.size <= kFrameSize ? fmt::format("{:#x}", r.start.value)
                                : fmt::format("{:#x}..{:#x}", r.start.value, (r.end() - 1).value);
}

std::string what(const ClaimFault& f) {
    const std::string from(name(f.from));
    const std::string to(name(f.to));
    switch (f.kind) {
        case ClaimFault::Kind::kOwner:
            return fmt::format("claimed to go from {} to {}, recorded as {}", from, to, name(f.recorded));
        case ClaimFault::Kind::kTransition:
            return legal_phases(f.from, f.to) == 0 ? fmt::format("nothing goes from {} to {}", from, to)
                                                   : fmt::format("nothing goes from {} to {} now", from, to);
        case ClaimFault::Kind::kBytes:
        case ClaimFault::Kind::kCount: break;
    }
    return fmt::format("claimed {}, but {}", name(f.recorded), kReadings[static_cast<u32>(f.reading)].text);
}

std::string when(const ClaimFault& f) {
    const std::string phase = fmt::format("{} {}", info(f.phase).code, info(f.phase).name);
    return f.site == Site::kCount ? phase : fmt::format("{}, after {}#{}", phase, info(f.site).name, f.nth);
}

/// Frames that a range covers in part: the one it begins in, the one it ends in.
struct Edges {
    PhysRange whole;
    std::optional<u64> first;
    std::optional<u64> last;
};

Edges edges_of(PhysRange range) {
    constexpr u64 kEnd = OwnershipMap::kFrames << kFrameShift;
    Edges e;
    const u64 start = std::min(range.start.value, kEnd);
    const u64 end = start + std::min(range.size, kEnd - start);
    const u64 up = (start + kFrameSize - 1) & ~(kFrameSize - 1);
    const u64 down = end & ~(kFrameSize - 1);
    if (up != start) e.first = start >> kFrameShift;
    if (down != end && (down >= up || !e.first)) e.last = end >> kFrameShift;
    if (up < down) e.whole = {{up}, down - up};
    return e;
}

}  // namespace

std::string to_text(const ClaimFault& f) { return fmt::format("{}: {} ({})", where(f.range), what(f), when(f)); }

std::optional<ClaimFault> judge_claim(const OwnershipMap& map, PhysRange range, Owner from, Owner to, Phase phase) {
    if (range.empty()) return std::nullopt;
    const auto wrong = [&](const OwnedRun& run) {
        return ClaimFault{.range = run.range, .from = from, .to = to, .recorded = run.owner};
    };
    const auto shared = [&](std::optional<u64> frame) -> std::optional<OwnedRun> {
        if (!frame || *frame >= OwnershipMap::kFrames) return std::nullopt;
        const Owner is = map.at(*frame);
        if (is == from || is == to) return std::nullopt;
        return OwnedRun{{{*frame << kFrameShift}, kFrameSize}, is};
    };
    const Edges e = edges_of(range);
    if (const auto run = shared(e.first)) return wrong(*run);
    if (const auto run = map.first_other(e.whole, from)) return wrong(*run);
    if (const auto run = shared(e.last)) return wrong(*run);
    if (has_phase(legal_phases(from, to), phase)) return std::nullopt;
    return ClaimFault{.kind = ClaimFault::Kind::kTransition, .range = range, .from = from, .to = to, .recorded = from};
}

void ClaimLog::add(const ClaimFault& fault) {
    if (state_.faults.size() < kKept)
        state_.faults.push_back(fault);
    else
        ++state_.dropped;
}

void ClaimLog::save(ByteWriter& to) const {
    to.put(state_.dropped);
    to.put(u64{state_.faults.size()});
    for (const ClaimFault& f : state_.faults) {
        to.put(static_cast<u8>(f.kind));
        to.put(f.range.start.value);
        to.put(f.range.size);
        for (const Owner o : {f.from, f.to, f.recorded}) to.put(static_cast<u8>(o));
        to.put(static_cast<u8>(f.reading));
        to.put(static_cast<u32>(f.site));
        to.put(f.nth);
        to.put(static_cast<u32>(f.phase));
    }
}

void ClaimLog::load(ByteReader& from) {
    State loaded{.faults = {}, .dropped = from.get<u64>()};
    for (u64 count = from.get_count(kSavedBytes); count > 0; --count) {
        ClaimFault f;
        const u8 kind = from.get<u8>();
        f.range.start = {from.get<u64>()};
        f.range.size = from.get<u64>();
        u8 owners[3];
        for (u8& o : owners) o = from.get<u8>();
        const u8 reading = from.get<u8>();
        const u32 site = from.get<u32>();
        f.nth = from.get<u64>();
        const u32 phase = from.get<u32>();
        bool known = kind < static_cast<u8>(ClaimFault::Kind::kCount) && reading < static_cast<u8>(Reading::kCount) &&
                     site <= static_cast<u32>(Site::kCount) && phase < kPhaseCount;
        for (const u8 o : owners) known = known && o < static_cast<u8>(Owner::kCount);
        if (!known || loaded.faults.size() == kKept) from.fail("has a claim about memory that cannot be");
        f.kind = static_cast<ClaimFault::Kind>(kind);
        f.from = static_cast<Owner>(owners[0]);
        f.to = static_cast<Owner>(owners[1]);
        f.recorded = static_cast<Owner>(owners[2]);
        f.reading = static_cast<Reading>(reading);
        f.site = static_cast<Site>(site);
        f.phase = static_cast<Phase>(phase);
        loaded.faults.push_back(f);
    }
    state_ = std::move(loaded);
}

}  // namespace baton::sim
