// SPDX-License-Identifier: GPL-2.0-only
// What answers a kernel that runs as host code: the receiving end of model/platform.hpp.
//
// platform.cpp forwards every platform call of the kernel on this host thread to the NativeHost installed here. The
// machine's native runner is one; unit tests of the model use a smaller one (tests/support/bare_machine.hpp).
#pragma once

#include "model/platform.hpp"
#include "sim/services.hpp"

namespace baton::sim {

class NativeHost {
public:
    NativeHost() = default;
    NativeHost(const NativeHost&) = delete;
    NativeHost& operator=(const NativeHost&) = delete;
    virtual ~NativeHost() = default;
    virtual void at(Site site, u64 arg0, u64 arg1) = 0;
    virtual void charge(Work work, u64 amount) = 0;
    virtual void own(PhysRange range, Owner from, Owner to) = 0;
    virtual u64 mmio_read(PhysAddr reg, u32 width) = 0;
    virtual void mmio_write(PhysAddr reg, u32 width, u64 value) = 0;
    [[noreturn]] virtual void jump(const platform::Jump& jump) = 0;
    [[noreturn]] virtual void enter(PhysAddr image, u64 argument, PhysAddr loaded) = 0;
    virtual void log(LogLevel level, Log id, const u64 (&args)[4]) = 0;
    [[noreturn]] virtual void fault(const Fault& fault) = 0;
    virtual void warn(u32 file, u32 line) = 0;
    virtual u64 now() = 0;
    virtual u64 random(u32 stream) = 0;
    virtual void relax() = 0;
    virtual void load_root(PhysAddr table, u32 asid) = 0;
    virtual void reply(u64 sequence) = 0;
    virtual void idle() = 0;
};

/// The host of the kernel that runs on this thread; null when none runs.
extern constinit thread_local NativeHost* native_host;

}  // namespace baton::sim
