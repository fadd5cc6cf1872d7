// SPDX-License-Identifier: GPL-2.0-only
// What the boot loaders of both ISAs share: writing, and finding room from the top.
#pragma once

#include <fmt/format.h>

#include "model/bits.hpp"
#include "sim/boot/loader.hpp"

namespace baton::sim::boot_loader {

/// Everything a loader works with.
struct Job {
    const MachineMap& map;
    PhysicalMemory& memory;
    const ImageFile& image;
    std::string_view command_line;
    std::span<const u8> initrd;
};

LoadedBoot load_x86_64(const Job& job);
LoadedBoot load_aarch64(const Job& job);

/// Writes; throws LoaderError when `what` would not lie in RAM.
void put(const Job& job, std::string_view what, PhysAddr at, std::span<const u8> bytes);
/// Writes the image file's payload at `at`, after making sure that all of its memory is RAM below `end`.
PhysRange put_image(const Job& job, PhysAddr at, PhysAddr end);
/// Writes the initrd, page aligned, as high as possible below `limit` but above `floor`.
PhysRange put_initrd(const Job& job, PhysAddr floor, PhysAddr limit);

}  // namespace baton::sim::boot_loader
