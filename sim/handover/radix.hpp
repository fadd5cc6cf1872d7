// SPDX-License-Identifier: GPL-2.0-only
// The radix tracker of kho-v2 and later, as an observer reads it (specs/kho.md §2.3).
#pragma once

#include "sim/handover/handover.hpp"

namespace baton::sim {

/// Adds the nodes, in walk order, and the blocks below `root` to `out`. What cannot be read is a warning.
void read_radix(PhysAddr root, const Geometry& geometry, const RamReader& read, Handover& out);

}  // namespace baton::sim
