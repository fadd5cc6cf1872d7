// SPDX-License-Identifier: GPL-2.0-only
#include "sim/native/runner.hpp"

#include <csignal>
#include <cstdlib>
#include <mutex>
#include <utility>

#include "model/kernel.hpp"
#include "sim/native/relocator.hpp"

namespace baton::sim {
namespace {

// A native kernel that runs off its stack touches the guard below it. The handler turns that into a verdict; any other
// fault is a bug of the simulator and keeps its default fate.
thread_local const Fiber* guarded_fiber = nullptr;

void on_segv(int signal, siginfo_t* info, void*) {
    if (guarded_fiber != nullptr && guarded_fiber->running() && guarded_fiber->in_guard(info->si_addr))
        native_host->fault({.kind = Fault::Kind::kStackOverflow});
    std::signal(signal, SIG_DFL);
    std::raise(signal);
}

void install_guard_handler() {
    static std::once_flag once;
    std::call_once(once, [] {
        struct sigaction action {};
        action.sa_sigaction = on_segv;
        // NODEFER: the handler is left through a context switch, never by returning.
        action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
        sigaction(SIGSEGV, &action, nullptr);
    });
    static thread_local std::byte alternate_stack[64 * 1024];
    stack_t stack{};
    sigaltstack(nullptr, &stack);
    if ((stack.ss_flags & SS_DISABLE) != 0 || stack.ss_size < sizeof(alternate_stack)) {
        stack = {};
        stack.ss_sp = alternate_stack;
        stack.ss_size = sizeof(alternate_stack);
        sigaltstack(&stack, nullptr);
    }
}

}  // namespace

NativeRunner::NativeRunner(Isa isa, Services& services, const platform::RamView& ram)
    : isa_(isa), services_(services), ram_(ram) {
    install_guard_handler();
}

NativeRunner::~NativeRunner() {
    if (native_host == this) native_host = nullptr;
}

Stop NativeRunner::run() {
    NativeHost* const self = this;
    NativeHost* const outer_host = std::exchange(native_host, self);
    const platform::RamView outer_ram = std::exchange(platform::ram_view, ram_);
    const Fiber* const outer_fiber = std::exchange(guarded_fiber, &fiber_);
    alive_ = true;
    stop_ = {};
    fiber_.resume();
    guarded_fiber = outer_fiber;
    platform::ram_view = outer_ram;
    native_host = outer_host;
    if (stop_.kind == Stop::Kind::kFault || stop_.kind == Stop::Kind::kLeft) alive_ = false;
    return stop_;
}

Stop NativeRunner::start(PhysAddr image, u64 argument) {
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

void NativeRunner::drop() { alive_ = false; }

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

void NativeRunner::at(Site site, u64 arg0, u64 arg1) { obey(services_.at(site, arg0, arg1)); }
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
