// SPDX-License-Identifier: GPL-2.0-only
#include "sim/gdb/registers.hpp"

#include <fmt/format.h>

namespace baton::sim::gdb {
namespace {

Register whole(std::string_view name, std::string_view type = "int64") {
    return {std::string(name), 64, std::string(name), std::string(type)};
}

// GDB insists on the x87 registers; a kernel has no use for them, and they are shown as unavailable.
std::vector<Feature> x86_features() {
    Feature core{"org.gnu.gdb.i386.core", {}};
    for (const auto* name : {"rax", "rbx", "rcx", "rdx", "rsi", "rdi"}) core.registers.push_back(whole(name));
    for (const auto* name : {"rbp", "rsp"}) core.registers.push_back(whole(name, "data_ptr"));
    for (int i = 8; i < 16; ++i) core.registers.push_back(whole(fmt::format("r{}", i)));
    core.registers.push_back(whole("rip", "code_ptr"));
    core.registers.push_back({"eflags", 32, "rflags", "int"});
    for (const auto* name : {"cs", "ss", "ds", "es", "fs", "gs"}) core.registers.push_back({name, 32, name, "int"});
    for (int i = 0; i < 8; ++i) core.registers.push_back({fmt::format("st{}", i), 80, "", "i387_ext"});
    core.registers.push_back({"fctrl", 32, "fpcw", "int"});
    for (const auto* name : {"fstat", "ftag", "fiseg", "fioff", "foseg", "fooff", "fop"})
        core.registers.push_back({name, 32, "", "int"});
    Feature sse{"org.gnu.gdb.i386.sse", {}};
    for (int i = 0; i < 16; ++i) {
        const std::string name = fmt::format("xmm{}", i);
        sse.registers.push_back({name, 128, name, "uint128"});
    }
    sse.registers.push_back({"mxcsr", 32, "mxcsr", "int"});
    Feature segments{"org.gnu.gdb.i386.segments", {whole("fs_base"), whole("gs_base")}};
    Feature system{"org.baton.x86_64.system", {}};
    for (const auto* name : {"cr0", "cr2", "cr3", "cr4", "efer"}) system.registers.push_back(whole(name));
    return {core, sse, segments, system};
}

std::vector<Feature> arm_features() {
    Feature core{"org.gnu.gdb.aarch64.core", {}};
    for (int i = 0; i < 31; ++i) core.registers.push_back(whole(fmt::format("x{}", i)));
    core.registers.push_back(whole("sp", "data_ptr"));
    core.registers.push_back(whole("pc", "code_ptr"));
    core.registers.push_back({"cpsr", 32, "pstate", "int"});
    Feature fpu{"org.gnu.gdb.aarch64.fpu", {}};
    for (int i = 0; i < 32; ++i) {
        const std::string name = fmt::format("v{}", i);
        fpu.registers.push_back({name, 128, name, "uint128"});
    }
    for (const auto* name : {"fpsr", "fpcr"}) fpu.registers.push_back({name, 32, name, "int"});
    Feature system{"org.baton.aarch64.system", {}};
    for (const auto* name : {"sctlr_el1", "tcr_el1", "mair_el1", "ttbr0_el1", "ttbr1_el1", "vbar_el1", "esr_el1",
                             "far_el1", "elr_el1", "spsr_el1", "tpidr_el1"})
        system.registers.push_back(whole(name));
    return {core, fpu, system};
}

std::vector<Register> flatten(const std::vector<Feature>& features) {
    std::vector<Register> all;
    for (const Feature& f : features) all.insert(all.end(), f.registers.begin(), f.registers.end());
    return all;
}

}  // namespace

const std::vector<Feature>& features(Isa isa) {
    static const std::vector<Feature> kX86Features = x86_features();
    static const std::vector<Feature> kArmFeatures = arm_features();
    return isa == Isa::kX86_64 ? kX86Features : kArmFeatures;
}

const std::vector<Register>& registers(Isa isa) {
    static const std::vector<Register> kX86Registers = flatten(features(Isa::kX86_64));
    static const std::vector<Register> kArmRegisters = flatten(features(Isa::kAArch64));
    return isa == Isa::kX86_64 ? kX86Registers : kArmRegisters;
}

std::string target_description(Isa isa) {
    std::string xml =
        "<?xml version=\"1.0\"?>\n<!DOCTYPE target SYSTEM \"gdb-target.dtd\">\n<target version=\"1.0\">\n";
    xml += fmt::format("<architecture>{}</architecture>\n", isa == Isa::kX86_64 ? "i386:x86-64" : "aarch64");
    for (const Feature& feature : features(isa)) {
        xml += fmt::format("<feature name=\"{}\">\n", feature.name);
        for (const Register& r : feature.registers)
            xml += fmt::format("<reg name=\"{}\" bitsize=\"{}\" type=\"{}\"/>\n", r.name, r.bits, r.type);
        xml += "</feature>\n";
    }
    return xml + "</target>\n";
}

}  // namespace baton::sim::gdb
