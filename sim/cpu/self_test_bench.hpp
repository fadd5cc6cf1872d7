// SPDX-License-Identifier: GPL-2.0-only
// The smallest machine a CPU runs on with its MMU on: 2 MiB of RAM, tables, one page of registers.
//
//   0x00001000  tables          0x00010000  the program        0x10000000  registers (4 KiB)
//   0x00020000  data, 4 pages   va kPageVa: one page that leads to the first of them, through a 4 KiB leaf
//
// All RAM and the registers are mapped 1:1, writable and executable, by one 1 GiB leaf.
#pragma once

#include <functional>
#include <memory>
#include <span>

#include "sim/cpu/engine.hpp"
#include "sim/memory/host_mapping.hpp"

namespace baton::sim {

class SelfTestBench final : public MmioHandler {
public:
    static constexpr u64 kRamBytes = 2 * kMiB;
    static constexpr u64 kProgram = 0x10000;
    static constexpr u64 kData = 0x20000;
    static constexpr u64 kRegisters = 0x10000000;
    static constexpr u64 kPageVa = 0x40000000;        // in the second GiB
    static constexpr u64 kUnmappedVa = 0x7654321000;  // in no table

    explicit SelfTestBench(Isa isa);
    bool x86() const { return engine.isa() == Isa::kX86_64; }

    /// Puts a program where the CPU starts: bytes on x86-64, words on AArch64.
    void program(std::span<const u8> x86, std::span<const u32> arm);
    /// From the first instruction, with the CPU as it was after set-up but for the two registers: rdi and rax, x0 and
    /// x1.
    CpuStop run(u64 first = 0, u64 second = 0);
    void place_at_start(u64 first = 0, u64 second = 0);
    u64& word(u64 address) { return *reinterpret_cast<u64*>(ram_.data() + address); }
    u8* bytes(u64 address) { return reinterpret_cast<u8*>(ram_.data() + address); }
    /// What kPageVa leads to: a physical page and the leaf's flags, raw.
    void map_page(u64 physical, u64 flags);
    u64 page_flags() const { return x86() ? 0x63 : 0x703; }
    u64 first_register() const;
    u64 second_register() const;

    std::function<u64(PhysAddr, u32)> on_read;
    std::function<void(PhysAddr, u32, u64)> on_write;

private:
    u64 mmio_read(PhysAddr reg, u32 width) override { return on_read ? on_read(reg, width) : 0; }
    void mmio_write(PhysAddr reg, u32 width, u64 value) override {
        if (on_write) on_write(reg, width, value);
    }
    void set_up_x86();
    void set_up_arm();

    HostMapping ram_;

public:
    Engine engine;

private:
    std::unique_ptr<Engine::Context> fresh_;
};

}  // namespace baton::sim
