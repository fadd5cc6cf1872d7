// SPDX-License-Identifier: GPL-2.0-only
// Boot image files (decisions D11, D34): a bzImage whose payload is the flat kernel, or an AArch64 Image. What is in
// the kernel comes either from the linked ELF of a guest (guest_image.hpp), or is filler (filler.hpp) for hosts that
// cannot build one; the file around it is made here.
#pragma once

#include <vector>

#include "model/geometry.hpp"
#include "model/image_header.hpp"

namespace baton::firmware {

using Bytes = std::vector<u8>;

/// A kernel as it lies in memory, from its first byte to the end of what the file holds, and where things are in it.
struct Kernel {
    Bytes bytes;  // the entry code is in place; the headers are still empty
    u64 text_offset = 0;
    u64 text_size = 0;
    u64 relocate_offset = 0;
    u64 relocate_size = 0;
    u64 purgatory_offset = 0;  // a whole blob with its PurgatoryHeader, but for the hash of its code
    u64 purgatory_size = 0;    // 0: none (AArch64)
    u32 labels[8] = {};        // 0: no machine code (filler)
};

/// Generation 6.18, newest kexec base, no defects. The same kernel gives the same bytes, everywhere and always.
Bytes build_image_file(const Geometry& g, Kernel kernel);

}  // namespace baton::firmware
