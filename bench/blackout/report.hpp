// SPDX-License-Identifier: GPL-2.0-only
// A grid of blackouts as text for people and JSON for programs. Work comes first, time second, and the profile is
// named.
#pragma once

#include <string>
#include <vector>

#include "bench/blackout/blackout.hpp"

namespace baton::blackout {

struct ReportStyle {
    const sim::Profile& profile;
    u64 cpus = 1;
    u64 devices = 0;
    bool phases = false;   // every phase of every cell
    bool sources = false;  // every figure of the profile, and where it comes from
};

/// What the times of one cell come to.
struct Times {
    std::array<u64, kPhaseCount> work_ns{};
    std::array<u64, kPhaseCount> constant_ns{};
    u64 dark_work_ns = 0;
    u64 dark_constant_ns = 0;
    u64 dark_ns() const { return saturating_sum(dark_work_ns, dark_constant_ns); }
};
Times times_of(const Cell& cell, const ReportStyle& style);

std::string report_text(const Request& request, const std::vector<Cell>& cells, const ReportStyle& style);
std::string report_json(const Request& request, const std::vector<Cell>& cells, const ReportStyle& style);

}  // namespace baton::blackout
