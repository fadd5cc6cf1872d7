// SPDX-License-Identifier: GPL-2.0-only
#include "sim/cpu/memory_operands.hpp"

#include <capstone/capstone.h>
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

#include "sim/cpu/registers.hpp"

namespace baton::sim {
namespace {

struct FreeInstruction {
    void operator()(cs_insn* i) const { cs_free(i, 1); }
};

/// One decoded instruction and what it needs to look up registers.
struct Decoded {
    const Engine& engine;
    std::size_t handle;
    const cs_insn& insn;

    /// By Capstone's number; halves of registers are cut out of the whole, absent and zero registers are 0.
    u64 value(unsigned id) const {
        const char* const known = id == 0 ? nullptr : cs_reg_name(handle, id);
        if (known == nullptr) return 0;
        std::string name = known;
        if (name == "xzr" || name == "wzr" || name == "riz" || name == "eiz") return 0;
        if (name == "wsp") name = "sp";
        const bool half = name[0] == 'w' || name[0] == 'e' || (name[0] == 'r' && name.back() == 'd');
        if (name[0] == 'w') name[0] = 'x';
        if (name[0] == 'e') name[0] = 'r';
        if (half && name[0] == 'r' && name.back() == 'd') name.pop_back();
        const u64 whole = read_register(engine, name);
        return half ? whole & 0xffffffff : whole;
    }
    std::string_view mnemonic() const { return insn.mnemonic; }
};

// --- x86-64 ---------------------------------------------------------------------------------------------------------

bool only_computes_address(unsigned id) {
    constexpr unsigned kNoAccess[] = {X86_INS_LEA,        X86_INS_NOP,        X86_INS_INVLPG,
                                      X86_INS_CLFLUSH,    X86_INS_CLFLUSHOPT, X86_INS_PREFETCHT0,
                                      X86_INS_PREFETCHT1, X86_INS_PREFETCHT2, X86_INS_PREFETCHNTA};
    return std::ranges::find(kNoAccess, id) != std::end(kNoAccess);
}

u64 x86_address(const Decoded& d, const x86_op_mem& m) {
    u64 segment = 0;
    if (m.segment == X86_REG_FS) segment = read_register(d.engine, "fs_base");
    if (m.segment == X86_REG_GS) segment = read_register(d.engine, "gs_base");
    const u64 base = m.base == X86_REG_RIP ? d.insn.address + d.insn.size : d.value(m.base);
    const u64 sum = base + d.value(m.index) * static_cast<u64>(m.scale) + static_cast<u64>(m.disp);
    return segment + (d.insn.detail->x86.addr_size == 4 ? sum & 0xffffffff : sum);
}

void add_x86_stack(const Decoded& d, std::vector<MemoryAccess>& all) {
    const u64 sp = d.engine.sp();
    const std::string_view m = d.mnemonic();
    if (m.starts_with("push") || m == "call") all.push_back({sp - 8, 8, false, true});
    if (m.starts_with("pop") || m == "ret") all.push_back({sp, 8, true, false});
    if (m == "leave") all.push_back({d.engine.frame_pointer(), 8, true, false});
    if (m == "iretq") all.push_back({sp, 40, true, false});
}

std::vector<MemoryAccess> x86_accesses(const Decoded& d) {
    std::vector<MemoryAccess> all;
    const cs_x86& x86 = d.insn.detail->x86;
    for (u8 i = 0; i < x86.op_count && !only_computes_address(d.insn.id); ++i) {
        const cs_x86_op& op = x86.operands[i];
        if (op.type != X86_OP_MEM) continue;
        const bool write = (op.access & CS_AC_WRITE) != 0;
        const bool read = (op.access & CS_AC_READ) != 0 || !write;
        all.push_back({x86_address(d, op.mem), op.size, read, write});
    }
    add_x86_stack(d, all);
    return all;
}

// --- AArch64 --------------------------------------------------------------------------------------------------------

u64 extended(u64 value, arm64_extender extender) {
    switch (extender) {
        case ARM64_EXT_UXTW: return value & 0xffffffff;
        case ARM64_EXT_SXTW: return static_cast<u64>(static_cast<i64>(static_cast<i32>(value)));
        default: return value;
    }
}

u64 arm_address(const Decoded& d, const cs_arm64_op& op) {
    u64 address = d.value(op.mem.base);
    // The new value of the base after the access is not part of the address.
    const bool post_indexed = std::string_view(d.insn.op_str).find("], ") != std::string_view::npos;
    if (post_indexed) return address;
    u64 index = extended(d.value(op.mem.index), op.ext);
    if (op.shift.type == ARM64_SFT_LSL) index <<= op.shift.value;
    return address + index + static_cast<u64>(static_cast<i64>(op.mem.disp));
}

u32 register_bytes(std::string_view name) {
    switch (name.empty() ? ' ' : name[0]) {
        case 'b': return 1;
        case 'h': return 2;
        case 'w':
        case 's': return name == "sp" ? 8 : 4;
        case 'q':
        case 'v': return 16;
        default: return 8;
    }
}

// The width that the mnemonic says, else that of the registers that are moved.
u32 arm_bytes(const Decoded& d) {
    const cs_arm64& arm = d.insn.detail->arm64;
    const std::string_view m = d.mnemonic();
    if (m == "ldpsw") return 8;
    if (m.ends_with("sw")) return 4;
    if (m.starts_with("ld") || m.starts_with("st")) {
        if (m.ends_with("rb") || m.ends_with("sb")) return 1;
        if (m.ends_with("rh") || m.ends_with("sh")) return 2;
    }
    u32 bytes = 0;
    for (u8 i = 0; i < arm.op_count; ++i)
        if (arm.operands[i].type == ARM64_OP_REG)
            bytes = register_bytes(cs_reg_name(d.handle, static_cast<unsigned>(arm.operands[i].reg)));
    const bool pair = m.find('p') != std::string_view::npos;
    return pair ? 2 * bytes : bytes;
}

std::vector<MemoryAccess> arm_accesses(const Decoded& d) {
    const cs_arm64& arm = d.insn.detail->arm64;
    const std::string_view m = d.mnemonic();
    const bool load = m.starts_with("ld");
    const bool store = m.starts_with("st");
    const bool both = m.starts_with("cas") || m.starts_with("swp") || m.starts_with("ldadd") ||
                      m.starts_with("ldclr") || m.starts_with("ldset") || m.starts_with("ldeor");
    std::vector<MemoryAccess> all;
    if (!load && !store && !both) return all;
    for (u8 i = 0; i < arm.op_count; ++i)
        if (arm.operands[i].type == ARM64_OP_MEM)
            all.push_back({arm_address(d, arm.operands[i]), arm_bytes(d), load || both, store || both});
    return all;
}

}  // namespace

OperandReader::OperandReader(Isa isa) {
    const bool x86 = isa == Isa::kX86_64;
    const cs_err error = cs_open(x86 ? CS_ARCH_X86 : CS_ARCH_ARM64, x86 ? CS_MODE_64 : CS_MODE_LITTLE_ENDIAN, &handle_);
    if (error != CS_ERR_OK) throw std::runtime_error(fmt::format("Capstone: {}", cs_strerror(error)));
    cs_option(handle_, CS_OPT_DETAIL, CS_OPT_ON);
}

OperandReader::~OperandReader() { cs_close(&handle_); }

std::vector<MemoryAccess> OperandReader::accesses(const Engine& engine, std::span<const u8> code) const {
    const std::unique_ptr<cs_insn, FreeInstruction> one(cs_malloc(handle_));
    const u8* p = code.data();
    std::size_t left = code.size();
    u64 address = engine.pc();
    if (!cs_disasm_iter(handle_, &p, &left, &address, one.get())) return {};
    const Decoded decoded{engine, handle_, *one};
    try {
        return engine.isa() == Isa::kX86_64 ? x86_accesses(decoded) : arm_accesses(decoded);
    } catch (const EngineError&) {
        return {};  // addressed through what is not a 64-bit register: a gather
    }
}

}  // namespace baton::sim
