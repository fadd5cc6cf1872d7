// SPDX-License-Identifier: GPL-2.0-only
// Machine code as text, and where its instructions begin (Capstone).
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "model/geometry.hpp"

namespace baton::sim {

struct Instruction {
    u64 address = 0;
    u32 bytes = 0;
    std::string text;  // mnemonic and operands; "(bad)" where no instruction begins
};

class Disassembler {
public:
    /// Throws std::runtime_error if Capstone was built without this ISA.
    explicit Disassembler(Isa isa);
    Disassembler(const Disassembler&) = delete;
    Disassembler& operator=(const Disassembler&) = delete;
    ~Disassembler();

    /// At most `max` instructions from the first byte on, which lies at `address`.
    std::vector<Instruction> decode(std::span<const u8> code, u64 address, std::size_t max) const;
    /// How many instructions stand in `code`; nothing if its end is not the end of one.
    std::optional<u64> count(std::span<const u8> code) const;

private:
    const Isa isa_;
    std::size_t handle_ = 0;
};

}  // namespace baton::sim
