// SPDX-License-Identifier: GPL-2.0-only
// Platform calls and device registers: everything in the upper half of the port window (model/port.hpp, decision D15).
#include <array>
#include <cstring>
#include <utility>

#include "sim/guest/runner.hpp"

namespace baton::sim {

namespace {
inline constexpr u64 kDoorbellBytes = 8;
}

u64 GuestRunner::mmio_read(PhysAddr reg, u32 width) {
    if (stop_ || stopping_ || reg - port_.doorbell < kDoorbellBytes) return 0;
    if (repeat_ && repeat_->done) return std::exchange(repeat_, std::nullopt)->value;
    begin_call();
    u64 value = 0;
    const bool now = begin_access(reg, width);
    if (now && !services_.mmio_read(reg, width, value)) no_such_register(reg);
    end_call();
    if (stopping_) repeat_ = Repeat{now, value};
    return value;
}

void GuestRunner::mmio_write(PhysAddr reg, u32 width, u64 value) {
    if (stop_ || stopping_) return;
    if (reg - port_.doorbell < kDoorbellBytes) return ring(reg, static_cast<u32>(value));
    if (repeat_ && repeat_->done) return repeat_.reset();
    begin_call();
    const bool now = begin_access(reg, width);
    if (now && !services_.mmio_write(reg, width, value)) no_such_register(reg);
    end_call();
    if (stopping_) repeat_ = Repeat{now, 0};
}

// The schedule point of an access, once. False: the machine stops the CPU first, and the access is made again.
bool GuestRunner::begin_access(PhysAddr reg, u32 width) {
    at_doorbell_ = true;
    if (std::exchange(repeat_, std::nullopt)) return true;  // announced before the stop
    announce_site(Site::kMmio, reg.value, width);
    return deliver();
}

// An 8-byte store comes as two of 4; the sequence number is in the first.
void GuestRunner::ring(PhysAddr reg, u32 sequence) {
    if (reg != port_.doorbell) return;
    at_doorbell_ = sequence != served_;
    if (!at_doorbell_) return;
    served_ = sequence;
    begin_call();
    serve(record_);
    end_call();
}

void GuestRunner::no_such_register(PhysAddr reg) {
    fault({.kind = Fault::Kind::kPanic, .log = Log::kPanicMmio, .args = {reg.value, 0, 0}});
}

void GuestRunner::bad_call(const PortRecord& record) {
    fault({.kind = Fault::Kind::kBadPortCall, .args = {record.op, record.args[0], engine_->pc()}});
}

void GuestRunner::serve(PortRecord& record) {
    const u64(&a)[6] = record.args;
    switch (static_cast<PortOp>(record.op)) {
        case PortOp::kAt:
        case PortOp::kCharge:
        case PortOp::kOwn:
        case PortOp::kLog:
        case PortOp::kWarn:
        case PortOp::kRelax:
        case PortOp::kLoadRoot: return serve_event(record);
        case PortOp::kMmioRead:
        case PortOp::kMmioWrite:
            announce_site(Site::kMmio, a[0], a[1]);
            pending_.push_back({Announcement::Kind::kRegister, 0, 0, 0});
            deliver();
            return;
        case PortOp::kNow: record.result = services_.now(); return;
        case PortOp::kRandom: record.result = services_.random(static_cast<u32>(a[0])); return;
        case PortOp::kJump: return serve_jump({a[0]});
        case PortOp::kPanic:
            if (a[0] >= static_cast<u64>(Log::kCount)) return bad_call(record);
            return fault({.kind = Fault::Kind::kPanic, .log = static_cast<Log>(a[0]), .args = {a[1], a[2], a[3]}});
        case PortOp::kAssert:
            return fault(
                {.kind = Fault::Kind::kAssert, .file = static_cast<u32>(a[0]), .line = static_cast<u32>(a[1])});
        case PortOp::kPageFault: return fault({.kind = Fault::Kind::kBadAccess, .args = {a[0], a[1], 0}});
        case PortOp::kReply: return;
        case PortOp::kIdle: return end({.kind = Stop::Kind::kIdle});
        case PortOp::kEnter: return serve_enter({a[0]});
        case PortOp::kCount: break;
    }
    bad_call(record);
}

void GuestRunner::serve_event(const PortRecord& record) {
    const u64(&a)[6] = record.args;
    // The native twin is a kernel from its entry on; this one since it made a call that is about its own doings.
    if (phase_ == Phase::kEntry) phase_ = Phase::kKernel;
    switch (static_cast<PortOp>(record.op)) {
        case PortOp::kAt:
            if (a[0] >= kSiteCount) return bad_call(record);
            announce_site(static_cast<Site>(a[0]), a[1], a[2]);
            deliver();
            return;
        case PortOp::kCharge:
            if (a[0] >= kWorkCount) return bad_call(record);
            announce_work(static_cast<Work>(a[0]), a[1]);
            deliver();
            return;
        case PortOp::kRelax:
            services_.relax();
            announce_work(Work::kEntriesWalked, 0);
            deliver();
            return;
        case PortOp::kOwn: {
            const bool known = a[2] < static_cast<u64>(Owner::kCount) && a[3] < static_cast<u64>(Owner::kCount);
            if (!known || !memory_.is_ram({{a[0]}, a[1]})) return bad_call(record);
            return services_.own({{a[0]}, a[1]}, static_cast<Owner>(a[2]), static_cast<Owner>(a[3]));
        }
        case PortOp::kLog: {
            if (a[0] > static_cast<u64>(LogLevel::kDebug) || a[1] >= static_cast<u64>(Log::kCount))
                return bad_call(record);
            const u64 args[4] = {a[2], a[3], a[4], a[5]};
            return services_.log(static_cast<LogLevel>(a[0]), static_cast<Log>(a[1]), args);
        }
        case PortOp::kWarn: return services_.warn(static_cast<u32>(a[0]), static_cast<u32>(a[1]));
        default: return services_.load_root({a[0]});
    }
}

// What the record asks for; the guest reads the result when its store is done.
void GuestRunner::access_register() {
    const PhysAddr reg{record_.args[0]};
    const u32 width = static_cast<u32>(record_.args[1]);
    const bool answered = static_cast<PortOp>(record_.op) == PortOp::kMmioRead
                              ? services_.mmio_read(reg, width, record_.result)
                              : services_.mmio_write(reg, width, record_.args[2]);
    if (!answered) no_such_register(reg);
}

void GuestRunner::serve_jump(PhysAddr at) {
    std::array<u8, sizeof(platform::Jump)> bytes;
    if (!memory_.read(at, bytes)) return bad_call(record_);
    note_memstart();
    u8& swap = bytes[offsetof(platform::Jump, three_way_swap)];
    swap = swap != 0 ? 1 : 0;  // the only values a bool may have
    Stop stop{.kind = Stop::Kind::kLeft};
    std::memcpy(&stop.jump, bytes.data(), bytes.size());
    end(stop);
}

// The image goes on in another place, from a copy of itself. What this one still writes, to its stack and its tables,
// nobody claims.
void GuestRunner::serve_enter(PhysAddr image) {
    if (!x86()) return bad_call(record_);
    for (const PhysRange& r : image_but_text()) written_unclaimed_.push_back(r);
    phase_ = Phase::kEntry;
    moved_ = true;
    next_entry_ = image + kMovedEntryOffsetX86;
}

}  // namespace baton::sim
