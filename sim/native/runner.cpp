// SPDX-License-Identifier: GPL-2.0-only
#include "sim/native/runner.hpp"

#include <utility>

#include "model/kernel.hpp"
#include "sim/native/relocator.hpp"

namespace baton::sim {
NativeRunner::NativeRunner(Isa isa, Services& services, const platform::RamView& ram)
    : isa_(isa), services_(services), ram_(ram) {}

NativeRunner::~NativeRunner() {
    if (native_host == this) native_host = nullptr;
}

Stop NativeRunner::run() {
    NativeHost* const self = this;
    NativeHost* const outer_host = std::exchange(native_host, self);
    const platform::RamView outer_ram = std::exchange(platform::ram_view, ram_);
    stop_ = {};
    fiber_.own_faults(true);
    const Fiber::Back back = fiber_.resume();
    fiber_.own_faults(false);
    if (back == Fiber::Back::kOverflowed) {
        stop_.kind = Stop::Kind::kFault;
        stop_.fault = {.kind = Fault::Kind::kStackOverflow};
    } else if (back == Fiber::Back::kFaulted) {
        // A wild pointer of the kernel itself. Where it points depends on the host, so the verdict does not say.
        stop_.kind = Stop::Kind::kFault;
        stop_.fault = {.kind = in_machine_code_ ? Fault::Kind::kTripleFault : Fault::Kind::kBadAccess};
    }
    platform::ram_view = outer_ram;
    native_host = outer_host;
    return stop_;
}

Stop NativeRunner::start(PhysAddr image, u64 argument, const EntryTables&) {
    in_machine_code_ = true;
    const Entry entry{isa_ == Isa::kX86_64 ? image + kEntryOffsetX86 : image, argument};
    fiber_.start([this, entry] {
        const auto found = find_image(isa_, entry);
        if (!found) fault(found.error());
        in_machine_code_ = false;
        kernel_main(found->image, found->header, found->argument);
    });
    return run();
}

Stop NativeRunner::transfer(const platform::Jump& jump) {
    in_machine_code_ = true;
    fiber_.start([this, jump] {
        Entry entry = relocate(isa_, jump);
        if (isa_ == Isa::kX86_64) {
            const auto next = run_purgatory(entry);
            if (!next) fault(next.error());
            entry = *next;
        }
        const auto found = find_image(isa_, entry);
        if (!found) fault(found.error());
        in_machine_code_ = false;
        kernel_main(found->image, found->header, found->argument);
    });
    return run();
}

Stop NativeRunner::resume(PhysAddr kernel) {
    in_machine_code_ = false;
    fiber_.start([kernel] { kernel_resume(kernel); });
    return run();
}

Stop NativeRunner::proceed() { return run(); }

void NativeRunner::leave(Stop stop) {
    stop_ = stop;
    fiber_.leave();
}

void NativeRunner::obey(SiteAction action) {
    if (action == SiteAction::kHang) fault({.kind = Fault::Kind::kHang, .args = {services_.budget(), 0, 0}});
    if (action == SiteAction::kBreak) {
        stop_ = {};
        stop_.kind = Stop::Kind::kBreak;
        fiber_.suspend();
    }
}

// What the machine does at a schedule point is host code: a fault in it is a bug of the simulator.
void NativeRunner::at(Site site, u64 arg0, u64 arg1) {
    fiber_.own_faults(false);
    const SiteAction action = services_.at(site, arg0, arg1);
    fiber_.own_faults(true);
    obey(action);
}
void NativeRunner::charge(Work work, u64 amount) { obey(services_.charge(work, amount)); }

u64 NativeRunner::mmio_read(PhysAddr reg, u32 width) {
    at(Site::kMmio, reg.value, width);
    u64 value = 0;
    if (!services_.mmio_read(reg, width, value))
        fault({.kind = Fault::Kind::kPanic, .log = Log::kPanicMmio, .args = {reg.value, 0, 0}});
    return value;
}

void NativeRunner::mmio_write(PhysAddr reg, u32 width, u64 value) {
    at(Site::kMmio, reg.value, width);
    if (!services_.mmio_write(reg, width, value))
        fault({.kind = Fault::Kind::kPanic, .log = Log::kPanicMmio, .args = {reg.value, 0, 0}});
}

void NativeRunner::jump(const platform::Jump& jump) {
    Stop stop;
    stop.kind = Stop::Kind::kLeft;
    stop.jump = jump;
    leave(stop);
}

// On the stack of the kernel that moved itself: it left nothing there that matters, and a kernel moves once.
void NativeRunner::enter(PhysAddr image, u64 argument, PhysAddr loaded) {
    in_machine_code_ = true;
    const auto found = check_image(isa_, {image + kEntryOffsetX86, argument});
    if (!found) fault(found.error());
    in_machine_code_ = false;
    kernel_main(found->image, found->header, found->argument, loaded);
}

void NativeRunner::fault(const Fault& fault) {
    Stop stop;
    stop.kind = Stop::Kind::kFault;
    stop.fault = fault;
    if (in_machine_code_ && fault.kind == Fault::Kind::kBadAccess) stop.fault.kind = Fault::Kind::kTripleFault;
    leave(stop);
}

void NativeRunner::idle() {
    stop_ = {};
    stop_.kind = Stop::Kind::kIdle;
    fiber_.suspend();
}

}  // namespace baton::sim
