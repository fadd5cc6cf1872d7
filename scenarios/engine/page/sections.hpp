// SPDX-License-Identifier: GPL-2.0-only
// The parts of the HTML report, each a piece of markup.
#pragma once

#include <string>
#include <vector>

#include "scenarios/engine/result.hpp"

namespace baton::scenarios::page {

/// Everything about one run, folded away if it passed and there are others. `index` from 0.
std::string run_section(const RunResult& r, std::size_t index, bool open);
/// What is wrong, where the scenario says so, and what the kernels said before.
std::string findings_section(const RunResult& r);
std::string hop_section(const RunResult& r, std::size_t index);
/// A line a phase: its time as a bar, its work as counts.
std::string phase_table(const std::vector<PhaseWork>& phases);
/// All RAM to scale, by owner: at the jump and when the next kernel was up.
std::string memory_strips(const RunResult& r, const Hop& hop);
/// The log, every line or those of [first, end).
std::string log_lines(const std::vector<LogLine>& log, std::size_t first, std::size_t end, u32 step_of_interest);

/// "pass", "fail", … in its colour.
std::string verdict_badge(const RunResult& r);
/// "83 ns", "4513.6 us", "11.0 ms".
std::string time_text(u64 ns);
/// Time of the phases in which the service does not run.
u64 dark_ns(const std::vector<PhaseWork>& phases);

}  // namespace baton::scenarios::page
