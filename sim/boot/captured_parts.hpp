// SPDX-License-Identifier: GPL-2.0-only
// Booting from a capture, inside: memory first, then the boot protocol of the ISA.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/boot/captured.hpp"
#include "sim/boot/placement.hpp"
#include "sim/boot/room.hpp"

namespace baton::sim::boot_loader {

struct CapturedJob {
    /// Puts segments and patterned regions into RAM. Throws LoaderError, InputError.
    CapturedJob(const MachineMap& on_map, PhysicalMemory& in_memory, const Capture& of, const ImageFile& with);

    /// A place for something that is made: where it is wanted, or else the nearest in scratch. Throws LoaderError.
    PhysAddr place(std::string_view what, u64 size, u64 align, std::optional<PhysAddr> wanted);
    PhysRange place_image();

    const MachineMap& map;
    PhysicalMemory& memory;
    const Capture& capture;
    const ImageFile& image;
    Room room;                       // less all that was captured
    std::vector<PhysRange> scratch;  // in the order of the array, without the empty ones
    std::vector<std::string> notes;

private:
    void place_memory();
    void find_scratch();
    void take_what_is_known();
    std::optional<PhysAddr> in_scratch(u64 size, u64 align, PhysAddr wanted) const;
};

LoadedBoot enter_captured_x86_64(CapturedJob& job, std::optional<std::string_view> command_line);
LoadedBoot enter_captured_aarch64(CapturedJob& job, std::optional<std::string_view> command_line);

}  // namespace baton::sim::boot_loader
