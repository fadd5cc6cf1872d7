// SPDX-License-Identifier: GPL-2.0-only
// Random page tables, and a CPU that tries them: the oracle for our own page walkers.
//
//   RAM            [0, 128 MiB) and [1 GiB, 1 GiB + 64 MiB); everything else is a hole
//   tables, code   below 96 MiB; no access of a test leads there
//   code           one page at the top of the address space, readable and executable by kernel and user
#pragma once

#include <memory>
#include <random>
#include <vector>

#include "sim/cpu/engine.hpp"
#include "sim/cpu/page_walk.hpp"
#include "sim/memory/physical_memory.hpp"

namespace baton::test {

class WalkRig {
public:
    /// page_shift is 12 on x86-64; 12, 14 or 16 on AArch64.
    WalkRig(Isa isa, u32 page_shift, u32 seed);

    /// New tables with about that many mappings, and new control bits.
    void rebuild(u64 mappings);
    /// Addresses worth trying: in every mapping, beside it, and anywhere.
    const std::vector<u64>& addresses() const { return addresses_; }
    sim::PageWalk walk(u64 va, sim::WalkAccess access) const;
    /// Lets the CPU make the access, and compares. Empty if it agrees with the walker, otherwise what is wrong.
    std::string try_access(u64 va, sim::WalkAccess access);
    std::mt19937_64& random() { return random_; }
    u64 count(sim::WalkFault f) const { return seen_[static_cast<u32>(f)]; }
    u64 allowed_of(u32 level) const { return allowed_[level]; }

private:
    bool x86() const { return isa_ == Isa::kX86_64; }
    u64 entry_bytes(u32 level) const { return u64{1} << (page_shift_ + level * (page_shift_ - 3)); }
    u64 chance(u32 percent) { return random_() % 100 < percent; }
    u64 new_table();
    bool add_mapping(u64 va, u32 level, u64 leaf);
    u64 leaf_entry(u32 level);
    u64 table_flags();
    u64 random_va();
    void map_code();
    void set_registers();
    void enter_user();
    void start_at(const sim::Engine::Context& context, u64 code_offset, u64 va, u64 value);
    std::string judge_fault(const sim::CpuStop& stop, const sim::PageWalk& walk, u64 va, sim::WalkAccess access);

    const Isa isa_;
    const u32 page_shift_;
    const u32 va_bits_;
    const u32 levels_;
    std::mt19937_64 random_;
    sim::PhysicalMemory memory_;
    sim::Engine engine_;
    std::unique_ptr<sim::Engine::Context> kernel_;
    std::unique_ptr<sim::Engine::Context> user_;
    u64 root_[2] = {};  // AArch64: of the low and the high half
    u64 next_table_ = 0;
    std::vector<u64> addresses_;
    sim::X86Paging x86_paging_;
    sim::ArmPaging arm_paging_;
    u64 seen_[8] = {};
    u64 allowed_[4] = {};
};

}  // namespace baton::test
