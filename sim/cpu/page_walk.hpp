// SPDX-License-Identifier: GPL-2.0-only
// Our own page walkers: what an address means to a CPU, read from RAM alone.
//
// They exist beside Unicorn's for reports, for invariants and as a cross-check of both:
// tests/sim/cpu/page_walk_test.cpp compares them with loads, stores and fetches that the guest CPU makes. They know
// only what the architecture says and share nothing with model/mm/paging, which builds the tables.
//
// Levels count from the leaves: 0 maps pages. (AArch64's own numbers count from the root: its level 3 is 0 here.)
#pragma once

#include <array>
#include <string>

#include "sim/memory/physical_memory.hpp"

namespace baton::sim {

enum class WalkFault : u32 {
    kNone,
    kAddress,     // not canonical, or in neither half
    kClosed,      // AArch64: TCR_EL1.EPD0 or EPD1 forbids walks of that half
    kNotPresent,  // also: the table is not in RAM, which reads as zeroes
    kReserved,    // x86-64: a reserved bit is set
    kAccessFlag,  // AArch64: AF is 0
    kPermission,
};

/// One access, as the CPU makes it.
struct WalkAccess {
    enum class Kind { kRead, kWrite, kFetch } kind = Kind::kRead;
    bool user = false;  // CPL 3, EL0
};

struct WalkStep {
    u32 level;
    PhysAddr entry_at;
    u64 entry;
};

struct PageWalk {
    static constexpr u32 kStepsMax = 5;
    WalkFault fault = WalkFault::kNone;
    u32 level = 0;       // where the walk ended
    PhysAddr address;    // what the virtual address means; also set for kPermission
    u64 leaf_bytes = 0;  // 0 = no leaf was found
    // Effective rights of the leaf, whoever asks.
    bool kernel_write = false;
    bool kernel_execute = false;
    bool user_read = false;
    bool user_write = false;
    bool user_execute = false;
    std::array<WalkStep, kStepsMax> steps{};
    u32 step_count = 0;
    bool allowed() const { return fault == WalkFault::kNone; }
};

/// The registers that decide.
struct X86Paging {
    u64 cr0 = 0;
    u64 cr3 = 0;
    u64 cr4 = 0;
    u64 efer = 0;
};
struct ArmPaging {
    u64 sctlr = 0;
    u64 tcr = 0;
    u64 ttbr0 = 0;
    u64 ttbr1 = 0;
};

/// Four levels, long mode; SMEP, SMAP and protection keys are off, as the CPU model has none.
PageWalk walk_x86_64(const PhysicalMemory& memory, const X86Paging& paging, VirtAddr va, WalkAccess access = {});
/// Stage 1 of EL1&0: granules of 4, 16 and 64 KiB, no PAN, no tags.
PageWalk walk_aarch64(const PhysicalMemory& memory, const ArmPaging& paging, VirtAddr va, WalkAccess access = {});

/// "0xffff… -> 0x1234000 (2 MiB, rw-, kernel)" and one line a step.
std::string to_text(const PageWalk& walk, VirtAddr va);

}  // namespace baton::sim
