// SPDX-License-Identifier: GPL-2.0-only
#include "sim/guest/tracer.hpp"

#include <algorithm>

#include "sim/guest/runner.hpp"

namespace baton::sim {
namespace {

inline constexpr std::size_t kLongestInstruction = 15;
inline constexpr u32 kValueBytesMax = 16;

void read_value(const GuestRunner& guest, TracedAccess& a) {
    a.value.resize(std::min(a.access.bytes, kValueBytesMax));
    a.value.resize(guest.read({a.access.address}, a.value));
}

}  // namespace

bool SiteCounter::at(Site site) {
    if (left_ == 0 || site != point_.site || (point_.step && *point_.step != step_)) return false;
    return --left_ == 0;
}

Tracer::Tracer(Isa isa, const TraceRequest& request)
    : request_(request), disassembler_(isa), operands_(isa), counter_(request.from) {}

bool Tracer::at(Site site, u64 arg0, u64 arg1) {
    if (open_) instructions_.back().sites.push_back({site, arg0, arg1});
    if (!counter_.at(site)) return false;
    origin_ = SiteSeen{site, arg0, arg1};
    return true;
}

void Tracer::stopped(Machine& machine, const Stop& stop) {
    GuestRunner* const guest = machine.guest();
    if (guest == nullptr || !origin_) return;
    if (stop.kind == Stop::Kind::kFault) {
        open_ = false;
        verdict_ = verdict_of(stop.fault.kind);
        throw RunAbandoned{};
    }
    if (instructions_.empty() && !skipping_) {
        skipping_ = true;
        guest->stop_after(request_.skip);
        return;
    }
    if (!guest->stopped_after()) return;  // a break of the scenario; the count goes on
    if (open_) end_instruction(machine);
    if (instructions_.size() == request_.count) throw RunAbandoned{};
    begin_instruction(machine);
    guest->stop_after(1);
}

void Tracer::begin_instruction(Machine& machine) {
    const GuestRunner& guest = *machine.guest();
    const Engine& engine = machine.guest()->engine();
    TracedInstruction& i = instructions_.emplace_back();
    i.pc = engine.pc();
    i.symbol = guest.symbol(i.pc);
    u8 bytes[kLongestInstruction];
    const std::size_t got = guest.read({i.pc}, bytes, {.kind = WalkAccess::Kind::kFetch});
    const std::span<const u8> code = std::span(bytes).first(got);
    const std::vector<Instruction> decoded = disassembler_.decode(code, i.pc, 1);
    i.text = decoded.empty() ? "(cannot be fetched)" : decoded[0].text;
    for (const MemoryAccess& access : operands_.accesses(engine, code)) {
        const auto kind = access.write ? WalkAccess::Kind::kWrite : WalkAccess::Kind::kRead;
        TracedAccess& a =
            i.accesses.emplace_back(TracedAccess{access, guest.walk({access.address}, {.kind = kind}), {}});
        read_value(guest, a);
    }
    open_ = true;
}

void Tracer::end_instruction(Machine& machine) {
    open_ = false;
    for (TracedAccess& a : instructions_.back().accesses)
        if (a.access.write) read_value(*machine.guest(), a);
}

}  // namespace baton::sim
