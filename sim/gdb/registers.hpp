// SPDX-License-Identifier: GPL-2.0-only
// The registers that a debugger is told about, in its order: what GDB requires of each architecture, and the control
// and system registers that decide about paging as a feature of our own.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/geometry.hpp"

namespace baton::sim::gdb {

struct Register {
    std::string name;
    u32 bits;
    std::string field;  // as sim/cpu/registers.hpp calls it; empty: not available
    std::string type;
};

struct Feature {
    std::string name;
    std::vector<Register> registers;
};

const std::vector<Feature>& features(Isa isa);
/// All of them, in the order of the `g` packet.
const std::vector<Register>& registers(Isa isa);
/// The target description, XML.
std::string target_description(Isa isa);

}  // namespace baton::sim::gdb
