// SPDX-License-Identifier: GPL-2.0-only
#include "sim/cpu/memory_operands.hpp"

#include "sim/cpu/registers.hpp"
#include "tests/catch.hpp"

using namespace baton;
using namespace baton::sim;

namespace {

struct Expected {
    std::vector<u8> code;
    std::vector<MemoryAccess> accesses;
};

void require(const Engine& engine, const Expected& e) {
    const OperandReader reader(engine.isa());
    const auto got = reader.accesses(engine, e.code);
    CAPTURE(e.code);
    REQUIRE(got.size() == e.accesses.size());
    for (std::size_t i = 0; i < got.size(); ++i) {
        CHECK(got[i].address == e.accesses[i].address);
        CHECK(got[i].bytes == e.accesses[i].bytes);
        CHECK(got[i].read == e.accesses[i].read);
        CHECK(got[i].write == e.accesses[i].write);
    }
}

}  // namespace

TEST_CASE("memory operands: x86-64") {
    Engine e(Isa::kX86_64);
    for (const auto& [name, value] : {std::pair<const char*, u64>{"rax", 0x1000},
                                      {"rcx", 0x10},
                                      {"rsp", 0x8000},
                                      {"rbp", 0x9000},
                                      {"rsi", 0x5000},
                                      {"rdi", 0x6000},
                                      {"fs_base", 0x100000},
                                      {"r9", 0xffffffff'00000020}})
        write_register(e, name, value);
    e.set_pc(0x400000);
    require(e, {{0x48, 0x8b, 0x44, 0x88, 0x08}, {{0x1048, 8, true, false}}});       // mov rax, [rax + rcx*4 + 8]
    require(e, {{0x48, 0x8b, 0x05, 0x10, 0, 0, 0}, {{0x400017, 8, true, false}}});  // mov rax, [rip + 0x10]
    require(e, {{0x89, 0x08}, {{0x1000, 4, false, true}}});                         // mov [rax], ecx
    require(e, {{0x48, 0x01, 0x48, 0xf8}, {{0xff8, 8, true, true}}});               // add [rax - 8], rcx
    require(e, {{0x48, 0x8d, 0x04, 0x24}, {}});                                     // lea rax, [rsp]
    require(e, {{0x50}, {{0x7ff8, 8, false, true}}});                               // push rax
    require(e, {{0xc3}, {{0x8000, 8, true, false}}});                               // ret
    require(e, {{0xc9}, {{0x9000, 8, true, false}}});                               // leave
    require(e, {{0xe8, 0, 0, 0, 0}, {{0x7ff8, 8, false, true}}});                   // call
    require(e, {{0x64, 0x48, 0x8b, 0x04, 0x25, 0x28, 0, 0, 0}, {{0x100028, 8, true, false}}});  // mov rax, fs:[0x28]
    require(e, {{0xf3, 0xa4}, {{0x6000, 1, false, true}, {0x5000, 1, true, false}}});           // rep movsb
    require(e, {{0x67, 0x41, 0x8b, 0x01}, {{0x20, 4, true, false}}});                           // mov eax, [r9d]
    require(e, {{0x06}, {}});                                                                   // no instruction
    require(e, {{}, {}});
}

TEST_CASE("memory operands: AArch64") {
    Engine e(Isa::kAArch64);
    for (const auto& [name, value] :
         {std::pair<const char*, u64>{"x0", 0x1000}, {"x1", 0xffffffff'fffffff0}, {"x2", 3}, {"sp", 0x8000}})
        write_register(e, name, value);
    const auto word = [](u32 w) {
        return std::vector<u8>{static_cast<u8>(w), static_cast<u8>(w >> 8), static_cast<u8>(w >> 16),
                               static_cast<u8>(w >> 24)};
    };
    require(e, {word(0xf9400403), {{0x1008, 8, true, false}}});   // ldr x3, [x0, #8]
    require(e, {word(0xb8226803), {{0x1003, 4, false, true}}});   // str w3, [x0, x2]
    require(e, {word(0xf8627803), {{0x1018, 8, true, false}}});   // ldr x3, [x0, x2, lsl #3]
    require(e, {word(0xf861c803), {{0xff0, 8, true, false}}});    // ldr x3, [x0, w1, sxtw]
    require(e, {word(0xf8414403), {{0x1000, 8, true, false}}});   // ldr x3, [x0], #20
    require(e, {word(0xf81f0c03), {{0xff0, 8, false, true}}});    // str x3, [x0, #-16]!
    require(e, {word(0xa9bf7bfd), {{0x7ff0, 16, false, true}}});  // stp x29, x30, [sp, #-16]!
    require(e, {word(0x39400003), {{0x1000, 1, true, false}}});   // ldrb w3, [x0]
    require(e, {word(0x79000003), {{0x1000, 2, false, true}}});   // strh w3, [x0]
    require(e, {word(0x3dc00000), {{0x1000, 16, true, false}}});  // ldr q0, [x0]
    require(e, {word(0xc8037c04), {{0x1000, 8, false, true}}});   // stxr w3, x4, [x0]
    require(e, {word(0x91000400), {}});                           // add
    require(e, {word(0xffffffff), {}});
}
