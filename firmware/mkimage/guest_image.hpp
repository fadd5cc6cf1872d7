// SPDX-License-Identifier: GPL-2.0-only
// The kernel of a guest, from the ELF files that its linker wrote: firmware/image.ld and, on x86-64, the purgatory's.
#pragma once

#include <optional>

#include "firmware/mkimage/elf_file.hpp"

namespace baton::firmware {

/// Throws ElfError when the layout is not that of model/image_header.hpp.
Kernel guest_kernel(const Geometry& g, const ElfFile& kernel, const std::optional<ElfFile>& purgatory);

}  // namespace baton::firmware
