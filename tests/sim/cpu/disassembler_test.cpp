// SPDX-License-Identifier: GPL-2.0-only
#include "sim/cpu/disassembler.hpp"

#include "tests/catch.hpp"

using namespace baton;
using namespace baton::sim;

TEST_CASE("disassembler: both ISAs, with a hole of what is no instruction") {
    const Disassembler x86(Isa::kX86_64);
    const u8 code[] = {0x48, 0x89, 0xf7, 0x06, 0x90};  // mov; (no such opcode in 64-bit mode); nop
    const auto lines = x86.decode(code, 0x1000, 10);
    REQUIRE(lines.size() == 3);
    REQUIRE(lines[0].text == "mov rdi, rsi");
    REQUIRE(lines[1].text == "(bad)");
    REQUIRE(lines[2].address == 0x1004);
    REQUIRE(lines[2].text == "nop");

    const Disassembler arm(Isa::kAArch64);
    const u8 words[] = {0x00, 0x04, 0x40, 0xf9, 0xff, 0xff, 0xff, 0xff, 0xc0, 0x03, 0x5f, 0xd6, 0x00};
    const auto arm_lines = arm.decode(words, 0x2000, 10);
    REQUIRE(arm_lines.size() == 3);
    REQUIRE(arm_lines[0].text == "ldr x0, [x0, #8]");
    REQUIRE(arm_lines[1].text == "(bad)");
    REQUIRE(arm_lines[2].text == "ret");
    REQUIRE(arm.decode(words, 0x2000, 1).size() == 1);
}

TEST_CASE("disassembler: counting needs whole instructions") {
    const Disassembler x86(Isa::kX86_64);
    const u8 code[] = {0x90, 0x48, 0x89, 0xf7, 0x90};
    REQUIRE(x86.count(code) == 3);
    REQUIRE(x86.count(std::span(code).first(3)) == std::nullopt);
    REQUIRE(x86.count({}) == 0);
    const Disassembler arm(Isa::kAArch64);
    REQUIRE(arm.count(std::span(code).first(4)) == 1);
    REQUIRE(arm.count(code) == std::nullopt);
}
