// SPDX-License-Identifier: GPL-2.0-only
// The commands of GDB's remote serial protocol, for one CPU that stands still.
//
// The stub knows packets and what they mean; what is debugged is behind Debuggee, so that all of it can be tested with
// a few bytes of memory. Every answer to a malformed command is an error number, to an unknown one the empty packet.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/gdb/packet.hpp"
#include "sim/services.hpp"

namespace baton::sim::gdb {

enum class Breakpoint : u32 { kSoftware, kHardware };

/// What is debugged.
class Debuggee {
public:
    virtual Isa isa() const = 0;
    virtual CpuFields read_registers() = 0;
    /// False: this one cannot be written.
    virtual bool write_register(std::string_view field, std::span<const u8> value) = 0;
    /// By the page tables of this moment; how many bytes, from the first on, could be read.
    virtual std::size_t read_memory(u64 address, std::span<u8> to) = 0;
    virtual bool write_memory(u64 address, std::span<const u8> bytes) = 0;
    virtual bool add_breakpoint(u64 address, Breakpoint kind) = 0;
    virtual void remove_breakpoint(u64 address, Breakpoint kind) = 0;
    /// A `monitor` command; what to print.
    virtual std::string execute(std::string_view command) = 0;

protected:
    ~Debuggee() = default;
};

/// Why the CPU stands still, in GDB's terms.
struct StopReason {
    u32 signal = 5;  // GDB's number; 5 = SIGTRAP
    std::optional<Breakpoint> breakpoint;
};

enum class Resume { kContinue, kStep, kDetach, kKill, kGone };

class Stub {
public:
    explicit Stub(ByteStream& stream) : channel_(stream) {}

    /// Answers until the debugger wants the CPU to run, or wants no more.
    Resume serve(Debuggee& debuggee);
    /// The CPU stopped again, after kContinue or kStep: tells the debugger.
    void report(const StopReason& reason);
    /// For whoever waits for the first answer: why it stands still now.
    void set_reason(const StopReason& reason) { reason_ = reason; }
    /// Text on the debugger's terminal; only while it waits for the CPU.
    void print(std::string_view text);
    /// The debugged run is over.
    void exited(u32 code);
    bool interrupted() { return channel_.interrupted(); }

private:
    std::string answer(Debuggee& debuggee, std::string_view packet);
    std::string answer_query(Debuggee& debuggee, std::string_view packet);
    std::string answer_transfer(Debuggee& debuggee, std::string_view request);
    std::string read_registers(Debuggee& debuggee);
    std::string write_registers(Debuggee& debuggee, std::string_view digits);
    std::string read_register(Debuggee& debuggee, std::string_view number);
    std::string write_register(Debuggee& debuggee, std::string_view request);
    std::string read_memory(Debuggee& debuggee, std::string_view request);
    std::string write_memory(Debuggee& debuggee, std::string_view request, bool binary);
    std::string change_breakpoint(Debuggee& debuggee, std::string_view packet);
    std::string resume_at(Debuggee& debuggee, std::string_view packet);
    std::string resume_threads(std::string_view actions);
    std::string monitor(Debuggee& debuggee, std::string_view digits);
    std::string stop_reply() const;

    PacketChannel channel_;
    StopReason reason_;
    std::optional<Resume> resume_;  // what the last command asked for
};

}  // namespace baton::sim::gdb
