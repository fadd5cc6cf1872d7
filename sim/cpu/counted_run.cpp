// SPDX-License-Identifier: GPL-2.0-only
#include "sim/cpu/counted_run.hpp"

#include <unicorn/unicorn.h>

namespace baton::sim {

CountedRun::CountedRun(Engine& engine, Fetch fetch)
    : engine_(engine), fetch_(std::move(fetch)), disassembler_(engine.isa()) {
    hook_ = engine.on_block([this](u64 pc, u32 bytes) { on_block(pc, bytes); });
    engine.flush_code();
}

CountedRun::~CountedRun() {
    hook_.remove();
    engine_.flush_code();
}

u64 CountedRun::instructions_of(u64 pc, u32 bytes) {
    if (known_epoch_ != engine_.code_epoch()) {
        known_.clear();
        known_epoch_ = engine_.code_epoch();
    }
    Block& known = known_[pc];
    if (known.bytes == bytes) return known.instructions;
    uc_tb translated{};
    if (uc_ctl_request_cache(engine_.raw(), pc, &translated) != UC_ERR_OK || translated.size != bytes)
        throw EngineError("Unicorn does not know the block it is about to execute");
    known = {pc, bytes, translated.icount};
    return known.instructions;
}

void CountedRun::on_block(u64 pc, u32 bytes) {
    if (walking_ || crosses_) return;
    const u64 n = instructions_of(pc, bytes);
    if (count_ + n > target_) {
        crossing_ = {pc, bytes, n};
        crosses_ = true;
        engine_.request_stop();
        return;
    }
    last_ = {pc, bytes, n};
    count_ += n;
}

// Instructions of the last block that stand before `pc`.
u64 CountedRun::before(u64 pc) {
    std::vector<u8> code(pc - last_.pc);
    if (code.empty()) return 0;
    const std::optional<u64> n = fetch_(last_.pc, code) ? disassembler_.count(code) : std::nullopt;
    if (!n) throw EngineError("the CPU stopped between two instructions of a block");
    return *n;
}

CountedRun::Result CountedRun::run(u64 instructions) {
    last_ = {};
    count_ = 0;
    crosses_ = false;
    target_ = instructions;
    Result result;
    result.stop = engine_.run();
    if (crosses_) return walk(crossing_, instructions - count_);
    const u64 pc = result.stop.pc;
    // Stopped inside a block: at a fault, a register access or a code hook. (HLT and WFI complete.)
    if (result.stop.kind != CpuStop::Kind::kHalted && pc >= last_.pc && pc < last_.pc + last_.bytes)
        count_ -= last_.instructions - before(pc);
    result.executed = count_;
    return result;
}

// The CPU stands at the first instruction of the block. Every instruction calls back before it runs; the one after the
// last that was asked for stops the CPU. Another hook may stop it there before: Unicorn then does not call back here.
CountedRun::Result CountedRun::walk(Block block, u64 instructions) {
    Result result{.stop = {.kind = CpuStop::Kind::kRequested, .pc = block.pc}, .executed = count_, .complete = true};
    if (instructions == 0) return result;
    u64 begun = 0;
    u64 begun_at = 0;
    walking_ = true;
    bool reached = false;
    Engine::Hook each = engine_.on_code(block.pc, block.pc + block.bytes - 1, [&](u64 pc) {
        if (begun == instructions) {
            reached = true;
            engine_.request_stop();
        } else {
            ++begun;
            begun_at = pc;
        }
    });
    uc_ctl_remove_cache(engine_.raw(), block.pc, block.pc + block.bytes);
    result.stop = engine_.run();
    each.remove();
    uc_ctl_remove_cache(engine_.raw(), block.pc, block.pc + block.bytes);
    walking_ = false;
    const bool completed = reached || result.stop.kind == CpuStop::Kind::kHalted || result.stop.pc != begun_at;
    result.executed += begun - (completed || begun == 0 ? 0 : 1);
    result.complete = reached;
    return result;
}

}  // namespace baton::sim
