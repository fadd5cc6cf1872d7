// SPDX-License-Identifier: GPL-2.0-only
// The registers of a CPU by name: how a guest is saved, hashed and shown (decision D22).
//
// Names, not offsets into Unicorn's context, because a saved machine must load with another Unicorn. Everything a Baton
// kernel can leave behind in a CPU is here; performance counters, debug registers and EL2/EL3 state are not, as no
// kernel may touch them.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sim/cpu/engine.hpp"
#include "sim/services.hpp"

namespace baton::sim {

CpuFields save_registers(const Engine& engine);
/// Fields of other names are ignored. Throws EngineError if a register is missing or has another size. Flushes the TLB;
/// translated code stays (see Engine::flush_code).
void restore_registers(Engine& engine, const CpuFields& fields);

/// A register of 64 bits by its name ("rax", "cr3", "x0", "ttbr1_el1"); throws EngineError for others.
u64 read_register(const Engine& engine, std::string_view name);
void write_register(Engine& engine, std::string_view name, u64 value);

/// The 64-bit registers for a report, in reading order.
std::vector<std::pair<std::string_view, u64>> shown_registers(const Engine& engine);

}  // namespace baton::sim
