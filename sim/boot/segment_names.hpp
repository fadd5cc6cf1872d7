// SPDX-License-Identifier: GPL-2.0-only
// What the segments of a loaded image are, in the order of placement (specs/kexec.md §5.1, §5.2).
#pragma once

#include <string>

#include "model/geometry.hpp"
#include "model/kexec/kexec.hpp"

namespace baton::sim {

/// "scratch array", "purgatory", "boot params", "kernel", "initrd", "device tree"; "segment 7" for what has no name.
std::string segment_name(Isa isa, const Kimage& image, u32 index);

}  // namespace baton::sim
