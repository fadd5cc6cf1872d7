// SPDX-License-Identifier: GPL-2.0-only
#include "sim/cpu/engine.hpp"

#include <unicorn/unicorn.h>

#include <algorithm>

#include "sim/cpu/counted_run.hpp"
#include "sim/cpu/registers.hpp"
#include "sim/cpu/self_test.hpp"
#include "sim/cpu/self_test_bench.hpp"
#include "sim/cpu/time_traps.hpp"
#include "tests/catch.hpp"

using namespace baton;
using namespace baton::sim;

namespace {

constexpr Isa kIsas[] = {Isa::kX86_64, Isa::kAArch64};
using Bench = SelfTestBench;

// Three turns: a loop of 5 (x86-64: rep movsb), a call, a store to where rbx or x2 points, and the way back.
//   mov $0x30000, %esp
//   mov $3, %edx
// 1:  mov $5, %ecx
//   mov $0x20100, %edi
//   mov $0x20000, %esi
//   rep movsb
//   call 2f
//   mov %rax, (%rbx)
//   inc %eax
//   dec %edx
//   jnz 1b
//   hlt
// 2:  push %rax
//   nop
//   pop %rax
//   ret
constexpr u8 kMixX86[] = {
    0xbc, 0x00, 0x00, 0x03, 0x00, 0xba, 0x03, 0x00, 0x00, 0x00, 0xb9, 0x05, 0x00, 0x00, 0x00, 0xbf,
    0x00, 0x01, 0x02, 0x00, 0xbe, 0x00, 0x00, 0x02, 0x00, 0xf3, 0xa4, 0xe8, 0x0a, 0x00, 0x00, 0x00,
    0x48, 0x89, 0x03, 0xff, 0xc0, 0xff, 0xca, 0x75, 0xe1, 0xf4, 0x50, 0x90, 0x58, 0xc3,
};
//   mov w4, #3
// 1:  mov w5, #5
// 2:  subs w5, w5, #1
//   b.ne 2b
//   bl 3f
//   str x1, [x2]
//   add x1, x1, #1
//   subs w4, w4, #1
//   b.ne 1b
//   wfi
// 3:  nop
//   mul x6, x5, x5
//   ret
constexpr u32 kMixArm[] = {
    0x52800064, 0x528000a5, 0x710004a5, 0x54ffffe1, 0x94000006, 0xf9000041, 0x91000421,
    0x71000484, 0x54ffff21, 0xd503207f, 0xd503201f, 0x9b057ca6, 0xd65f03c0,
};

CountedRun::Fetch fetch_from(Bench& b) {
    return [&b](u64 va, std::span<u8> to) {
        std::copy_n(b.bytes(va), to.size(), to.begin());
        return true;
    };
}

void start_mix(Bench& b, u64 store_to) {
    b.place_at_start();
    b.engine.set_reg(b.x86() ? int{UC_X86_REG_RBX} : int{UC_ARM64_REG_X2}, store_to);
}

// The pc before every instruction, the slow and obvious way.
std::vector<u64> every_pc(Isa isa) {
    Bench b(isa);
    std::vector<u64> pcs;
    const Engine::Hook hook = b.engine.on_code(1, 0, [&](u64 pc) { pcs.push_back(pc); });
    b.program(kMixX86, kMixArm);
    start_mix(b, Bench::kData + 0x800);
    b.engine.run();
    return pcs;
}

}  // namespace

TEST_CASE("engine: this emulator is what Baton assumes") {
    for (const Isa isa : kIsas) {
        require_sound_emulator(isa);
        REQUIRE(context_layout(isa).known);
    }
    REQUIRE(emulator_assumptions().size() == 12);
}

TEST_CASE("engine: counting blocks finds every instruction that a hook on each finds") {
    for (const Isa isa : kIsas) {
        const std::vector<u64> pcs = every_pc(isa);
        REQUIRE(pcs.size() > 40);
        Bench b(isa);
        b.program(kMixX86, kMixArm);
        CountedRun counted(b.engine, fetch_from(b));
        for (u64 n = 0; n < pcs.size(); ++n) {
            start_mix(b, Bench::kData + 0x800);
            const CountedRun::Result r = counted.run(n);
            REQUIRE(r.complete);
            REQUIRE(r.executed == n);
            REQUIRE(b.engine.pc() == pcs[n]);
        }
        start_mix(b, Bench::kData + 0x800);
        const CountedRun::Result all = counted.run(pcs.size() + 100);
        REQUIRE(!all.complete);
        REQUIRE(all.stop.kind == CpuStop::Kind::kHalted);
        REQUIRE(all.executed == pcs.size());
    }
}

TEST_CASE("engine: a count can be taken in pieces, warm and cold") {
    for (const Isa isa : kIsas) {
        const std::vector<u64> pcs = every_pc(isa);
        Bench b(isa);
        b.program(kMixX86, kMixArm);
        CountedRun counted(b.engine, fetch_from(b));
        for (u64 piece = 1; piece < 12; ++piece) {
            start_mix(b, Bench::kData + 0x800);
            for (u64 n = piece; n < pcs.size(); n += piece) {
                REQUIRE(counted.run(piece).executed == piece);
                REQUIRE(b.engine.pc() == pcs[n]);
            }
        }
    }
}

TEST_CASE("engine: a fault and a register store in the middle of a block are counted up to there") {
    for (const Isa isa : kIsas) {
        const std::vector<u64> pcs = every_pc(isa);
        Bench b(isa);
        b.program(kMixX86, kMixArm);
        CountedRun counted(b.engine, fetch_from(b));
        start_mix(b, Bench::kUnmappedVa);
        const CountedRun::Result fault = counted.run(1000);
        REQUIRE(fault.stop.kind == CpuStop::Kind::kException);
        REQUIRE(pcs[fault.executed] == fault.stop.pc);

        bool stop = true;
        b.on_write = [&](PhysAddr, u32, u64) {
            if (stop) b.engine.request_stop();
            stop = false;
        };
        start_mix(b, Bench::kRegisters);
        const CountedRun::Result store = counted.run(1000);
        REQUIRE(store.stop.kind == CpuStop::Kind::kRequested);
        REQUIRE(store.executed == fault.executed);
        const CountedRun::Result rest = counted.run(1000);
        REQUIRE(store.executed + rest.executed == pcs.size());
    }
}

TEST_CASE("engine: registers survive by name") {
    for (const Isa isa : kIsas) {
        Bench a(isa);
        a.program(kMixX86, kMixArm);
        start_mix(a, Bench::kData + 0x800);
        CountedRun(a.engine, fetch_from(a)).run(20);
        const bool x86 = a.x86();
        write_register(a.engine, x86 ? "r13" : "x21", 0x0123456789abcdef);
        write_register(a.engine, x86 ? "fs_base" : "tpidr_el1", 0x1122334455667788);
        write_register(a.engine, x86 ? "kernel_gs_base" : "vbar_el1", 0xffff800000000800);
        u64 vector[2] = {0x1111, 0x2222};
        uc_reg_write(a.engine.raw(), x86 ? int{UC_X86_REG_XMM5} : int{UC_ARM64_REG_Q5}, vector);
        const CpuFields saved = save_registers(a.engine);

        Bench b(isa);
        b.program(kMixX86, kMixArm);
        restore_registers(b.engine, saved);
        REQUIRE(save_registers(b.engine) == saved);
        REQUIRE(read_register(b.engine, x86 ? "r13" : "x21") == 0x0123456789abcdef);
        REQUIRE(a.engine.run().pc == b.engine.run().pc);
        REQUIRE(save_registers(a.engine) == save_registers(b.engine));

        CpuFields missing = saved;
        missing.erase(missing.begin() + 3);
        REQUIRE_THROWS_AS(restore_registers(b.engine, missing), EngineError);
        CpuFields shuffled = saved;
        std::ranges::reverse(shuffled);
        restore_registers(b.engine, shuffled);
        REQUIRE(save_registers(b.engine) == saved);
    }
    REQUIRE_THROWS_AS(read_register(Engine(Isa::kX86_64), "x0"), EngineError);
}

TEST_CASE("engine: what a handler throws stops the CPU and comes out of run") {
    for (const Isa isa : kIsas) {
        Bench b(isa);
        b.program(kMixX86, kMixArm);
        b.on_write = [](PhysAddr, u32, u64) { throw std::runtime_error("from a device"); };
        start_mix(b, Bench::kRegisters);
        REQUIRE_THROWS_WITH(b.engine.run(), "from a device");
        b.on_write = nullptr;
        REQUIRE(b.engine.run().kind == CpuStop::Kind::kHalted);
    }
}

TEST_CASE("engine: the encodings of what leaks time") {
    REQUIRE(time_source({3, 3, 14, 0, 2}) == kTimeVirtualCounter);
    REQUIRE(time_source({3, 3, 14, 0, 0}) == std::nullopt);  // CNTFRQ is constant
    for (u64 i = 0; i < std::size(kTimeSources); ++i) REQUIRE(kTimeSources[i].source == i);
}
