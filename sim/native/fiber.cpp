// SPDX-License-Identifier: GPL-2.0-only
#include "sim/native/fiber.hpp"

#include <sys/mman.h>

#include <boost/context/detail/fcontext.hpp>
#include <csignal>
#include <cstdlib>
#include <new>
#include <utility>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#define BATON_ASAN 1
#else
#define BATON_ASAN 0
#endif

namespace baton::sim {
namespace ctx = boost::context::detail;

namespace {
constexpr std::size_t kStackBytes = 256 * 1024;
constexpr std::size_t kGuardBytes = 64 * 1024;
}  // namespace

struct FiberEntry {
    [[noreturn]] static void run(ctx::transfer_t t) {
        Fiber& f = *static_cast<Fiber*>(t.data);
        f.caller_ = t.fctx;
#if BATON_ASAN
        __sanitizer_finish_switch_fiber(nullptr, &f.caller_stack_, &f.caller_stack_bytes_);
#endif
        f.entry_();
        std::abort();  // entries never return: a kernel leaves by jump, fault or being dropped
    }
};

// A kernel that runs off its stack touches the guard below it; the handler turns that into a way back. Any other fault
// is a bug of the simulator and keeps its default fate.
struct FiberGuard {
    static thread_local Fiber* running;

    static void on_signal(int signal, siginfo_t* info, void*) {
        if (running != nullptr) running->on_fault(info->si_addr);
        std::signal(signal, SIG_DFL);
        std::raise(signal);
    }

    // The handler runs on a stack of its own, for the fiber's is used up. NODEFER: it is left by a context switch.
    // Anew for every fiber, because others (a test framework) install handlers of theirs.
    static void install() {
        struct sigaction action{};
        action.sa_sigaction = on_signal;
        action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
        sigaction(SIGSEGV, &action, nullptr);
        static thread_local AlternateStack alternate;
        alternate.install();
    }

    /// Of a thread, unless it has a large one. A thread ends with the one that it began with: others free theirs then.
    class AlternateStack {
    public:
        AlternateStack() { sigaltstack(nullptr, &before_); }
        AlternateStack(const AlternateStack&) = delete;
        AlternateStack& operator=(const AlternateStack&) = delete;
        ~AlternateStack() { sigaltstack(&before_, nullptr); }
        void install() {
            stack_t stack{};
            sigaltstack(nullptr, &stack);
            if ((stack.ss_flags & SS_DISABLE) == 0 && stack.ss_size >= sizeof(bytes_)) return;
            stack = {};
            stack.ss_sp = bytes_;
            stack.ss_size = sizeof(bytes_);
            sigaltstack(&stack, nullptr);
        }

    private:
        stack_t before_{};
        std::byte bytes_[64 * 1024];
    };
};
thread_local Fiber* FiberGuard::running = nullptr;

Fiber::Fiber() {
    FiberGuard::install();
    void* p = mmap(nullptr, kGuardBytes + kStackBytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (p == MAP_FAILED || mprotect(p, kGuardBytes, PROT_NONE) != 0) throw std::bad_alloc();
    mapping_ = static_cast<std::byte*>(p);
}

Fiber::~Fiber() {
#if BATON_ASAN
    __asan_unpoison_memory_region(mapping_ + kGuardBytes, kStackBytes);
#endif
    munmap(mapping_, kGuardBytes + kStackBytes);
}

void Fiber::start(std::function<void()> entry) {
#if BATON_ASAN
    // The dropped kernel never unwound: its frames' red zones are still poisoned.
    __asan_unpoison_memory_region(mapping_ + kGuardBytes, kStackBytes);
#endif
    entry_ = std::move(entry);
    fiber_fake_stack_ = nullptr;
    context_ = ctx::make_fcontext(mapping_ + kGuardBytes + kStackBytes, kStackBytes, &FiberEntry::run);
}

Fiber::Back Fiber::resume() {
    Fiber* const outer = std::exchange(FiberGuard::running, this);
    back_ = Back::kSuspended;
#if BATON_ASAN
    __sanitizer_start_switch_fiber(&caller_fake_stack_, mapping_ + kGuardBytes, kStackBytes);
#endif
    const ctx::transfer_t t = ctx::jump_fcontext(std::exchange(context_, nullptr), this);
#if BATON_ASAN
    __sanitizer_finish_switch_fiber(caller_fake_stack_, nullptr, nullptr);
#endif
    context_ = t.fctx;
    FiberGuard::running = outer;
    return back_;
}

void Fiber::on_fault(const void* address) {
    if (!in_guard(address) && !own_faults_) return;
    back_ = in_guard(address) ? Back::kOverflowed : Back::kFaulted;
    fault_address_ = address;
    leave();
}

void Fiber::suspend() {
#if BATON_ASAN
    __sanitizer_start_switch_fiber(&fiber_fake_stack_, caller_stack_, caller_stack_bytes_);
#endif
    const ctx::transfer_t t = ctx::jump_fcontext(caller_, this);
#if BATON_ASAN
    __sanitizer_finish_switch_fiber(fiber_fake_stack_, &caller_stack_, &caller_stack_bytes_);
#endif
    caller_ = t.fctx;
}

void Fiber::leave() {
#if BATON_ASAN
    __sanitizer_start_switch_fiber(nullptr, caller_stack_, caller_stack_bytes_);
#endif
    ctx::jump_fcontext(caller_, this);
    std::abort();
}

bool Fiber::in_guard(const void* address) const {
    const auto* a = static_cast<const std::byte*>(address);
    return a >= mapping_ && a < mapping_ + kGuardBytes;
}

}  // namespace baton::sim
