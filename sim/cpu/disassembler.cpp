// SPDX-License-Identifier: GPL-2.0-only
#include "sim/cpu/disassembler.hpp"

#include <capstone/capstone.h>
#include <fmt/format.h>

#include <memory>
#include <stdexcept>

namespace baton::sim {

namespace {
constexpr u32 step_after_bad(Isa isa) { return isa == Isa::kX86_64 ? 1 : 4; }

struct FreeInstruction {
    void operator()(cs_insn* i) const { cs_free(i, 1); }
};
}  // namespace

Disassembler::Disassembler(Isa isa) : isa_(isa) {
    const bool x86 = isa == Isa::kX86_64;
    const cs_err error = cs_open(x86 ? CS_ARCH_X86 : CS_ARCH_ARM64, x86 ? CS_MODE_64 : CS_MODE_LITTLE_ENDIAN, &handle_);
    if (error != CS_ERR_OK) throw std::runtime_error(fmt::format("Capstone: {}", cs_strerror(error)));
}

Disassembler::~Disassembler() { cs_close(&handle_); }

std::vector<Instruction> Disassembler::decode(std::span<const u8> code, u64 address, std::size_t max) const {
    const std::unique_ptr<cs_insn, FreeInstruction> one(cs_malloc(handle_));
    std::vector<Instruction> all;
    const u8* p = code.data();
    std::size_t left = code.size();
    while (left != 0 && all.size() < max) {
        if (cs_disasm_iter(handle_, &p, &left, &address, one.get())) {
            const std::string_view operands = one->op_str;
            all.push_back({one->address, one->size,
                           operands.empty() ? one->mnemonic : fmt::format("{} {}", one->mnemonic, operands)});
            continue;
        }
        const u32 step = step_after_bad(isa_);
        if (left < step) break;
        all.push_back({address, step, "(bad)"});
        p += step;
        left -= step;
        address += step;
    }
    return all;
}

std::optional<u64> Disassembler::count(std::span<const u8> code) const {
    if (isa_ == Isa::kAArch64) return code.size() % 4 == 0 ? std::optional<u64>(code.size() / 4) : std::nullopt;
    const std::unique_ptr<cs_insn, FreeInstruction> one(cs_malloc(handle_));
    const u8* p = code.data();
    std::size_t left = code.size();
    u64 address = 0;
    u64 n = 0;
    for (; left != 0; ++n)
        if (!cs_disasm_iter(handle_, &p, &left, &address, one.get())) return std::nullopt;
    return n;
}

}  // namespace baton::sim
