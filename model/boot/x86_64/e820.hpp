// SPDX-License-Identifier: GPL-2.0-only
// The firmware's memory map as a kernel wants it (specs/boot.md §1; specs/kexec.md §9).
#pragma once

#include <span>

#include "model/boot/boot.hpp"
#include "model/boot/x86_64/boot_params.hpp"

namespace baton::boot {

/// Turns a raw map into one that is ascending, disjoint and without empty entries: where entries overlap the higher
/// type wins, neighbours of one type are joined (persistent memory stays apart). Returns how many entries of `out` it
/// wrote; what does not fit is dropped with a message.
u32 sanitise_e820(std::span<const E820Entry> raw, std::span<MemoryMapEntry> out);

}  // namespace baton::boot
