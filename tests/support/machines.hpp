// SPDX-License-Identifier: GPL-2.0-only
// A whole machine with a kernel on it, for tests that drive it by commands instead of scenarios.
#pragma once

#include <memory>
#include <string>

#include "sim/machine.hpp"

namespace baton::test {

/// The kernel image of this build for a geometry.
sim::ImageFile image_of(GeometryId geometry);

inline constexpr std::string_view kHandoverCommandLine = "kho=on kho_scratch=16M,64M,16M reserve_mem=4M:4M:oops";

/// Machine with a booted kernel; REQUIREs that it booted.
struct Box {
    explicit Box(const sim::MachineConfig& config, std::string_view command_line = kHandoverCommandLine);
    /// A command that must succeed; its reply.
    Reply ask(Op op, std::initializer_list<u64> args = {}, std::string_view text = {});
    /// Puts the image into the kernel's page cache and loads it.
    void load_next(std::string_view command_line = kHandoverCommandLine);
    /// Writes `bytes` copies of a pattern that depends on the address.
    void fill(PhysAddr start, u64 bytes);
    bool filled(PhysAddr start, u64 bytes);
    sim::Machine& operator*() { return *machine; }
    sim::Machine* operator->() { return machine.get(); }

    std::unique_ptr<sim::Machine> machine;
};

}  // namespace baton::test
