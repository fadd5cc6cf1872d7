// SPDX-License-Identifier: GPL-2.0-only
// One emulated CPU: Unicorn in the only configuration that Baton uses, and its stops as values.
//
// What is fixed here, and why:
//   UC_TLB_CPU      the guest's own page tables decide, as on hardware
//   x86-64 model    Opteron G4: NX and 1 GiB pages in CPUID, and no RDRAND, which nothing could trap (decision D28)
//   AArch64 model   MAX, running at EL1: all three granules and LSE atomics (decision D20)
//   no memory hooks one of them slows every load and store five times; registers are uc_mmio_map windows instead
//   no vectoring    Unicorn never enters a guest's exception handler, so every exception stops the CPU (decision D29)
//   time            RDTSC, RDTSCP, and the AArch64 counters and random numbers stop the CPU (decision D28)
//
// Exactness. A stop asked for inside a register access or a code hook leaves the CPU *before* that instruction: it runs
// again on the next run(), and so do the access and the hook. Handlers must expect the repetition.
// sim/cpu/self_test.cpp proves these and the other assumptions for the Unicorn that is linked.
#pragma once

#include <atomic>
#include <exception>
#include <functional>
#include <list>
#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

#include "model/geometry.hpp"

struct uc_struct;
struct uc_context;

namespace baton::sim {

/// Unicorn refused something, or does not behave as Baton needs. Never caused by what a guest does.
class EngineError : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

enum class CpuAccess : u32 { kRead, kWrite, kFetch };

/// Why the CPU stopped. `pc` is the instruction that did not complete, or the next one.
struct CpuStop {
    enum class Kind {
        kRequested,  // request_stop()
        kUntil,      // the address given to run()
        kHalted,     // HLT or WFI: no interrupt will ever come
        kException,  // vector, code, address
        kBusError,   // address (physical), bytes, access: the tables lead to what is neither RAM nor a register
        kTimeRead,   // code: what was read, see sim/cpu/time_traps.cpp
    };
    Kind kind = Kind::kRequested;
    u64 pc = 0;
    u32 vector = 0;   // x86-64: the vector; AArch64: the exception class of the syndrome (ESR_EL1.EC)
    u64 code = 0;     // x86-64: the error code; AArch64: the syndrome (ESR_EL1)
    u64 address = 0;  // CR2 or FAR_EL1 where the exception has one
    u64 bytes = 0;
    CpuAccess access = CpuAccess::kRead;
};

/// Whoever answers accesses to device registers. Unicorn splits 8-byte accesses into two of 4 bytes, low half first.
class MmioHandler {
public:
    virtual u64 mmio_read(PhysAddr reg, u32 width) = 0;
    virtual void mmio_write(PhysAddr reg, u32 width, u64 value) = 0;

protected:
    ~MmioHandler() = default;
};

class Engine {
public:
    explicit Engine(Isa isa);
    Engine(const Engine&) = delete;
    Engine& operator=(const Engine&) = delete;
    ~Engine();

    Isa isa() const { return isa_; }
    uc_struct* raw() const { return uc_; }

    /// Ranges in whole 4 KiB. The memory must outlive this object.
    void map_memory(PhysRange range, void* host);
    void map_mmio(PhysRange range, MmioHandler& handler);

    /// From pc() until something happens. What a handler throws is thrown here, after the CPU has stopped.
    CpuStop run();
    /// Stops before the instruction at `until`, which must be mapped and not the first of its page.
    CpuStop run(u64 until);
    /// Also from another thread; the CPU then stops at some block boundary. Does nothing if it does not run, unless
    /// that is about to change: ask again.
    void request_stop();
    bool running() const { return running_.load(std::memory_order_relaxed); }

    u64 pc() const;
    void set_pc(u64 pc);
    u64 sp() const;
    u64 frame_pointer() const;
    /// By Unicorn's register number; registers of up to 64 bits.
    u64 reg(int id) const;
    void set_reg(int id, u64 value);

    /// The next instruction fetch sees what is in memory now.
    void flush_code();
    /// The next access walks the page tables. Also allowed inside a handler.
    void flush_tlb();
    /// Counts flush_code(): whoever caches facts about translated code compares.
    u64 code_epoch() const { return code_epoch_; }

    /// Calls back before the instruction at every address of [first, last], when code is translated from now on: flush
    /// code that may have run. Gone with the handle, which must not go inside a callback.
    class Hook;
    using CodeCallback = std::function<void(u64 pc)>;
    using BlockCallback = std::function<void(u64 pc, u32 bytes)>;
    [[nodiscard]] Hook on_code(u64 first, u64 last, CodeCallback callback);
    [[nodiscard]] Hook on_block(BlockCallback callback);

    /// Everything Unicorn keeps of a CPU, in this process and this version only. Not the TLB, not translated code.
    class Context;
    Context save_context() const;
    void restore_context(const Context& context);
    /// Unicorn's raw state at the last exception: only to find out where things are in it (ContextLayout).
    const std::vector<u8>& exception_bytes() const { return exception_bytes_; }

private:
    friend struct EngineCallbacks;
    void configure();
    void add_traps();
    void watch_holes();
    void keep_exception_bytes();
    void complete_exception();
    template <class F>
    void guarded(F&& f) noexcept;

    struct Window {
        Engine* engine;
        MmioHandler* handler;
        PhysAddr start;
    };

    const Isa isa_;
    uc_struct* uc_ = nullptr;
    std::list<Window> windows_;
    std::vector<PhysRange> mapped_;  // memory and registers
    std::vector<u64> hole_hooks_;
    bool holes_watched_ = false;
    std::atomic<bool> running_ = false;
    std::atomic<bool> requested_ = false;
    bool stopped_by_trap_ = false;
    CpuStop stop_;
    std::exception_ptr thrown_;
    std::vector<u8> exception_bytes_;
    u64 code_epoch_ = 0;
};

class Engine::Hook {
public:
    Hook() = default;
    Hook(Hook&& other) noexcept { *this = std::move(other); }
    Hook& operator=(Hook&& other) noexcept;
    ~Hook() { remove(); }
    void remove();
    explicit operator bool() const { return body_ != nullptr; }

private:
    friend class Engine;
    friend struct EngineCallbacks;
    struct Body {
        Engine* engine;
        std::size_t handle;
        CodeCallback code;
        BlockCallback block;
    };
    std::unique_ptr<Body> body_;
};

class Engine::Context {
public:
    Context(Context&& other) noexcept : context_(std::exchange(other.context_, nullptr)) {}
    Context& operator=(Context&& other) noexcept {
        std::swap(context_, other.context_);
        return *this;
    }
    ~Context();

private:
    friend class Engine;
    explicit Context(uc_context* context) : context_(context) {}
    uc_context* context_ = nullptr;
};

/// Where Unicorn keeps what it tells nobody about an exception, as offsets into a saved context. They differ between
/// builds, so the start-up self-test finds them by provoking known exceptions.
struct ContextLayout {
    u32 code = 0;     // x86-64: error code; AArch64: syndrome; u32
    u32 address = 0;  // AArch64: faulting address, u64
    bool known = false;
};
ContextLayout& context_layout(Isa isa);

}  // namespace baton::sim
