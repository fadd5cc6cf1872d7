// SPDX-License-Identifier: GPL-2.0-only
// Will this image, initrd and kho_scratch= fit on that machine? (docs/captures.md, "Will it fit?")
//
// Nothing here knows how anything is placed. A machine with that memory map boots a kernel with that command line, and
// that kernel loads the image: whatever comes of it, places or errno, is the kernel's own answer
// (model/kho/scratch.cpp, model/kexec). Then the same machine hands over to a kernel of ours beside as much memory as
// the image takes, so that a scratch that takes the segments but starves the next kernel's early boot is found, too.
//
// The kernels are of ours, so sizes that are derived from what a kernel has reserved for itself (kho_scratch=N%) are
// those of a small kernel.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sim/image/image_file.hpp"
#include "sim/memory_map.hpp"

namespace baton::sim {

struct FitRequest {
    MachineMap map;
    ImageFile kernel;       // of ours, configured: it does the loading, and stands for the next one
    std::vector<u8> image;  // boot image of the next kernel: a bzImage or an AArch64 Image
    u64 image_bytes = 0;    // what it takes in memory
    u64 initrd_bytes = 0;   // 0 = none
    std::string scratch;    // value of kho_scratch=; empty: the default
};

struct FitSegment {
    std::string name;
    PhysRange at;
};

struct FitArea {
    PhysRange range;
    u64 largest_hole = 0;  // bytes that are left in one piece
};

struct FitAnswer {
    bool fits = false;
    std::vector<FitArea> areas;        // scratch, in the order of the array; empty: KHO is disabled
    std::vector<FitSegment> segments;  // in the order of placement; empty: they found no places
    std::string error;                 // what the kernel answers: "EADDRNOTAVAIL", "KHO disabled", "panic: …"
    std::vector<std::string> log;      // what it says about it
    // What our kernels do without and Linux does not: its memory map comes from scratch, 64 bytes a page, at boot.
    u64 memmap_bytes = 0;
    u64 left_bytes = 0;  // of all areas, when the segments are placed
    bool memmap_fits() const { return memmap_bytes <= left_bytes; }
};

/// Throws MachineError or LoaderError if not even a kernel boots on that machine.
FitAnswer try_fit(const FitRequest& request);

/// The kho_scratch= value with the smallest low area that fits, global and node sizes as asked for (or as computed);
/// if none fits with those, with the smallest of both. Nothing: no low area does.
std::optional<std::string> smallest_scratch(const FitRequest& request);

/// A boot image without content that takes `image_bytes` of memory.
std::vector<u8> blank_image(GeometryId geometry, u64 image_bytes);
/// How many bytes of memory a boot image takes; nothing if it is none for this ISA (`why` says what it is).
std::optional<u64> boot_image_bytes(Isa isa, const std::vector<u8>& file, std::string& why);

}  // namespace baton::sim
