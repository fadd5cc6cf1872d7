// SPDX-License-Identifier: GPL-2.0-only
// Just enough machine for memblock alone: RAM that is touched only where arrays lie, and counters.
#pragma once

#include <array>

#include "model/mm/memblock.hpp"
#include "sim/native/host.hpp"

namespace baton::peers {

/// RAM [0x10000, 1 TiB), as specs/memblock.md §11 has it, and above it what memblock must not find: the Memblock object
/// and room for presized arrays. A panic, a failed assert or an access outside of RAM says so on stderr and ends the
/// process with exit code 1, as Linux's harness aborts.
class TraceMachine final : public sim::NativeHost {
public:
    static constexpr PhysRange kRam{{0x10000}, kTiB - 0x10000};
    static constexpr u64 kArrayEntriesMax = u64{1} << 21;
    TraceMachine();
    ~TraceMachine() override;

    Memblock& memblock() { return *memblock_; }
    PhysAddr presized_arrays() const { return {kTiB + kGiB}; }
    u64 charged(Work w) const { return work_[static_cast<u32>(w)]; }
    u64 warnings() const { return warnings_; }

    void at(Site, u64, u64) override {}
    void charge(Work work, u64 amount) override { work_[static_cast<u32>(work)] += amount; }
    void own(PhysRange, Owner, Owner) override {}
    u64 mmio_read(PhysAddr, u32) override { return ~u64{0}; }
    void mmio_write(PhysAddr, u32, u64) override {}
    [[noreturn]] void jump(const platform::Jump& jump) override;
    [[noreturn]] void enter(PhysAddr image, u64 argument, PhysAddr loaded) override;
    void log(LogLevel level, Log id, const u64 (&args)[4]) override;
    [[noreturn]] void fault(const sim::Fault& fault) override;
    void warn(u32, u32) override { ++warnings_; }
    u64 now() override { return 0; }
    u64 random(u32) override { return 0; }
    void relax() override {}
    void load_root(PhysAddr, u32) override {}
    void reply(u64) override {}
    void idle() override {}

private:
    std::byte* base_ = nullptr;
    u64* dirty_ = nullptr;
    u64* dirty_summary_ = nullptr;
    Memblock* memblock_ = nullptr;
    std::array<u64, kWorkCount> work_{};
    u64 warnings_ = 0;
};

}  // namespace baton::peers
