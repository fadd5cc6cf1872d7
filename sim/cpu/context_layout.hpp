// SPDX-License-Identifier: GPL-2.0-only
// Where Unicorn keeps error codes, syndromes and fault addresses: found by provoking exceptions whose values are known.
#pragma once

#include "sim/cpu/engine.hpp"

namespace baton::sim {

/// Throws EngineError if no place of a saved context fits all the exceptions.
ContextLayout find_context_layout(Isa isa);

}  // namespace baton::sim
