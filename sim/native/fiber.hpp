// SPDX-License-Identifier: GPL-2.0-only
// The stack a native kernel runs on (decision D8): 256 KiB with a guard page, entered and left by a context switch.
//
// `resume` runs the kernel until it calls `suspend`; a fiber that is destroyed or started anew is dropped without
// unwinding, as a kernel that left through kexec is. Uses Boost.Context's fcontext directly because a kernel must be
// droppable at any instruction, and annotates switches for AddressSanitizer.
#pragma once

#include <cstddef>
#include <functional>

namespace baton::sim {

class Fiber {
public:
    Fiber();
    ~Fiber();
    Fiber(const Fiber&) = delete;
    Fiber& operator=(const Fiber&) = delete;

    /// Drops whatever ran and makes `entry` the next thing to run; it must never return.
    void start(std::function<void()> entry);
    enum class Back { kSuspended, kOverflowed, kFaulted };
    /// Switches to the fiber; returns when it suspends or leaves. When it ran off its stack, or touched an address that
    /// is not mapped while own_faults() is on, it is gone.
    Back resume();
    /// Whether a segmentation fault on the fiber is its own, and not of host code that it called.
    void own_faults(bool on) { own_faults_ = on; }
    /// After kFaulted: what was touched.
    const void* fault_address() const { return fault_address_; }
    /// Called on the fiber: switches back to whoever resumed it.
    void suspend();
    /// Called on the fiber, for good: it will not be resumed again.
    [[noreturn]] void leave();
    /// The bytes just below the stack, which fault: an access there is a stack overflow.
    bool in_guard(const void* address) const;

private:
    /// From the signal handler: the access to `address` faulted. Returns if that is not this fiber's doing.
    void on_fault(const void* address);

    std::byte* mapping_ = nullptr;
    void* context_ = nullptr;  // the fiber's, while it is suspended
    void* caller_ = nullptr;   // the resumer's, while the fiber runs
    std::function<void()> entry_;
    Back back_ = Back::kSuspended;
    bool own_faults_ = false;
    const void* fault_address_ = nullptr;
    [[maybe_unused]] const void* caller_stack_ = nullptr;
    [[maybe_unused]] std::size_t caller_stack_bytes_ = 0;
    [[maybe_unused]] void* caller_fake_stack_ = nullptr;
    void* fiber_fake_stack_ = nullptr;
    friend struct FiberEntry;
    friend struct FiberGuard;
};

}  // namespace baton::sim
