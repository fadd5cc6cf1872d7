// SPDX-License-Identifier: GPL-2.0-only
// A machine small enough for unit tests of the model: RAM, a Kernel object in it, counters — no boot, no fibers.
//
// Model functions are called directly on the test's stack; a panic, assert or bad access inside `run` returns as a
// Fault (by longjmp: model code holds nothing that needs a destructor, decision D8).
#pragma once

#include <array>
#include <csetjmp>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "model/kernel.hpp"
#include "sim/native/host.hpp"

namespace baton::test {

class BareMachine : public sim::NativeHost {
public:
    /// RAM [start, start + bytes); the image, with the Kernel object in it, lies `image_offset` bytes above start.
    explicit BareMachine(GeometryId geometry = GeometryId::kX86_64, PhysRange ram = {{0}, 256 * kMiB},
                         Generation generation = Generation::k6_18, u64 image_offset = 2 * kMiB);
    ~BareMachine() override;

    Kernel& kernel() { return *kernel_; }
    PhysRange ram() const { return ram_; }
    /// memblock with all RAM, the kernel image reserved, memmap, everything free in the page allocator.
    void boot_mm();
    /// Runs `f`; kNone if it returned.
    sim::Fault run(const std::function<void()>& f);
    std::byte* bytes(PhysAddr a) { return base_ + a.value; }

    u64 site_count(Site s) const { return sites[static_cast<u32>(s)]; }
    u64 charged(Work w) const { return work[static_cast<u32>(w)]; }
    std::array<u64, kSiteCount> sites{};
    std::array<u64, kWorkCount> work{};
    std::vector<std::pair<Log, std::array<u64, 4>>> logs;
    u64 warnings = 0;
    bool logged(Log id) const;
    /// Called at every site, for tests that act there.
    std::function<void(Site, u64, u64)> on_site;

    void at(Site site, u64 arg0, u64 arg1) override;
    void charge(Work w, u64 amount) override { work[static_cast<u32>(w)] += amount; }
    void own(PhysRange, Owner, Owner) override {}
    u64 mmio_read(PhysAddr, u32) override { return ~u64{0}; }
    void mmio_write(PhysAddr, u32, u64) override {}
    [[noreturn]] void jump(const platform::Jump& j) override;
    [[noreturn]] void enter(PhysAddr image, u64 argument, PhysAddr loaded) override;
    void log(LogLevel, Log id, const u64 (&args)[4]) override;
    [[noreturn]] void fault(const sim::Fault& fault) override;
    void warn(u32, u32) override { ++warnings; }
    u64 now() override { return 0; }
    u64 random(u32 stream) override;
    void relax() override {}
    void load_root(PhysAddr table, u32) override { root = table; }
    void reply(u64) override {}
    void idle() override {}

    PhysAddr root;
    platform::Jump jumped;
    bool has_jumped = false;
    struct Entered {
        PhysAddr image;
        u64 argument;
        PhysAddr loaded;
    };
    std::optional<Entered> entered;

private:
    std::byte* base_ = nullptr;
    u64 mapped_ = 0;
    std::vector<u64> dirty_, summary_;
    PhysRange ram_;
    Kernel* kernel_ = nullptr;
    std::jmp_buf escape_{};
    bool armed_ = false;
    sim::Fault fault_;
    u64 random_state_ = 1;
};

}  // namespace baton::test
