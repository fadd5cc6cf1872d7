// SPDX-License-Identifier: GPL-2.0-only
// Exactly n instructions: stops "n instructions after a site" and hang budgets (decisions D17, D31).
//
// Blocks are counted, not instructions: a block hook costs 1.2 to 2 times, a hook on every instruction 30. The number
// of instructions of a block comes from Unicorn's own translation of it. The block in which the count runs out is then
// walked instruction by instruction; a block that is left in its middle by a fault or a stop is counted up to there by
// disassembling it. A repeated string instruction counts once per iteration.
//
// Not counted exactly: an x86-64 store into the block that is executing, which Unicorn reports twice.
#pragma once

#include <functional>
#include <unordered_map>

#include "sim/cpu/disassembler.hpp"
#include "sim/cpu/engine.hpp"

namespace baton::sim {

class CountedRun {
public:
    /// `fetch` reads code at a virtual address as the CPU would fetch it; false if it cannot.
    using Fetch = std::function<bool(u64 va, std::span<u8> to)>;
    /// While this object lives, code is translated with the hook in it: keep it only as long as somebody counts.
    CountedRun(Engine& engine, Fetch fetch);
    CountedRun(const CountedRun&) = delete;
    CountedRun& operator=(const CountedRun&) = delete;
    ~CountedRun();

    struct Result {
        CpuStop stop;
        u64 executed = 0;       // instructions completed since run()
        bool complete = false;  // all that were asked for; `stop` says nothing then
    };
    Result run(u64 instructions);

private:
    struct Block {
        u64 pc = 0;
        u32 bytes = 0;
        u64 instructions = 0;
    };
    void on_block(u64 pc, u32 bytes);
    u64 instructions_of(u64 pc, u32 bytes);
    u64 before(u64 pc);
    Result walk(Block block, u64 instructions);

    Engine& engine_;
    Fetch fetch_;
    Disassembler disassembler_;
    Engine::Hook hook_;
    std::unordered_map<u64, Block> known_;
    u64 known_epoch_ = 0;
    Block last_;
    Block crossing_;  // the block in which the count runs out
    bool crosses_ = false;
    bool walking_ = false;
    u64 count_ = 0;
    u64 target_ = 0;
};

}  // namespace baton::sim
