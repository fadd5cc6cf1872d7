// SPDX-License-Identifier: GPL-2.0-only
// What is worth knowing about a guest at the moment it stopped for good (decision D29).
#pragma once

#include <array>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "model/sites.hpp"
#include "sim/cpu/disassembler.hpp"
#include "sim/cpu/engine.hpp"
#include "sim/cpu/page_walk.hpp"

namespace baton::sim {

struct SiteSeen {
    Site site = Site::kCount;
    u64 arg0 = 0;
    u64 arg1 = 0;
};

struct GuestCrash {
    static constexpr std::size_t kSitesShown = 10;
    static constexpr std::size_t kInstructionsShown = 8;
    static constexpr std::size_t kFramesMax = 32;

    struct Frame {
        u64 pc;
        std::string symbol;
    };
    std::string verdict;  // of the Fault
    u64 pc = 0;
    std::vector<Frame> backtrace;  // from the pc outwards
    std::vector<std::pair<std::string, u64>> registers;
    std::optional<u64> address;     // what was accessed, if that is the matter
    PageWalk walk;                  // of `address`
    std::vector<Instruction> code;  // around the pc
    std::vector<SiteSeen> sites;    // the last ones, oldest first

    std::string to_text() const;
};

/// What the report is made from. Symbols are asked for virtual addresses of the running code.
struct CrashScene {
    const Engine& engine;
    const PhysicalMemory& memory;
    std::function<PageWalk(VirtAddr, WalkAccess)> walk;
    std::function<std::string(u64)> symbol;
    /// Where the function around an address begins, so that disassembly is in step; nothing if unknown.
    std::function<std::optional<u64>(u64)> function_start;
};
/// Only RAM is read, and as far as page tables lead to it: nothing a guest did can hurt.
GuestCrash describe_crash(const CrashScene& scene, std::optional<u64> address);

/// Bytes at a virtual address, page by page; how many could be read.
std::size_t read_virtual(const CrashScene& scene, u64 va, std::span<u8> to, WalkAccess access = {});

}  // namespace baton::sim
