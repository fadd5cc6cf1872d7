// SPDX-License-Identifier: GPL-2.0-only
// The files that a kexec is made of, as userspace of the running kernel holds them.
#pragma once

#include <span>
#include <vector>

#include "sim/machine.hpp"

namespace baton::scenarios {

/// What stands in for an initrd: bytes that no compression shortens, the same for the same seed.
std::vector<u8> initrd_bytes(u64 seed, u64 bytes);

/// Userspace writes a file that Op::kFileCreate made: data pages are listed in a chain of index pages that begins at
/// `index` (model/files.hpp).
void write_file(sim::Machine& machine, PhysAddr index, std::span<const u8> bytes);

}  // namespace baton::scenarios
