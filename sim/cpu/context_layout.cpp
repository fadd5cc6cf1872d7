// SPDX-License-Identifier: GPL-2.0-only
#include "sim/cpu/context_layout.hpp"

#include <cstring>
#include <span>

#include "sim/cpu/self_test_bench.hpp"

namespace baton::sim {
namespace {

using Bench = SelfTestBench;
using Bytes = std::vector<u8>;

constexpr u8 kLoadX86[] = {0x48, 0x8b, 0x07};   // mov (%rdi),%rax
constexpr u8 kStoreX86[] = {0x48, 0x89, 0x07};  // mov %rax,(%rdi)
constexpr u8 kJumpX86[] = {0xff, 0xe7};         // jmp *%rdi
// With an offset, so that no register holds the address of the fault.
constexpr u32 kLoadArm[] = {0xf9400401};   // ldr x1,[x0,#8]
constexpr u32 kStoreArm[] = {0xf9000401};  // str x1,[x0,#8]
inline constexpr u64 kArmOffset = 8;

Bytes after_fault(Bench& bench, std::span<const u8> x86, std::span<const u32> arm, u64 address) {
    bench.program(x86, arm);
    if (bench.run(address, 0).kind != CpuStop::Kind::kException)
        throw EngineError("this Unicorn cannot be used: an access to an unmapped page does not stop it");
    return bench.engine.exception_bytes();
}

template <class T, class Fits>
u32 find(const std::vector<Bytes>& contexts, Fits fits) {
    for (std::size_t at = 0; at + sizeof(T) <= contexts[0].size(); at += sizeof(T)) {
        bool all = true;
        for (std::size_t i = 0; i < contexts.size() && all; ++i) {
            T value;
            std::memcpy(&value, contexts[i].data() + at, sizeof(T));
            all = fits(i, value);
        }
        if (all) return static_cast<u32>(at);
    }
    throw EngineError("this Unicorn cannot be used: it does not tell what an exception was about");
}

ContextLayout find_x86_64() {
    Bench bench(Isa::kX86_64);
    constexpr u64 kNoExecute = u64{1} << 63;
    constexpr u64 kReservedBit = u64{1} << 45;
    std::vector<Bytes> contexts;
    contexts.push_back(after_fault(bench, kLoadX86, {}, Bench::kUnmappedVa));
    contexts.push_back(after_fault(bench, kStoreX86, {}, Bench::kUnmappedVa));
    bench.map_page(Bench::kData, 0x61);  // read-only
    contexts.push_back(after_fault(bench, kStoreX86, {}, Bench::kPageVa));
    contexts.push_back(after_fault(bench, kJumpX86, {}, Bench::kUnmappedVa));
    bench.map_page(Bench::kData, 0x63 | kNoExecute);
    contexts.push_back(after_fault(bench, kJumpX86, {}, Bench::kPageVa));
    bench.map_page(Bench::kData, 0x63 | kReservedBit);
    contexts.push_back(after_fault(bench, kLoadX86, {}, Bench::kPageVa));
    constexpr u32 kCodes[] = {0x0, 0x2, 0x3, 0x10, 0x11, 0x9};
    const u32 code = find<u32>(contexts, [&](std::size_t i, u32 v) { return v == kCodes[i]; });
    return {.code = code, .address = 0, .known = true};
}

// Syndromes: class 0x25 (data abort, same level), a translation fault of the table that ends the walk, and WnR (bit 6).
ContextLayout find_aarch64() {
    Bench bench(Isa::kAArch64);
    constexpr u64 kAddresses[] = {Bench::kUnmappedVa + 8, Bench::kUnmappedVa + 0x1010, Bench::kPageVa + 0x2020};
    std::vector<Bytes> contexts;
    contexts.push_back(after_fault(bench, {}, kLoadArm, kAddresses[0]));
    contexts.push_back(after_fault(bench, {}, kStoreArm, kAddresses[1]));
    contexts.push_back(after_fault(bench, {}, kStoreArm, kAddresses[2]));
    constexpr u32 kStatus[] = {0x05, 0x45, 0x47};  // level 1 read, level 1 write, level 3 write
    ContextLayout layout{.known = true};
    layout.code =
        find<u32>(contexts, [&](std::size_t i, u32 v) { return v >> 26 == 0x25 && (v & 0x7f) == kStatus[i]; });
    layout.address = find<u64>(contexts, [&](std::size_t i, u64 v) { return v == kAddresses[i] + kArmOffset; });
    return layout;
}

}  // namespace

ContextLayout find_context_layout(Isa isa) { return isa == Isa::kX86_64 ? find_x86_64() : find_aarch64(); }

}  // namespace baton::sim
