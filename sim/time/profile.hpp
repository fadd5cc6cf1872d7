// SPDX-License-Identifier: GPL-2.0-only
// A platform profile: what one unit of work costs on some machine. It turns the ledger's counts into time.
//
// Counts are facts of the algorithms; a profile is a model of one machine, and every figure names its source. Reports
// say which profile they used.
#pragma once

#include <array>
#include <string>

#include "model/work.hpp"

namespace baton::sim {

struct WorkCost {
    Work work = Work::kCount;
    u64 ps = 0;             // picoseconds a unit
    bool per_page = false;  // a unit is a page: `ps` is for 4 KiB and grows with the kernel's page size
    std::string source;     // where the figure comes from; "model parameter" if nobody measured it
};

struct Profile {
    std::string name;
    std::array<WorkCost, kWorkCount> costs;  // in the order of Work
};

/// A server of about 2020–2025, from the figures of specs/kexec.md §12 and specs/kho.md §6.2.
const Profile& generic_profile();

}  // namespace baton::sim
