// SPDX-License-Identifier: GPL-2.0-only
// A debugger at work on a guest machine while a scenario plays on it.
//
// The session is a monitor: the scenario goes on giving its commands, and the debugger sees one CPU that runs, across
// kexecs and between commands, and stands still where it asked for that. What it writes to registers and memory changes
// the run like a write of the host does; looking changes nothing.
#pragma once

#include <array>
#include <map>
#include <string>

#include "sim/gdb/stub.hpp"
#include "sim/guest/tracer.hpp"
#include "sim/monitor.hpp"

namespace baton::sim::gdb {

class Session final : public Monitor, private Debuggee {
public:
    /// The run stands still for the first time at `start`, and `skip` instructions behind it; without one, at the first
    /// schedule point of all. Nothing is read from `stream` before.
    Session(ByteStream& stream, const std::optional<SitePoint>& start, u64 skip);

    bool at(Site site, u64 arg0, u64 arg1) override;
    /// Throws RunAbandoned when the debugger kills the run or is gone.
    void stopped(Machine& machine, const Stop& stop) override;
    /// The scenario is over; `code` is what the process will exit with.
    void finished(u32 code);
    /// The run came to its start.
    bool begun() const { return begun_; }

private:
    Isa isa() const override;
    CpuFields read_registers() override;
    bool write_register(std::string_view field, std::span<const u8> value) override;
    std::size_t read_memory(u64 address, std::span<u8> to) override;
    bool write_memory(u64 address, std::span<const u8> bytes) override;
    bool add_breakpoint(u64 address, Breakpoint kind) override;
    void remove_breakpoint(u64 address, Breakpoint kind) override;
    std::string execute(std::string_view command) override;

    bool begin(const Stop& stop);
    StopReason reason_of(const Stop& stop) const;
    std::string arm(std::string_view point);
    std::string walk(std::string_view address) const;
    std::string sites() const;
    GuestRunner& guest() const;

    Stub stub_;
    const bool start_anywhere_;
    SiteCounter start_;
    std::optional<u64> skip_;
    bool begun_ = false;
    bool detached_ = false;

    Machine* machine_ = nullptr;  // while it stands still
    std::map<u64, Breakpoint> breakpoints_;
    SiteCounter armed_;
    std::optional<SiteSeen> here_;  // the point at which the machine was told to stop
    std::array<u64, kSiteCount> announced_{};
    u32 until_poll_ = 0;
};

}  // namespace baton::sim::gdb
