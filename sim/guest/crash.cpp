// SPDX-License-Identifier: GPL-2.0-only
#include "sim/guest/crash.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "sim/cpu/registers.hpp"

namespace baton::sim {
namespace {

inline constexpr u64 kLongestInstruction = 15;
// x86-64 code cannot be decoded backwards: start at the function if it is near.
inline constexpr u64 kFunctionMax = 64 * kKiB;

std::vector<Instruction> code_around(const CrashScene& scene, u64 pc) {
    constexpr std::size_t kShown = GuestCrash::kInstructionsShown;
    const bool arm = scene.engine.isa() == Isa::kAArch64;
    u64 start = arm ? pc - kShown / 2 * 4 : scene.function_start(pc).value_or(pc);
    if (!arm && (start > pc || pc - start > kFunctionMax)) start = pc;
    std::vector<u8> bytes(pc - start + kShown * kLongestInstruction);
    std::size_t got = read_virtual(scene, start, bytes, {.kind = WalkAccess::Kind::kFetch});
    if (got <= pc - start) {  // what stands before cannot be read
        start = pc;
        got = read_virtual(scene, start, bytes, {.kind = WalkAccess::Kind::kFetch});
    }
    const Disassembler disassembler(scene.engine.isa());
    std::vector<Instruction> all = disassembler.decode(std::span(bytes).first(got), start, bytes.size());
    const auto here = std::ranges::find(all, pc, &Instruction::address);
    if (here == all.end()) {  // out of step: the symbol is not where the code begins
        const std::size_t before = std::min<std::size_t>(got, pc - start);
        return disassembler.decode(std::span(bytes).first(got).subspan(before), pc, kShown);
    }
    const auto index = static_cast<std::size_t>(here - all.begin());
    const std::size_t first = index > kShown / 2 ? index - kShown / 2 : 0;
    all.erase(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(first));
    if (all.size() > kShown) all.resize(kShown);
    return all;
}

// Both ISAs: [frame] is the caller's frame pointer, [frame + 8] the return address (guests keep frame pointers).
void unwind(const CrashScene& scene, GuestCrash& crash) {
    u64 frame = scene.engine.frame_pointer();
    while (crash.backtrace.size() < GuestCrash::kFramesMax && frame != 0 && frame % sizeof(u64) == 0) {
        u64 words[2];
        if (read_virtual(scene, frame, {reinterpret_cast<u8*>(words), sizeof(words)}) != sizeof(words)) return;
        if (words[1] == 0) return;
        crash.backtrace.push_back({words[1], scene.symbol(words[1] - 1)});  // the call, not what follows it
        if (words[0] <= frame) return;
        frame = words[0];
    }
}

}  // namespace

std::size_t read_virtual(const CrashScene& scene, u64 va, std::span<u8> to, WalkAccess access) {
    std::size_t done = 0;
    while (done < to.size()) {
        const u64 at = va + done;
        const std::size_t piece = std::min<std::size_t>(to.size() - done, kFrameSize - at % kFrameSize);
        const PageWalk walk = scene.walk({at}, access);
        if (!walk.allowed() || !scene.memory.read(walk.address, to.subspan(done, piece))) return done;
        done += piece;
    }
    return done;
}

GuestCrash describe_crash(const CrashScene& scene, std::optional<u64> address) {
    GuestCrash crash;
    crash.pc = scene.engine.pc();
    crash.backtrace.push_back({crash.pc, scene.symbol(crash.pc)});
    unwind(scene, crash);
    for (const auto& [name, value] : shown_registers(scene.engine)) crash.registers.emplace_back(name, value);
    crash.address = address;
    if (address) crash.walk = scene.walk({*address}, {});
    crash.code = code_around(scene, crash.pc);
    return crash;
}

std::string GuestCrash::to_text() const {
    std::string text = fmt::format("{}\n\n", verdict);
    for (std::size_t i = 0; i < backtrace.size(); ++i)
        text += fmt::format("  #{:<2} {:#018x} {}\n", i, backtrace[i].pc, backtrace[i].symbol);
    if (!code.empty()) text += "\n";
    for (const Instruction& i : code)
        text += fmt::format("  {} {:#018x}  {}\n", i.address == pc ? "=>" : "  ", i.address, i.text);
    if (address) text += fmt::format("\npage walk of {}\n", sim::to_text(walk, {*address}));
    text += "\nregisters\n";
    for (std::size_t i = 0; i < registers.size(); ++i)
        text += fmt::format("  {:<14} {:#018x}{}", registers[i].first, registers[i].second,
                            i % 3 == 2 || i + 1 == registers.size() ? "\n" : "");
    if (!sites.empty()) text += "\nlast sites\n";
    for (const SiteSeen& s : sites) text += fmt::format("  {} ({:#x}, {:#x})\n", info(s.site).name, s.arg0, s.arg1);
    return text;
}

}  // namespace baton::sim
