// SPDX-License-Identifier: GPL-2.0-only
// The RAM of a saved machine: a zstd frame of runs {u64 first frame, u64 frames, their pages}, ended by an empty run.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "sim/memory/physical_memory.hpp"

namespace baton::sim {

/// All frames that differ from background.
std::vector<u8> compress_ram(PhysicalMemory& memory);

/// Calls `page(frame, bytes)` for every frame, ascending. Throws SaveError, naming `what`, at the first thing that is
/// wrong: damaged, out of order, or a frame for which `is_ram` is false.
void decompress_ram(std::span<const u8> compressed, const std::string& what,
                    const std::function<bool(u64 frame)>& is_ram,
                    const std::function<void(u64 frame, const u8* bytes)>& page);

}  // namespace baton::sim
