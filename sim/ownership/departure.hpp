// SPDX-License-Identifier: GPL-2.0-only
// What the host can know by itself about memory when a kernel is left, held against what the kernel claimed.
//
// At the jump the entry list says which frames are sources, list pages and destinations, and two trees of page tables
// which frames are tables; at the next kernel's first line the handover says what is preserved. All of it is read from
// RAM, with code that shares nothing with the model. Both ways: what RAM says must be claimed, and what is claimed must
// be borne out by RAM. The cost is that of the list, the tables and the tracker, not of the machine.
#pragma once

#include <vector>

#include "model/geometry.hpp"
#include "model/platform.hpp"
#include "sim/handover/handover.hpp"
#include "sim/memory/physical_memory.hpp"
#include "sim/ownership/claims.hpp"

namespace baton::sim {

/// The kernel has been left, and nothing has been copied yet.
struct Departure {
    const PhysicalMemory& memory;
    const OwnershipMap& owners;
    const Geometry& geometry;
    const platform::Jump& jump;
    PhysAddr root;  // of the page tables the kernel ran on
};
std::vector<ClaimFault> compare_departure(const Departure& departure);

/// `owners` as the kernel that is gone left it; `handover` is what the next one is told, empty if nothing.
std::vector<ClaimFault> compare_handover(const OwnershipMap& owners, const Geometry& geometry,
                                         const Handover& handover);

}  // namespace baton::sim
