// SPDX-License-Identifier: GPL-2.0-only
// Executes a guest instruction by instruction from a schedule point on, and writes down what it does.
//
// Every instruction is a run of exactly one (GuestRunner::stop_after), so what is shown is what a run without a tracer
// executes: through platform calls, across the jump into the relocation code, the purgatory and the next kernel. What
// an instruction reads is shown as it was before it, what it writes as it is after it. About 20 µs an instruction.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sim/cpu/disassembler.hpp"
#include "sim/cpu/memory_operands.hpp"
#include "sim/cpu/page_walk.hpp"
#include "sim/guest/crash.hpp"
#include "sim/machine.hpp"
#include "sim/monitor.hpp"

namespace baton::sim {

/// The nth time (from 1) that a point is announced in the whole run, or in one step of it.
struct SitePoint {
    Site site = Site::kCount;
    u64 nth = 1;
    std::optional<u32> step;  // from 0
};

/// Tells when a run comes to a point.
class SiteCounter {
public:
    SiteCounter() = default;
    explicit SiteCounter(const SitePoint& point) : point_(point), left_(point.nth) {}
    void begin_step(u32 step) { step_ = step; }
    /// True once. Every announcement must come here.
    bool at(Site site);
    u64 seen() const { return point_.nth - left_; }

private:
    SitePoint point_;
    u64 left_ = 0;
    u32 step_ = 0;
};

struct TracedAccess {
    MemoryAccess access;
    PageWalk walk;
    std::vector<u8> value;  // empty: not RAM
};

struct TracedInstruction {
    u64 pc = 0;
    std::string symbol;
    std::string text;
    std::vector<TracedAccess> accesses;
    std::vector<SiteSeen> sites;  // announced by it
};

struct TraceRequest {
    SitePoint from;
    u64 skip = 0;   // instructions between the point and the first that is shown
    u64 count = 1;  // that are shown
};

class Tracer final : public Monitor {
public:
    /// Throws std::runtime_error if Capstone was built without this ISA.
    Tracer(Isa isa, const TraceRequest& request);

    void begin_step(u32 step) { counter_.begin_step(step); }
    bool at(Site site, u64 arg0, u64 arg1) override;
    /// Throws RunAbandoned when all is written down, or the guest is gone.
    void stopped(Machine& machine, const Stop& stop) override;

    /// Where the trace begins; nothing if the run never came there.
    const std::optional<SiteSeen>& origin() const { return origin_; }
    /// How often the point was announced, if not often enough.
    u64 seen() const { return counter_.seen(); }
    const std::vector<TracedInstruction>& instructions() const { return instructions_; }
    bool complete() const { return instructions_.size() == request_.count && !open_; }
    /// The verdict that ended the trace early; empty if none did.
    std::string_view verdict() const { return verdict_; }

private:
    void begin_instruction(Machine& machine);
    void end_instruction(Machine& machine);

    const TraceRequest request_;
    Disassembler disassembler_;
    OperandReader operands_;
    SiteCounter counter_;
    std::optional<SiteSeen> origin_;
    bool skipping_ = false;
    bool open_ = false;  // the last instruction was begun and is not yet over
    std::vector<TracedInstruction> instructions_;
    std::string_view verdict_;
};

}  // namespace baton::sim
