// SPDX-License-Identifier: GPL-2.0-only
// Runs kernels as machine code (targets "guest"): an emulated CPU over the machine's RAM, the twin of NativeRunner.
//
// A guest reaches the machine in three ways, and all become calls of Services in program order:
//   platform calls   a record in the port window and a store to the doorbell (model/port.hpp)   runner_port.cpp
//   labels           addresses of machine code that cannot make calls: relocation, purgatory,   runner_labels.cpp
//                    kernel entry (decision D7)
//   exceptions       verdicts, as no guest has handlers (decision D29)                          runner_faults.cpp
// Calls are answered inside the emulator's callback, without stopping the CPU, unless the machine says kBreak or kHang,
// the kernel waits or left, or a host write touched code: then the CPU stops *at* the store or the label. On resumption
// the store is made again, and dropped by its sequence number; the label's callback knows that it already announced.
//
// Hangs. A guest runs uncounted. When it makes no call for `silence`, by the wall clock, it runs on with its
// instructions counted; `budget_instructions` more without a call are the verdict "hang". What is deterministic:
//   - a guest that never calls again is always a hang, and one whose silent stretches are shorter than the budget never
//     is, whatever the speed of the host;
//   - a guest that is silent for longer than the budget and then calls may be either, and the pc of a hang is some pc
//     of its loop. With `count_always` every stretch is counted from the call before it: then the verdict and every
//     register are functions of the guest alone. A machine that wants certainty repeats the step from its last instant
//     with it; silence_seen() says when that is worth while.
#pragma once

#include <array>
#include <chrono>
#include <deque>
#include <memory>
#include <optional>
#include <set>

#include "model/image_header.hpp"
#include "model/port.hpp"
#include "sim/cpu/counted_run.hpp"
#include "sim/cpu/engine.hpp"
#include "sim/cpu/page_walk.hpp"
#include "sim/cpu/registers.hpp"
#include "sim/guest/crash.hpp"
#include "sim/guest/symbols.hpp"
#include "sim/guest/watchdog.hpp"
#include "sim/memory/physical_memory.hpp"
#include "sim/native/relocator.hpp"
#include "sim/services.hpp"

namespace baton::sim {

struct GuestConfig {
    u64 budget_instructions = 2'000'000'000;  // between two calls (decision D31)
    std::chrono::milliseconds silence{2000};
    bool count_always = false;
};

class GuestRunner final : public KernelRunner, private MmioHandler, private DirtySource {
public:
    /// Guests know 128 GiB of addresses (the dirty bitmap's reach). Throws EngineError for more RAM or an emulator that
    /// does not behave; `memory` and `services` must outlive this object.
    GuestRunner(Isa isa, Services& services, PhysicalMemory& memory, const GuestConfig& config = {});
    ~GuestRunner() override;

    Stop start(PhysAddr image, u64 argument, const EntryTables& tables) override;
    /// Of a restored machine: call restore_cpu() first. The kernel is the one whose registers these are, so `kernel` is
    /// not looked at.
    Stop resume(PhysAddr kernel) override;
    /// Also of a restored machine that was saved at the jump, after restore_cpu().
    Stop transfer(const platform::Jump& jump) override;
    Stop proceed() override;

    /// A kBreak exactly `n` instructions after the point at which the CPU stands, whatever it calls on the way. 0:
    /// right behind the call. Other breaks, a jump, and a kernel that waits do not end the count; nothing does.
    void stop_after(std::optional<u64> n);
    /// True if the last stop was made by stop_after().
    bool stopped_after() const { return stopped_after_; }
    /// The CPU stands at the store of a call that was made. stop_after() takes the store for executed.
    bool at_call() const { return at_doorbell_; }

    /// A kBreak before the instruction at `va`, whoever maps it, whenever the CPU comes to it and does not already
    /// stand there. Between runs only.
    void add_breakpoint(u64 va);
    void remove_breakpoint(u64 va);
    /// True if the last stop was made by a breakpoint.
    bool stopped_at_breakpoint() const { return stopped_at_breakpoint_; }

    /// Everything of this runner that is not in RAM, by name. At the instants without a stack only (decision D17): the
    /// kernel waits, or has said kJump; save_cpu() throws EngineError at others.
    bool can_save() const { return phase_ == Phase::kKernel && !stop_in_call_; }
    CpuFields save_cpu() const override;
    /// Throws EngineError for fields that are not of this ISA's runner.
    void restore_cpu(const CpuFields& fields) override;
    /// Somebody but the CPU wrote RAM, or a snapshot was restored into it. Also from inside a call.
    void notify_host_write(PhysRange range) override;

    /// Names for crash reports, traces and debuggers.
    void set_symbols(SymbolFiles files) { symbol_files_ = std::move(files); }
    /// After a kFault.
    const std::optional<GuestCrash>& crash() const { return crash_; }
    bool silence_seen() const { return silence_seen_; }

    Engine& engine() { return *engine_; }
    PageWalk walk(VirtAddr va, WalkAccess access = {}) const;
    /// What lies in RAM at a virtual address; how many bytes of it could be read.
    std::size_t read(VirtAddr va, std::span<u8> to, WalkAccess access = {}) const;
    /// A virtual address as the ELF file names it: control page, purgatory and image in the identity map included.
    std::string symbol(u64 va) const;

private:
    /// What is being executed, and so who can handle a fault.
    enum class Phase : u32 { kOff, kEntry, kKernel, kRelocation, kPurgatory };
    /// A call of Services that stands in a queue, because a break may come between two of one label.
    struct Announcement {
        enum class Kind { kSite, kWork, kRegister, kPurgatoryCheck } kind;
        u32 id;
        u64 arg0;
        u64 arg1;
    };
    /// A device access during which the CPU was stopped, and so will be made again (decision D15). An 8-byte register
    /// is two accesses to Unicorn; PortOp::kMmioRead and kMmioWrite keep it one.
    struct Repeat {
        bool done;  // or only announced
        u64 value;
    };

    // runner.cpp
    void power_on();
    Stop go();
    void before_run();
    CpuStop run_cpu();
    CpuStop run_counted();
    void handle(const CpuStop& stop);
    void ask_stop();
    void begin_call();
    void end_call();
    void end(Stop stop);
    bool obey(SiteAction action);
    void fault(const Fault& fault);
    void silent();
    void announce_site(Site site, u64 arg0 = 0, u64 arg1 = 0);
    void announce_work(Work work, u64 amount);
    SiteAction make(const Announcement& a);
    bool deliver();
    void report_dirty(PhysicalMemory& memory) override;
    void mark_kernel(PhysicalMemory& memory);
    std::array<PhysRange, 2> image_but_text() const;

    // runner_port.cpp
    u64 mmio_read(PhysAddr reg, u32 width) override;
    void mmio_write(PhysAddr reg, u32 width, u64 value) override;
    bool begin_access(PhysAddr reg, u32 width);
    void ring(PhysAddr reg, u32 sequence);
    void serve(PortRecord& record);
    void serve_event(const PortRecord& record);
    void serve_jump(PhysAddr at);
    void serve_enter(PhysAddr image);
    void access_register();
    void no_such_register(PhysAddr reg);
    void bad_call(const PortRecord& record);

    // runner_labels.cpp
    void watch(u64 pc, void (GuestRunner::*event)());
    void watch_relocation();
    void watch_purgatory();
    void watch_entry(PhysAddr entry);
    void on_label(u64 pc, void (GuestRunner::*event)());
    void on_relocate_start();
    void on_relocate_word();
    void on_relocate_page();
    void on_relocate_done();
    void on_purgatory_start();
    void examine_purgatory();
    void on_purgatory_region();
    void on_purgatory_done();
    void on_purgatory_loop();
    void on_entry();
    void take_word(u64 word);
    template <class F>
    auto with_ram_view(F&& check) -> decltype(check());

    // runner_debug.cpp
    void place_breakpoints();
    void on_breakpoint(u64 pc);

    // runner_faults.cpp
    void exception(const CpuStop& stop);
    void bus_error(const CpuStop& stop);
    bool in_guard_page(u64 va) const;
    void note_memstart();
    std::optional<PhysAddr> direct_mapped(u64 va) const;
    u64 bytes_being_moved() const;
    u64 relocated_address(const CpuStop& stop) const;
    /// A virtual address as the ELF file that knows it has it.
    struct Named {
        std::shared_ptr<const ImageSymbols> symbols;  // may be null
        const SymbolTable* table = nullptr;
        u64 address = 0;  // in the table
    };
    Named named(u64 va) const;
    GuestCrash make_crash() const;
    CrashScene scene() const;

    const Geometry& geometry() const;
    bool x86() const { return isa_ == Isa::kX86_64; }

    const Isa isa_;
    Services& services_;
    PhysicalMemory& memory_;
    const GuestConfig config_;
    const PortMap& port_;
    HostMapping window_;  // the page of the record
    PortRecord& record_;
    std::unique_ptr<Engine> engine_;
    std::optional<CountedRun> counted_;
    std::vector<Engine::Hook> labels_;
    Watchdog watchdog_;
    mutable SymbolFiles symbol_files_{{}};  // reads files when names are asked for

    // The kernel.
    Phase phase_ = Phase::kOff;
    PhysAddr image_;
    ImageHeader header_{};
    PhysAddr memstart_;
    u32 served_ = 0;  // sequence number of the last port call
    platform::Jump jump_;

    // Machine code: where the entry list has led (decision D7), and the purgatory's next region.
    PhysAddr destination_;
    PhysAddr list_;
    PhysAddr source_;
    bool moving_ = false;
    u32 next_region_ = 0;
    kexec::PurgatoryHeader purgatory_{};

    // This run.
    std::optional<Stop> stop_;
    std::deque<Announcement> pending_;
    std::optional<Repeat> repeat_;
    std::optional<u64> announced_label_;  // the CPU stands at it, and its callback will come again
    bool at_doorbell_ = false;            // the CPU stands at a store that will be made again
    bool flush_code_ = false;
    std::optional<PhysAddr> next_entry_;  // where the purgatory, or AArch64's relocation, will go
    bool entered_ = false;                // the label at that entry was passed
    bool moved_ = false;                  // x86-64: that entry is the one for images that moved themselves
    bool entry_from_registers_ = false;   // x86-64: known once the purgatory is done
    bool called_ = false;                 // since the CPU began to run
    bool stopping_ = false;               // it was asked to stop
    bool stop_in_call_ = false;           // the last stop was a break
    bool counting_ = false;
    bool silence_seen_ = false;
    u64 hang_left_ = 0;
    std::optional<u64> stop_after_;
    bool stopped_after_ = false;
    std::set<u64> breakpoints_;
    std::vector<Engine::Hook> breakpoint_hooks_;
    bool stopped_at_breakpoint_ = false;
    std::optional<u64> resumed_at_;  // a breakpoint there does not stop the CPU again
    std::optional<u64> label_seen_;  // the last label that called back
    bool ran_ = false;               // since dirty frames were reported
    std::vector<PhysRange> written_unclaimed_;
    std::optional<u64> fault_address_;
    std::deque<SiteSeen> sites_;
    std::optional<GuestCrash> crash_;
};

}  // namespace baton::sim
