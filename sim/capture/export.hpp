// SPDX-License-Identifier: GPL-2.0-only
// Writing a handover of ours as a capture (the format: sim/capture/capture.hpp; for people: docs/captures.md).
//
// The moment is the first line of the next kernel: relocation is over, so everything that kernel will read is in its
// place. Written is all that a kernel of that generation reads before it owns memory again, and what it must keep: the
// root FDT, tracker, subtrees, scratch array, the boot protocol's pieces, and the content of every preserved block.
// Blocks that touch share a file; pages of zeros are holes in it. Nothing of the kernel that happens to be ours is
// written: whoever receives the handover brings its own.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "sim/handover/handover.hpp"
#include "sim/memory_map.hpp"

namespace baton::sim {

class Machine;

struct HandoverToExport {
    std::string name;
    std::string note;
    GeometryId geometry = GeometryId::kX86_64;
    Generation generation = Generation::k6_18;  // of the kernel that wrote it
    const MachineMap& map;
    BootHandover boot;
    Handover handover;
    PhysAddr argument;  // zero page, or device tree
    PhysRange kernel;   // where the next kernel begins
    RamReader read;
    TouchedFrames touched;  // frames that are not visited are zero
};

/// What was written.
struct ExportedCapture {
    u64 segments = 0;
    u64 bytes = 0;         // that the segments cover
    u64 bytes_stored = 0;  // that are not holes
    u64 blocks = 0;
    u64 pages = 0;
};

/// The handover that a machine has just been entered with: its kernel stands at kernel.entry. Throws InputError if it
/// was not handed anything.
HandoverToExport handover_of(Machine& machine, const std::string& name);

/// Writes the folder whole or not at all: beside it first, then renamed. A folder that is there must be empty. Throws
/// InputError that names what could not be written.
ExportedCapture export_capture(const HandoverToExport& handover, const std::filesystem::path& folder);

}  // namespace baton::sim
