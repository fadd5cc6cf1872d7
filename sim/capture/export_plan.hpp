// SPDX-License-Identifier: GPL-2.0-only
// Exporting, inside: which memory goes to which file.
#pragma once

#include <string>
#include <vector>

#include "sim/capture/export.hpp"

namespace baton::sim {

struct PlannedSegment {
    PhysRange range;
    std::string file;
};

/// The pieces of the boot protocol that a capture stores or names.
struct PlannedBoot {
    PhysAddr command_line;  // x86-64
    PhysAddr setup_data;    // x86-64: the KHO node
    std::string command_line_text;
    std::vector<u8> tree;  // AArch64
};

struct ExportPlan {
    std::vector<PlannedSegment> segments;  // ascending, disjoint
    PlannedBoot boot;
};

/// Throws InputError if the boot data cannot be read.
ExportPlan plan_export(const HandoverToExport& handover);

/// manifest.json.
std::string manifest_text(const HandoverToExport& handover, const ExportPlan& plan);

}  // namespace baton::sim
