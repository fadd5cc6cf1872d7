// SPDX-License-Identifier: GPL-2.0-only
// Looks for a handover in memory that nobody says anything about: one pass over the stored bytes.
//
// Root FDTs begin a page and say so (magic, compatible string). What the boot protocol would hand over is found beside
// them: on x86-64 a setup_data node of type 10, which names a root FDT, on AArch64 a device tree with the two /chosen
// properties. Memory holds several of each after several kexecs; a root that a record names, and whose tracker reads
// cleanly, comes first.
#pragma once

#include "sim/inspect/source.hpp"

namespace baton::sim {

struct FoundHandover {
    BootHandover boot;  // record empty: only the root FDT was found
    std::string how;    // "setup_data node at 0x…", "device tree at 0x…", "root FDT's magic"
};

/// All that were found, or those of one root FDT; the best first.
std::vector<FoundHandover> find_handovers(const Source& source, std::optional<PhysAddr> fdt = {});

}  // namespace baton::sim
