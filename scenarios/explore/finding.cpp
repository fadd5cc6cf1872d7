// SPDX-License-Identifier: GPL-2.0-only
#include "scenarios/explore/finding.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace baton::scenarios {
namespace {

std::string_view race_name(const FoundKey& key) {
    return key.race < static_cast<u32>(sim::Race::kCount) ? info(static_cast<sim::Race>(key.race)).id : "write";
}

std::string_view site_name(Site site) { return site == Site::kCount ? "no point" : info(site).name; }

std::string_view error_name(u32 code) {
    for (const ErrnoName& row : kErrnoNames)
        if (static_cast<u32>(row.value) == code) return row.name;
    return "an unknown error";
}

}  // namespace

FoundKey key_of(const sim::ForbiddenWrite& w) {
    FoundKey key{.kind = FoundKind::kRace, .slot = w.slot};
    if (const auto race = w.race()) key.race = static_cast<u32>(*race);
    key.owner = w.owner;
    key.phase = w.phase;
    key.site = w.at.site;
    return key;
}

std::string identity(const FoundKey& key, const Scenario& scenario) {
    const std::string_view phase = info(key.phase).code;
    switch (key.kind) {
        case FoundKind::kRace:
            return fmt::format("{} by {} on {}, {} @ {}", race_name(key), scenario.devices[key.slot].name,
                               name(key.owner), phase, site_name(key.site));
        case FoundKind::kEnding:
            return fmt::format("{} in step {}, {}", info(static_cast<Ending>(key.code)).name, key.step + 1, phase);
        case FoundKind::kError: return fmt::format("{} from step {}, {}", error_name(key.code), key.step + 1, phase);
        case FoundKind::kLost: return fmt::format("preserved memory lost in step {}, {}", key.step + 1, phase);
        case FoundKind::kFailure: break;
    }
    return fmt::format("failure of step {}, {}", key.step + 1, phase);
}

std::string_view kept_part(std::string_view identity) { return identity.substr(0, identity.find(" @ ")); }

std::string file_stem(const FoundKey& key, const Scenario& scenario) {
    std::string stem;
    switch (key.kind) {
        case FoundKind::kRace:
            stem = fmt::format("{}-{}-{}", race_name(key), scenario.devices[key.slot].name, site_name(key.site));
            break;
        case FoundKind::kEnding:
            stem = fmt::format("{}-step{}", info(static_cast<Ending>(key.code)).name, key.step + 1);
            break;
        case FoundKind::kError: stem = fmt::format("{}-step{}", error_name(key.code), key.step + 1); break;
        case FoundKind::kLost: stem = fmt::format("lost-step{}", key.step + 1); break;
        case FoundKind::kFailure: stem = fmt::format("failure-step{}", key.step + 1); break;
    }
    // A device may be called anything that TOML allows.
    std::ranges::replace_if(
        stem,
        [](char c) {
            return !((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
                     c == '-' || c == '_');
        },
        '_');
    return stem;
}

}  // namespace baton::scenarios
