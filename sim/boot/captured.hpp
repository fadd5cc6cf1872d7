// SPDX-License-Identifier: GPL-2.0-only
// The boot loader role for a captured handover: RAM becomes what the capture says the next kernel found, and a kernel
// of ours is put where the captured one began (docs/captures.md, "Boot from it").
//
// What the capture holds is used as it is. Only what it leaves out is made: the zero page, its tables for the entry,
// content of patterned regions; and only what cannot stay is adapted, each with a sentence that says so: an image that
// does not fit where the captured one lay, a command line that somebody wants changed. Whatever is made lies in scratch
// or in memory that nobody preserves, as a kexec would have put it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/boot/loader.hpp"
#include "sim/capture/capture.hpp"

namespace baton::sim {

struct CapturedBoot {
    LoadedBoot loaded;
    std::vector<std::string> notes;  // what is not as it was captured
};

/// Writes all of it; no command line: the captured one. Throws LoaderError for what cannot be placed on that machine,
/// InputError for a file of the capture that cannot be read.
CapturedBoot load_captured(const MachineMap& map, PhysicalMemory& memory, const Capture& capture,
                           const ImageFile& image, std::optional<std::string_view> command_line);

}  // namespace baton::sim
