// SPDX-License-Identifier: GPL-2.0-only
// Which memory the instruction at the pc is about to access, from its operands and the registers (Capstone).
//
// For reports: what a trace shows beside an instruction. It knows the operands that are written down, and the stack of
// calls, returns, pushes and pops; not the tables that segment loads or the page walk itself read.
#pragma once

#include <span>
#include <vector>

#include "sim/cpu/engine.hpp"

namespace baton::sim {

struct MemoryAccess {
    u64 address = 0;
    u32 bytes = 0;
    bool read = false;
    bool write = false;
};

class OperandReader {
public:
    /// Throws std::runtime_error if Capstone was built without this ISA.
    explicit OperandReader(Isa isa);
    OperandReader(const OperandReader&) = delete;
    OperandReader& operator=(const OperandReader&) = delete;
    ~OperandReader();

    /// Of the first instruction in `code`, which stands at the engine's pc. Nothing for what is no instruction.
    std::vector<MemoryAccess> accesses(const Engine& engine, std::span<const u8> code) const;

private:
    std::size_t handle_ = 0;
};

}  // namespace baton::sim
