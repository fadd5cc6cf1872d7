// SPDX-License-Identifier: GPL-2.0-only
#include "sim/cpu/registers.hpp"

#include <fmt/format.h>
#include <unicorn/unicorn.h>

#include <algorithm>
#include <cstring>
#include <span>

#include "sim/cpu/time_traps.hpp"

namespace baton::sim {
namespace {

struct Row {
    enum class Kind { kPlain, kSelector, kTable, kVector, kMsr, kSystem } kind;
    std::string_view name;
    int id;                   // Unicorn's number, or the MSR's
    SystemRegister system{};  // kSystem
};
using Kind = Row::Kind;

inline constexpr std::size_t kTableBytes = 18;  // selector, base, limit, flags
constexpr std::size_t bytes_of(const Row& row) {
    switch (row.kind) {
        case Kind::kSelector: return 2;
        case Kind::kTable: return kTableBytes;
        case Kind::kVector: return 16;
        default: return 8;
    }
}

// In the order of restoring: mode before segments, segments before the bases that loading them clears.
constexpr Row kX86[] = {
    {Kind::kMsr, "efer", static_cast<int>(0xc0000080)},
    {Kind::kPlain, "cr4", UC_X86_REG_CR4},
    {Kind::kPlain, "cr3", UC_X86_REG_CR3},
    {Kind::kPlain, "cr0", UC_X86_REG_CR0},
    {Kind::kPlain, "cr2", UC_X86_REG_CR2},
    {Kind::kTable, "gdtr", UC_X86_REG_GDTR},
    {Kind::kTable, "idtr", UC_X86_REG_IDTR},
    {Kind::kSelector, "cs", UC_X86_REG_CS},
    {Kind::kSelector, "ss", UC_X86_REG_SS},
    {Kind::kSelector, "ds", UC_X86_REG_DS},
    {Kind::kSelector, "es", UC_X86_REG_ES},
    {Kind::kSelector, "fs", UC_X86_REG_FS},
    {Kind::kSelector, "gs", UC_X86_REG_GS},
    {Kind::kPlain, "fs_base", UC_X86_REG_FS_BASE},
    {Kind::kPlain, "gs_base", UC_X86_REG_GS_BASE},
    {Kind::kMsr, "kernel_gs_base", static_cast<int>(0xc0000102)},
    {Kind::kMsr, "star", static_cast<int>(0xc0000081)},
    {Kind::kMsr, "lstar", static_cast<int>(0xc0000082)},
    {Kind::kMsr, "fmask", static_cast<int>(0xc0000084)},
    {Kind::kPlain, "mxcsr", UC_X86_REG_MXCSR},
    {Kind::kPlain, "fpcw", UC_X86_REG_FPCW},
    {Kind::kPlain, "rax", UC_X86_REG_RAX},
    {Kind::kPlain, "rbx", UC_X86_REG_RBX},
    {Kind::kPlain, "rcx", UC_X86_REG_RCX},
    {Kind::kPlain, "rdx", UC_X86_REG_RDX},
    {Kind::kPlain, "rsi", UC_X86_REG_RSI},
    {Kind::kPlain, "rdi", UC_X86_REG_RDI},
    {Kind::kPlain, "rbp", UC_X86_REG_RBP},
    {Kind::kPlain, "rsp", UC_X86_REG_RSP},
    {Kind::kPlain, "r8", UC_X86_REG_R8},
    {Kind::kPlain, "r9", UC_X86_REG_R9},
    {Kind::kPlain, "r10", UC_X86_REG_R10},
    {Kind::kPlain, "r11", UC_X86_REG_R11},
    {Kind::kPlain, "r12", UC_X86_REG_R12},
    {Kind::kPlain, "r13", UC_X86_REG_R13},
    {Kind::kPlain, "r14", UC_X86_REG_R14},
    {Kind::kPlain, "r15", UC_X86_REG_R15},
    {Kind::kPlain, "rip", UC_X86_REG_RIP},
    {Kind::kPlain, "rflags", UC_X86_REG_RFLAGS},
};

// PSTATE first; the system registers after it make Unicorn notice the change.
constexpr Row kArm[] = {
    {Kind::kPlain, "pstate", UC_ARM64_REG_PSTATE},
    {Kind::kSystem, "scr_el3", 0, {3, 6, 1, 1, 0}},
    {Kind::kSystem, "hcr_el2", 0, {3, 4, 1, 1, 0}},
    {Kind::kSystem, "cpacr_el1", 0, {3, 0, 1, 0, 2}},
    {Kind::kSystem, "mair_el1", 0, {3, 0, 10, 2, 0}},
    {Kind::kSystem, "tcr_el1", 0, {3, 0, 2, 0, 2}},
    {Kind::kSystem, "ttbr0_el1", 0, {3, 0, 2, 0, 0}},
    {Kind::kSystem, "ttbr1_el1", 0, {3, 0, 2, 0, 1}},
    {Kind::kSystem, "vbar_el1", 0, {3, 0, 12, 0, 0}},
    {Kind::kSystem, "esr_el1", 0, {3, 0, 5, 2, 0}},
    {Kind::kSystem, "far_el1", 0, {3, 0, 6, 0, 0}},
    {Kind::kSystem, "elr_el1", 0, {3, 0, 4, 0, 1}},
    {Kind::kSystem, "spsr_el1", 0, {3, 0, 4, 0, 0}},
    {Kind::kSystem, "contextidr_el1", 0, {3, 0, 13, 0, 1}},
    {Kind::kSystem, "tpidr_el1", 0, {3, 0, 13, 0, 4}},
    {Kind::kSystem, "tpidr_el0", 0, {3, 3, 13, 0, 2}},
    {Kind::kSystem, "tpidrro_el0", 0, {3, 3, 13, 0, 3}},
    {Kind::kSystem, "sctlr_el1", 0, {3, 0, 1, 0, 0}},
    {Kind::kPlain, "fpcr", UC_ARM64_REG_FPCR},
    {Kind::kPlain, "fpsr", UC_ARM64_REG_FPSR},
    {Kind::kPlain, "sp_el0", UC_ARM64_REG_SP_EL0},
    {Kind::kPlain, "x0", UC_ARM64_REG_X0},
    {Kind::kPlain, "x1", UC_ARM64_REG_X1},
    {Kind::kPlain, "x2", UC_ARM64_REG_X2},
    {Kind::kPlain, "x3", UC_ARM64_REG_X3},
    {Kind::kPlain, "x4", UC_ARM64_REG_X4},
    {Kind::kPlain, "x5", UC_ARM64_REG_X5},
    {Kind::kPlain, "x6", UC_ARM64_REG_X6},
    {Kind::kPlain, "x7", UC_ARM64_REG_X7},
    {Kind::kPlain, "x8", UC_ARM64_REG_X8},
    {Kind::kPlain, "x9", UC_ARM64_REG_X9},
    {Kind::kPlain, "x10", UC_ARM64_REG_X10},
    {Kind::kPlain, "x11", UC_ARM64_REG_X11},
    {Kind::kPlain, "x12", UC_ARM64_REG_X12},
    {Kind::kPlain, "x13", UC_ARM64_REG_X13},
    {Kind::kPlain, "x14", UC_ARM64_REG_X14},
    {Kind::kPlain, "x15", UC_ARM64_REG_X15},
    {Kind::kPlain, "x16", UC_ARM64_REG_X16},
    {Kind::kPlain, "x17", UC_ARM64_REG_X17},
    {Kind::kPlain, "x18", UC_ARM64_REG_X18},
    {Kind::kPlain, "x19", UC_ARM64_REG_X19},
    {Kind::kPlain, "x20", UC_ARM64_REG_X20},
    {Kind::kPlain, "x21", UC_ARM64_REG_X21},
    {Kind::kPlain, "x22", UC_ARM64_REG_X22},
    {Kind::kPlain, "x23", UC_ARM64_REG_X23},
    {Kind::kPlain, "x24", UC_ARM64_REG_X24},
    {Kind::kPlain, "x25", UC_ARM64_REG_X25},
    {Kind::kPlain, "x26", UC_ARM64_REG_X26},
    {Kind::kPlain, "x27", UC_ARM64_REG_X27},
    {Kind::kPlain, "x28", UC_ARM64_REG_X28},
    {Kind::kPlain, "x29", UC_ARM64_REG_X29},
    {Kind::kPlain, "x30", UC_ARM64_REG_X30},
    {Kind::kPlain, "sp", UC_ARM64_REG_SP},
    {Kind::kPlain, "pc", UC_ARM64_REG_PC},
};

std::vector<Row> with_vectors(std::span<const Row> rows, int first, int count, std::string_view const* names) {
    std::vector<Row> all(rows.begin(), rows.end());
    for (int i = 0; i < count; ++i) all.push_back({Kind::kVector, names[i], first + i});
    return all;
}

constexpr std::string_view kXmm[] = {"xmm0", "xmm1", "xmm2",  "xmm3",  "xmm4",  "xmm5",  "xmm6",  "xmm7",
                                     "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15"};
constexpr std::string_view kV[] = {"v0",  "v1",  "v2",  "v3",  "v4",  "v5",  "v6",  "v7",  "v8",  "v9",  "v10",
                                   "v11", "v12", "v13", "v14", "v15", "v16", "v17", "v18", "v19", "v20", "v21",
                                   "v22", "v23", "v24", "v25", "v26", "v27", "v28", "v29", "v30", "v31"};

std::span<const Row> rows(Isa isa) {
    static const std::vector<Row> kX86All = with_vectors(kX86, UC_X86_REG_XMM0, std::size(kXmm), kXmm);
    static const std::vector<Row> kArmAll = with_vectors(kArm, UC_ARM64_REG_Q0, std::size(kV), kV);
    return isa == Isa::kX86_64 ? kX86All : kArmAll;
}

void require(uc_err error, const Row& row) {
    if (error != UC_ERR_OK) throw EngineError(fmt::format("Unicorn: register {}: {}", row.name, uc_strerror(error)));
}

uc_arm64_cp_reg cp_reg(const SystemRegister& s) {
    return {.crn = s.crn, .crm = s.crm, .op0 = s.op0, .op1 = s.op1, .op2 = s.op2, .val = 0};
}

void read_row(const Engine& e, const Row& row, u8* to) {
    if (row.kind == Kind::kMsr) {
        uc_x86_msr msr{.rid = static_cast<u32>(row.id), .value = 0};
        require(uc_reg_read(e.raw(), UC_X86_REG_MSR, &msr), row);
        std::memcpy(to, &msr.value, sizeof(msr.value));
    } else if (row.kind == Kind::kSystem) {
        uc_arm64_cp_reg reg = cp_reg(row.system);
        require(uc_reg_read(e.raw(), UC_ARM64_REG_CP_REG, &reg), row);
        std::memcpy(to, &reg.val, sizeof(reg.val));
    } else if (row.kind == Kind::kTable) {
        uc_x86_mmr table{};
        require(uc_reg_read(e.raw(), row.id, &table), row);
        std::memcpy(to, &table.selector, 2);
        std::memcpy(to + 2, &table.base, 8);
        std::memcpy(to + 10, &table.limit, 4);
        std::memcpy(to + 14, &table.flags, 4);
    } else {
        require(uc_reg_read(e.raw(), row.id, to), row);  // writes at most bytes_of(row); the rest was zero
    }
}

void write_row(Engine& e, const Row& row, const u8* from) {
    if (row.kind == Kind::kMsr) {
        uc_x86_msr msr{.rid = static_cast<u32>(row.id), .value = 0};
        std::memcpy(&msr.value, from, sizeof(msr.value));
        require(uc_reg_write(e.raw(), UC_X86_REG_MSR, &msr), row);
    } else if (row.kind == Kind::kSystem) {
        uc_arm64_cp_reg reg = cp_reg(row.system);
        std::memcpy(&reg.val, from, sizeof(reg.val));
        require(uc_reg_write(e.raw(), UC_ARM64_REG_CP_REG, &reg), row);
    } else if (row.kind == Kind::kTable) {
        uc_x86_mmr table{};
        std::memcpy(&table.selector, from, 2);
        std::memcpy(&table.base, from + 2, 8);
        std::memcpy(&table.limit, from + 10, 4);
        std::memcpy(&table.flags, from + 14, 4);
        require(uc_reg_write(e.raw(), row.id, &table), row);
    } else if (row.kind == Kind::kSelector) {
        // Loading a segment reads the descriptor table through the page tables. A kernel may have left it behind
        // (specs/kexec.md §7.3: limit 0); its segments are then flat, as those of a new CPU are.
        uc_reg_write(e.raw(), row.id, from);
    } else {
        require(uc_reg_write(e.raw(), row.id, from), row);
    }
}

const Row& row_named(Isa isa, std::string_view name) {
    for (const Row& row : rows(isa))
        if (row.name == name && bytes_of(row) == sizeof(u64)) return row;
    throw EngineError(fmt::format("no 64-bit register is called {}", name));
}

}  // namespace

CpuFields save_registers(const Engine& engine) {
    CpuFields fields;
    fields.reserve(rows(engine.isa()).size());
    for (const Row& row : rows(engine.isa())) {
        std::vector<u8> bytes(bytes_of(row));
        read_row(engine, row, bytes.data());
        fields.emplace_back(row.name, std::move(bytes));
    }
    return fields;
}

void restore_registers(Engine& engine, const CpuFields& fields) {
    auto next = fields.begin();
    for (const Row& row : rows(engine.isa())) {
        // They stand in order unless somebody shuffled them.
        if (next == fields.end() || next->first != row.name)
            next = std::ranges::find(fields, row.name, &CpuFields::value_type::first);
        if (next == fields.end() || next->second.size() != bytes_of(row))
            throw EngineError(fmt::format("the saved CPU has no usable register {}", row.name));
        write_row(engine, row, next->second.data());
        ++next;
    }
    engine.flush_tlb();
}

u64 read_register(const Engine& engine, std::string_view name) {
    u64 value = 0;
    read_row(engine, row_named(engine.isa(), name), reinterpret_cast<u8*>(&value));
    return value;
}

void write_register(Engine& engine, std::string_view name, u64 value) {
    write_row(engine, row_named(engine.isa(), name), reinterpret_cast<const u8*>(&value));
}

std::vector<std::pair<std::string_view, u64>> shown_registers(const Engine& engine) {
    std::vector<std::pair<std::string_view, u64>> shown;
    for (const Row& row : rows(engine.isa()))
        if (bytes_of(row) == sizeof(u64)) shown.emplace_back(row.name, read_register(engine, row.name));
    return shown;
}

}  // namespace baton::sim
