// SPDX-License-Identifier: GPL-2.0-only
// A ledger as text that is kept under version control, one line a count, so that a change of what a handover costs is a
// line of a diff that somebody reads.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <vector>

#include "bench/blackout/counts.hpp"

namespace baton::tests {

/// "P10 memory map        memblock_scans          123"
inline std::string ledger_text(const blackout::Counts& counts) {
    std::string out;
    for (const PhaseInfo& p : kPhases)
        for (const WorkInfo& unit : kWorks)
            if (const u64 n = counts.of(p.phase, unit.work); n != 0)
                out += fmt::format("{:<4}{:<18}{:<20}{:>12}\n", p.code, p.name, unit.name, n);
    return out;
}

inline std::vector<std::string> lines_of(std::string_view text) {
    std::vector<std::string> out;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        out.emplace_back(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return out;
}

/// What comes before the count: phase and unit.
inline std::string_view key_of(std::string_view line) {
    const std::size_t end = line.find_last_of(' ');
    return line.substr(0, line.find_last_not_of(' ', end) + 1);
}

/// "- " what was kept, "+ " what is now, line by line; empty if nothing differs.
inline std::string ledger_diff(std::string_view kept, std::string_view now) {
    const std::vector<std::string> old_lines = lines_of(kept);
    const std::vector<std::string> new_lines = lines_of(now);
    const auto line_with = [](const std::vector<std::string>& lines, std::string_view key) -> const std::string* {
        for (const std::string& line : lines)
            if (key_of(line) == key) return &line;
        return nullptr;
    };
    std::string out;
    for (const std::string& line : old_lines) {
        const std::string* other = line_with(new_lines, key_of(line));
        if (other != nullptr && *other == line) continue;
        out += "- " + line + "\n";
        if (other != nullptr) out += "+ " + *other + "\n";
    }
    for (const std::string& line : new_lines)
        if (line_with(old_lines, key_of(line)) == nullptr) out += "+ " + line + "\n";
    return out;
}

}  // namespace baton::tests
