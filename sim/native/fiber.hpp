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
    enum class Back { kSuspended, kOverflowed };
    /// Switches to the fiber; returns when it suspends or leaves, or when it ran off its stack: then it is gone.
    Back resume();
    /// Called on the fiber: switches back to whoever resumed it.
    void suspend();
    /// Called on the fiber, for good: it will not be resumed again.
    [[noreturn]] void leave();
    /// The bytes just below the stack, which fault: an access there is a stack overflow.
    bool in_guard(const void* address) const;

private:
    /// From the signal handler: the access to `address` faulted. Does not return if it was this fiber's guard.
    void on_fault(const void* address);

    std::byte* mapping_ = nullptr;
    void* context_ = nullptr;  // the fiber's, while it is suspended
    void* caller_ = nullptr;   // the resumer's, while the fiber runs
    std::function<void()> entry_;
    bool overflowed_ = false;
    const void* caller_stack_ = nullptr;
    std::size_t caller_stack_bytes_ = 0;
    void* caller_fake_stack_ = nullptr;
    void* fiber_fake_stack_ = nullptr;
    friend struct FiberEntry;
    friend struct FiberGuard;
};

}  // namespace baton::sim
