// SPDX-License-Identifier: GPL-2.0-only
#include "sim/cpu/self_test_bench.hpp"

#include <unicorn/unicorn.h>

#include <cstring>

#include "sim/cpu/registers.hpp"

namespace baton::sim {
namespace {
inline constexpr u64 kRoot = 0x1000;
inline constexpr u64 kSecond = 0x2000;
inline constexpr u64 kThird = 0x3000;
inline constexpr u64 kPages = 0x4000;
}  // namespace

SelfTestBench::SelfTestBench(Isa isa)
    : ram_(kRamBytes, HostMapping::Access::kReadWrite, "the emulator's self-test"), engine(isa) {
    engine.map_memory({{0}, kRamBytes}, ram_.data());
    engine.map_mmio({{kRegisters}, kFrameSize}, *this);
    if (x86())
        set_up_x86();
    else
        set_up_arm();
    fresh_ = std::make_unique<Engine::Context>(engine.save_context());
}

void SelfTestBench::set_up_x86() {
    word(kRoot) = kSecond | 3;
    word(kSecond) = 0xe3;
    word(kSecond + 8) = kThird | 3;
    word(kThird) = kPages | 3;
    map_page(kData, page_flags());
    write_register(engine, "efer", 0xd01);
    write_register(engine, "cr4", 0x620);
    write_register(engine, "cr3", kRoot);
    write_register(engine, "cr0", 0x80010033);  // with WP
}

void SelfTestBench::set_up_arm() {
    word(kRoot) = 0x701;
    word(kRoot + 8) = kThird | 3;
    word(kThird) = kPages | 3;
    map_page(kData, page_flags());
    write_register(engine, "mair_el1", 0xff);
    write_register(engine, "tcr_el1", u64{2} << 32 | u64{1} << 23 | 25 << 16 | 25);
    write_register(engine, "ttbr0_el1", kRoot);
    write_register(engine, "sctlr_el1", 0x30500800 | 0x1005);
    engine.flush_tlb();
}

void SelfTestBench::program(std::span<const u8> x86_bytes, std::span<const u32> arm_words) {
    if (x86())
        std::memcpy(bytes(kProgram), x86_bytes.data(), x86_bytes.size());
    else
        std::memcpy(bytes(kProgram), arm_words.data(), arm_words.size_bytes());
    engine.flush_code();
}

CpuStop SelfTestBench::run(u64 first, u64 second) {
    place_at_start(first, second);
    return engine.run();
}

void SelfTestBench::place_at_start(u64 first, u64 second) {
    engine.restore_context(*fresh_);
    engine.flush_tlb();
    engine.set_reg(x86() ? int{UC_X86_REG_RDI} : int{UC_ARM64_REG_X0}, first);
    engine.set_reg(x86() ? int{UC_X86_REG_RAX} : int{UC_ARM64_REG_X1}, second);
    engine.set_pc(kProgram);
}

void SelfTestBench::map_page(u64 physical, u64 flags) { word(kPages) = physical | flags; }

u64 SelfTestBench::first_register() const { return engine.reg(x86() ? int{UC_X86_REG_RDI} : int{UC_ARM64_REG_X0}); }
u64 SelfTestBench::second_register() const { return engine.reg(x86() ? int{UC_X86_REG_RAX} : int{UC_ARM64_REG_X1}); }

}  // namespace baton::sim
