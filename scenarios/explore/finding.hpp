// SPDX-License-Identifier: GPL-2.0-only
// What an explored run came to, and which two of them are the same.
#pragma once

#include <compare>
#include <string>
#include <vector>

#include "scenarios/explore/schedule.hpp"
#include "sim/machine.hpp"

namespace baton::scenarios {

enum class FoundKind : u32 {
    kRace,     // a forbidden write
    kEnding,   // a kernel ended
    kError,    // a command failed, or did not although it was to
    kLost,     // preserved memory changed on its way (only where it is hashed)
    kFailure,  // a step found something else wrong
};

/// Two findings are the same if these are: kind, writer, race, owner, phase, site; or kind, step, phase, how it ended.
struct FoundKey {
    FoundKind kind = FoundKind::kRace;
    u32 slot = 0;
    u32 race = static_cast<u32>(sim::Race::kCount);  // none of the catalogue
    Owner owner = Owner::kNobody;
    Phase phase = Phase::kLoad;
    Site site = Site::kCount;
    u32 step = 0;
    u32 code = 0;  // Ending, Errno
    auto operator<=>(const FoundKey&) const = default;
};

struct Found {
    FoundKey key;
    u32 step = 0;
    Position at;        // of a race: where it first happened
    std::string story;  // for people
};

FoundKey key_of(const sim::ForbiddenWrite& w);
/// "F4 by dma0 on free, P6 @ relocate.page": a key as text; up to the @ it is what shrinking keeps.
std::string identity(const FoundKey& key, const Scenario& scenario);
/// That part.
std::string_view kept_part(std::string_view identity);
/// "F4-dma0-relocate.page": how its file is called.
std::string file_stem(const FoundKey& key, const Scenario& scenario);

}  // namespace baton::scenarios
