// SPDX-License-Identifier: GPL-2.0-only
// The tiny guest on a machine: an image around it that the runner takes for a kernel, and tables that reach the port.
#pragma once

#include "tests/support/tiny_guest.hpp"
#include "tests/support/twin_machine.hpp"

namespace baton::test {

class TinyMachine {
public:
    explicit TinyMachine(Isa isa, const sim::GuestConfig& config = {});
    sim::Stop run(TinyDeed deed);
    /// Where the code of the tiny guest begins.
    PhysAddr code() const { return image_ + 0x1000; }
    u64 label(u64 x86, u64 arm) const { return code().value + (isa_ == Isa::kX86_64 ? x86 : arm); }
    /// Third word of every call "kexec.load.begin": what was reported.
    std::vector<u64> reports() const;
    sim::GuestRunner& guest() { return machine.guest(); }

    TwinMachine machine;

private:
    void place();
    const Isa isa_;
    PhysAddr image_;
};

}  // namespace baton::test
