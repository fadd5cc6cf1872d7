// SPDX-License-Identifier: GPL-2.0-only
// What a machine does for whatever runs a kernel on it, and what that gives back: the seam between the machine and its
// targets (native today, Unicorn guests beside it).
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/platform.hpp"

namespace baton::sim {

/// What runs the kernels of a machine: host code, or machine code on an emulated CPU.
enum class Target : u32 { kNative, kGuest };

/// Why a kernel stopped for good. Each is a verdict about the simulated system, never an error of the simulator.
struct Fault {
    enum class Kind {
        kNone,
        kPanic,      // log, args
        kAssert,     // file, line
        kBadAccess,  // args: address, bytes — the kernel touched what is not RAM
        kStackOverflow,
        kHang,  // args: budget, HangKind — the step's budget of platform calls ran out, or a guest makes none (D31)
        kTripleFault,     // args: address, bytes — bad access in relocation or purgatory, where nothing can handle it
        kPurgatoryLoop,   // the digest did not match: the purgatory's endless loop (kexec.md §6)
        kImageCorrupted,  // args: entry address, check — no intact image where the CPU was sent
        // Of guests only.
        kGuestException,  // args: vector (AArch64: exception class), pc, address; line: error code (syndrome)
        kTimeRead,        // args: TimeSource, pc — a counter or random number was read behind the platform's back (D28)
        kBadPortCall,     // args: operation, first argument, pc — no such platform call
    };
    Kind kind = Kind::kNone;
    Log log = Log::kCount;
    u64 args[3] = {};
    u32 file = 0;  // platform::file_id
    u32 line = 0;
    bool operator==(const Fault&) const = default;
};

/// Fault::args[1] of kHang: what the budget in args[0] counted.
enum HangKind : u64 {
    kHangCalls,   // platform calls of the step
    kHangSilent,  // instructions since a guest's last call
};

struct FaultInfo {
    Fault::Kind kind;
    std::string_view verdict;  // as written in scenarios and reports
};
inline constexpr FaultInfo kFaults[] = {
    {Fault::Kind::kNone, "none"},
    {Fault::Kind::kPanic, "panic"},
    {Fault::Kind::kAssert, "assert"},
    {Fault::Kind::kBadAccess, "bad access"},
    {Fault::Kind::kStackOverflow, "stack overflow"},
    {Fault::Kind::kHang, "hang"},
    {Fault::Kind::kTripleFault, "triple fault"},
    {Fault::Kind::kPurgatoryLoop, "purgatory loop"},
    {Fault::Kind::kImageCorrupted, "image corrupted"},
    {Fault::Kind::kGuestException, "exception"},
    {Fault::Kind::kTimeRead, "time read"},
    {Fault::Kind::kBadPortCall, "bad platform call"},
};
constexpr std::string_view verdict_of(Fault::Kind k) { return kFaults[static_cast<u32>(k)].verdict; }

/// What a kernel may spend before it counts as hanging (decision D31).
struct StepBudget {
    static constexpr u64 kCalls = 100'000'000;
    static constexpr u64 kInstructions = 2'000'000'000;
    u64 calls = 0;         // of the platform, in one step; 0 = the default
    u64 instructions = 0;  // of a guest, between two of them; 0 = the default
    /// Where this says nothing, what `other` says.
    StepBudget or_else(const StepBudget& other) const {
        return {calls != 0 ? calls : other.calls, instructions != 0 ? instructions : other.instructions};
    }
};

/// What the machine wants at a schedule point.
enum class SiteAction { kGoOn, kBreak, kHang };

/// The machine's side of the platform boundary, the same for every target.
class Services {
public:
    Services() = default;
    Services(const Services&) = delete;
    Services& operator=(const Services&) = delete;
    virtual ~Services() = default;
    virtual SiteAction at(Site site, u64 arg0, u64 arg1) = 0;
    /// kHang when the step's budget of calls is spent.
    virtual SiteAction charge(Work work, u64 amount) = 0;
    virtual void own(PhysRange range, Owner from, Owner to) = 0;
    virtual bool mmio_read(PhysAddr reg, u32 width, u64& value) = 0;
    virtual bool mmio_write(PhysAddr reg, u32 width, u64 value) = 0;
    virtual void log(LogLevel level, Log id, const u64 (&args)[4]) = 0;
    virtual void warn(u32 file, u32 line) = 0;
    virtual u64 now() = 0;
    virtual u64 random(u32 stream) = 0;
    virtual void load_root(PhysAddr table) = 0;
    /// A driver polls: what devices have under way goes on.
    virtual void relax() = 0;
    virtual u64 budget() const = 0;
};

/// Why a runner gave control back to the machine.
struct Stop {
    enum class Kind {
        kIdle,   // the kernel waits for a command; the reply to the last one, if any, is in the mailbox
        kLeft,   // the kernel jumped: `jump` and RAM are all there is
        kBreak,  // stopped inside a schedule point, `proceed` goes on
        kFault,
    } kind = Kind::kFault;
    platform::Jump jump;
    Fault fault;
};

/// x86-64 is entered in long mode, so a boot loader makes tables too (specs/boot.md §7): an identity map, the root page
/// first, and a page with a GDT behind it. The defaults are the cold boot's (decision D26). Nothing on AArch64.
struct EntryTables {
    PhysAddr root{0x92000};
    PhysAddr gdt{0x96000};
    PhysRange range() const { return {root, gdt - root + kFrameSize}; }
};

/// Everything of a CPU that is not in RAM, by name and in a fixed order.
using CpuFields = std::vector<std::pair<std::string, std::vector<u8>>>;

/// Runs one kernel at a time on a machine.
class KernelRunner {
public:
    KernelRunner() = default;
    KernelRunner(const KernelRunner&) = delete;
    KernelRunner& operator=(const KernelRunner&) = delete;
    virtual ~KernelRunner() = default;
    /// Enters an image the boot loader placed: `image` is its first byte, `argument` what the boot protocol passes.
    virtual Stop start(PhysAddr image, u64 argument, const EntryTables& tables) = 0;
    /// A parked kernel of a restored machine: its command loop begins, with whatever its mailbox holds.
    virtual Stop resume(PhysAddr kernel) = 0;
    /// Relocation, purgatory, entry and boot of the next kernel.
    virtual Stop transfer(const platform::Jump& jump) = 0;
    /// After kIdle (the mailbox holds a new command) or kBreak.
    virtual Stop proceed() = 0;

    // A native kernel has no CPU: it is RAM alone (decision D8), and the host's stores need no telling.

    /// At an instant without a stack.
    virtual CpuFields save_cpu() const { return {}; }
    virtual void restore_cpu(const CpuFields&) {}
    /// Somebody but the kernel wrote RAM.
    virtual void notify_host_write(PhysRange) {}
};

}  // namespace baton::sim
