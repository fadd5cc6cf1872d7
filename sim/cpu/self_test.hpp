// SPDX-License-Identifier: GPL-2.0-only
// What Baton assumes of the emulator, tried out before it is trusted.
//
// Unicorn's documentation promises little of what exact stops, coherent code and crash reports rest on, and versions
// differ (2.0.1 discards x86-64 translations, 2.1.1 runs stale code after a store to it). So the first guest of a
// process runs a dozen tiny programs, 2 to 4 ms an ISA, and refuses to go on if one behaves otherwise.
#pragma once

#include <string_view>
#include <vector>

#include "sim/cpu/engine.hpp"

namespace baton::sim {

/// Runs the tests of this ISA once per process. Throws EngineError that names the assumption that does not hold.
void require_sound_emulator(Isa isa);

/// The assumptions in words, the ones that are tried out above.
std::vector<std::string_view> emulator_assumptions();

}  // namespace baton::sim
