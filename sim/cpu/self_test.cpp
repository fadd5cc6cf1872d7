// SPDX-License-Identifier: GPL-2.0-only
#include "sim/cpu/self_test.hpp"

#include <fmt/format.h>
#include <unicorn/unicorn.h>

#include <algorithm>
#include <mutex>

#include "sim/cpu/context_layout.hpp"
#include "sim/cpu/counted_run.hpp"
#include "sim/cpu/registers.hpp"
#include "sim/cpu/self_test_bench.hpp"
#include "sim/cpu/time_traps.hpp"

namespace baton::sim {
namespace {

using Bench = SelfTestBench;
using Kind = CpuStop::Kind;

// Programs, x86-64 and AArch64 side by side. The registers are rdi and rax, x0 and x1 (SelfTestBench::run).
constexpr u8 kLoadX86[] = {0x48, 0x8b, 0x07, 0xf4};               // mov (%rdi),%rax; hlt
constexpr u32 kLoadArm[] = {0xf9400001, 0xd503207f};              // ldr x1,[x0]; wfi
constexpr u8 kStoreX86[] = {0x90, 0x48, 0x89, 0x07, 0x90, 0xf4};  // nop; mov %rax,(%rdi); nop; hlt
constexpr u32 kStoreArm[] = {0xd503201f, 0xf9000001, 0xd503201f, 0xd503207f};

bool halts(Bench& b) {
    constexpr u8 x86[] = {0x90, 0xf4};
    constexpr u32 arm[] = {0xd503201f, 0xd503207f};
    b.program(x86, arm);
    const CpuStop s = b.run();
    return s.kind == Kind::kHalted && s.pc == Bench::kProgram + (b.x86() ? sizeof(x86) : sizeof(arm));
}

// inc %rax; inc %rax; hlt — the host makes the second `dec`, after the first run translated it.
bool host_patches_code(Bench& b) {
    constexpr u8 x86[] = {0x48, 0xff, 0xc0, 0x48, 0xff, 0xc0, 0xf4};
    constexpr u32 arm[] = {0x91000421, 0x91000421, 0xd503207f};  // add x1,x1,#1
    b.program(x86, arm);
    b.run(0, 10);
    if (b.second_register() != 12) return false;
    if (b.x86())
        b.bytes(Bench::kProgram)[5] = 0xc8;
    else
        reinterpret_cast<u32*>(b.bytes(Bench::kProgram))[1] = 0xd1000421;  // sub x1,x1,#1
    b.engine.flush_code();
    b.run(0, 10);
    return b.second_register() == 10;
}

bool host_edits_tables(Bench& b) {
    b.program(kLoadX86, kLoadArm);
    b.word(Bench::kData) = 11;
    b.word(Bench::kData + kFrameSize) = 22;
    b.run(Bench::kPageVa);
    if (b.second_register() != 11) return false;
    b.map_page(Bench::kData + kFrameSize, b.page_flags());
    b.run(Bench::kPageVa);  // run() flushes the TLB
    const bool seen = b.second_register() == 22;
    b.map_page(Bench::kData, b.page_flags());
    return seen;
}

// A store to a register that asks for a stop: the CPU stands at the store, and makes it again.
bool register_store_repeats(Bench& b) {
    u32 low = 0;
    u32 high = 0;
    b.on_write = [&](PhysAddr reg, u32 width, u64 value) {
        if (width != 4) return;
        (reg.value == Bench::kRegisters ? low : high) += 1;
        if (low == 1 && high == 0 && value == 0x55667788) b.engine.request_stop();
    };
    b.program(kStoreX86, kStoreArm);
    const CpuStop first = b.run(Bench::kRegisters, 0x1122334455667788);
    const u64 store_at = Bench::kProgram + (b.x86() ? 1 : 4);
    const bool stopped = first.kind == Kind::kRequested && first.pc == store_at && low == 1;
    const CpuStop second = b.engine.run();
    b.on_write = nullptr;
    return stopped && second.kind == Kind::kHalted && low == 2 && high == 2;
}

bool code_hook_stops_before(Bench& b) {
    constexpr u8 x86[] = {0x48, 0xff, 0xc0, 0x48, 0xff, 0xc0, 0xf4};
    constexpr u32 arm[] = {0x91000421, 0x91000421, 0xd503207f};
    const u64 second_at = Bench::kProgram + (b.x86() ? 3 : 4);
    u32 calls = 0;
    const Engine::Hook hook = b.engine.on_code(second_at, second_at, [&](u64) {
        if (++calls == 1) b.engine.request_stop();
    });
    b.program(x86, arm);
    const CpuStop first = b.run();
    const bool before = first.kind == Kind::kRequested && first.pc == second_at && b.second_register() == 1;
    const CpuStop then = b.engine.run();
    return before && then.kind == Kind::kHalted && calls == 2 && b.second_register() == 2;
}

bool holes_are_seen(Bench& b) {
    const u64 hole = Bench::kRamBytes + 0x1000;
    b.program(kStoreX86, kStoreArm);
    const CpuStop s = b.run(hole);
    return s.kind == Kind::kBusError && s.address == hole && s.access == CpuAccess::kWrite &&
           s.pc == Bench::kProgram + (b.x86() ? 1 : 4);
}

bool undefined_is_seen(Bench& b) {
    constexpr u8 x86[] = {0x90, 0x0f, 0x0b};         // ud2
    constexpr u32 arm[] = {0xd503201f, 0x00000000};  // udf
    b.program(x86, arm);
    const CpuStop s = b.run();
    return s.kind == Kind::kException && s.vector == (b.x86() ? 6u : 0u) && s.pc == Bench::kProgram + (b.x86() ? 1 : 4);
}

bool random_is_absent(Bench& b) {
    if (!b.x86()) return true;
    constexpr u8 rdrand[] = {0x48, 0x0f, 0xc7, 0xf0};
    constexpr u8 rdseed[] = {0x48, 0x0f, 0xc7, 0xf8};
    for (const std::span<const u8> code : {std::span<const u8>(rdrand), std::span<const u8>(rdseed)}) {
        b.program(code, {});
        const CpuStop s = b.run();
        if (s.kind != Kind::kException || s.vector != 6) return false;
    }
    return true;
}

bool time_is_trapped(Bench& b) {
    if (b.x86()) {
        constexpr u8 rdtsc[] = {0x0f, 0x31, 0xf4};
        constexpr u8 rdtscp[] = {0x0f, 0x01, 0xf9, 0xf4};
        b.program(rdtsc, {});
        const CpuStop one = b.run(0, 77);
        const bool kept = b.second_register() == 77;
        b.program(rdtscp, {});
        const CpuStop two = b.run();
        return kept && one.kind == Kind::kTimeRead && one.code == kTimeRdtsc && one.pc == Bench::kProgram &&
               two.kind == Kind::kTimeRead && two.code == kTimeRdtscp;
    }
    constexpr u32 virtual_counter[] = {0xd53be041, 0xd503207f};  // mrs x1,cntvct_el0
    constexpr u32 random[] = {0xd53b2401, 0xd503207f};           // mrs x1,rndr
    b.program({}, virtual_counter);
    const CpuStop one = b.run(0, 77);
    const bool kept = b.second_register() == 77;
    b.program({}, random);
    const CpuStop two = b.run();
    return kept && one.kind == Kind::kTimeRead && one.code == kTimeVirtualCounter && one.pc == Bench::kProgram &&
           two.kind == Kind::kTimeRead && two.code == kTimeRandom;
}

// Stopping and running again must not look like an exception to the CPU: it would change CR2, and make the guest's own
// next page fault a double fault. Nor may the removal of a hook at an address that is no longer mapped.
bool runs_leave_no_trace(Bench& b) {
    b.program(kStoreX86, kStoreArm);
    b.on_write = [&](PhysAddr, u32, u64) { b.engine.request_stop(); };
    b.run(Bench::kRegisters, 1);
    const CpuFields before = save_registers(b.engine);
    for (int i = 0; i < 3; ++i) {
        b.engine.on_code(Bench::kUnmappedVa, Bench::kUnmappedVa, [](u64) {}).remove();
        b.engine.run();
    }
    const bool unchanged = save_registers(b.engine) == before;
    b.on_write = nullptr;
    b.engine.set_reg(b.x86() ? int{UC_X86_REG_RDI} : int{UC_ARM64_REG_X0}, Bench::kUnmappedVa);
    const CpuStop fault = b.engine.run();
    return unchanged && fault.kind == Kind::kException && fault.vector == (b.x86() ? 14u : 0x25u) &&
           fault.address == Bench::kUnmappedVa;
}

// A loop of 5 turns with a branch in it: every n up to the end stops after n instructions.
bool counts_exactly(Bench& b) {
    // mov $5,%ecx; 1: inc %rax; nop; dec %ecx; jnz 1b; hlt
    constexpr u8 x86[] = {0xb9, 5, 0, 0, 0, 0x48, 0xff, 0xc0, 0x90, 0xff, 0xc9, 0x75, 0xf8, 0xf4};
    // mov w2,#5; 1: add x1,x1,#1; nop; subs w2,w2,#1; b.ne 1b; wfi
    constexpr u32 arm[] = {0x528000a2, 0x91000421, 0xd503201f, 0x71000442, 0x54ffffa1, 0xd503207f};
    b.program(x86, arm);
    b.engine.set_pc(Bench::kProgram);
    CountedRun counted(b.engine, [&](u64 va, std::span<u8> to) {
        std::copy_n(b.bytes(va), to.size(), to.begin());
        return true;
    });
    for (u64 n = 0; n <= 20; ++n) {
        b.place_at_start();
        const CountedRun::Result r = counted.run(n);
        const u64 turns = n == 0 ? 0 : (n - 1) / 4 + ((n - 1) % 4 != 0 ? 1 : 0);
        if (!r.complete || r.executed != n || b.second_register() != turns) return false;
    }
    b.place_at_start();
    const CountedRun::Result all = counted.run(1000);
    return !all.complete && all.stop.kind == Kind::kHalted && all.executed == 22;
}

struct Assumption {
    std::string_view text;
    bool (*holds)(Bench&);
};
constexpr Assumption kAssumptions[] = {
    {"an idle instruction stops the CPU behind itself", halts},
    {"code that the host changed runs changed after a flush", host_patches_code},
    {"page tables that the host changed count after a flush", host_edits_tables},
    {"a stop inside a register store leaves the CPU at the store, which is made again", register_store_repeats},
    {"a stop inside a code hook leaves the CPU before the instruction", code_hook_stops_before},
    {"an access to neither RAM nor a register stops with its physical address", holes_are_seen},
    {"an undefined instruction stops the CPU at it", undefined_is_seen},
    {"the CPU has no instruction that reads random numbers unseen", random_is_absent},
    {"reading a counter stops the CPU and gives nothing", time_is_trapped},
    {"stopping and running again leaves no trace in the CPU", runs_leave_no_trace},
    {"instructions are counted exactly", counts_exactly},
};

void check_all(Isa isa) {
    const std::string_view name = isa == Isa::kX86_64 ? "x86-64" : "AArch64";
    context_layout(isa) = find_context_layout(isa);
    Bench bench(isa);
    for (const Assumption& a : kAssumptions)
        if (!a.holds(bench))
            throw EngineError(
                fmt::format("this Unicorn cannot be used for {} guests, because it is not true that {}", name, a.text));
}

}  // namespace

void require_sound_emulator(Isa isa) {
    static std::once_flag once[2];
    std::call_once(once[isa == Isa::kX86_64 ? 0 : 1], check_all, isa);
}

std::vector<std::string_view> emulator_assumptions() {
    std::vector<std::string_view> all;
    for (const Assumption& a : kAssumptions) all.push_back(a.text);
    all.push_back("error codes, syndromes and fault addresses are found");
    return all;
}

}  // namespace baton::sim
