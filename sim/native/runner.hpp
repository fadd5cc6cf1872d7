// SPDX-License-Identifier: GPL-2.0-only
// Runs kernels as host code (target "native"): model/ linked in, on a fiber, over the machine's RAM.
#pragma once

#include "sim/native/fiber.hpp"
#include "sim/native/host.hpp"
#include "sim/services.hpp"

namespace baton::sim {

class NativeRunner final : public KernelRunner, private NativeHost {
public:
    /// `ram` must stay valid and unmoved; it is installed for this thread whenever the kernel runs.
    NativeRunner(Isa isa, Services& services, const platform::RamView& ram);
    ~NativeRunner() override;

    Stop start(PhysAddr image, u64 argument, const EntryTables& tables) override;
    Stop resume(PhysAddr kernel) override;
    Stop transfer(const platform::Jump& jump) override;
    Stop proceed() override;

private:
    // NativeHost: called by the kernel, on the fiber.
    void at(Site site, u64 arg0, u64 arg1) override;
    void charge(Work work, u64 amount) override;
    void own(PhysRange range, Owner from, Owner to) override { services_.own(range, from, to); }
    u64 mmio_read(PhysAddr reg, u32 width) override;
    void mmio_write(PhysAddr reg, u32 width, u64 value) override;
    [[noreturn]] void jump(const platform::Jump& jump) override;
    [[noreturn]] void enter(PhysAddr image, u64 argument, PhysAddr loaded) override;
    void log(LogLevel level, Log id, const u64 (&args)[4]) override { services_.log(level, id, args); }
    [[noreturn]] void fault(const Fault& fault) override;
    void warn(u32 file, u32 line) override { services_.warn(file, line); }
    u64 now() override { return services_.now(); }
    u64 random(u32 stream) override { return services_.random(stream); }
    void relax() override {
        fiber_.own_faults(false);
        services_.relax();
        fiber_.own_faults(true);
        charge(Work::kEntriesWalked, 0);
    }
    void load_root(PhysAddr table, u32) override { services_.load_root(table); }
    void reply(u64) override {}
    void idle() override;

    void obey(SiteAction action);
    [[noreturn]] void leave(Stop stop);
    Stop run();

    const Isa isa_;
    Services& services_;
    const platform::RamView ram_;
    Fiber fiber_;
    Stop stop_;
    bool in_machine_code_ = false;  // between two kernels: nobody can handle a fault
};

}  // namespace baton::sim
