// SPDX-License-Identifier: GPL-2.0-only
// Where somebody who debugs a guest wants it to stand still. The guest cannot tell: breakpoints are hooks of the
// emulator, not instructions in its memory.
#include <utility>

#include "sim/guest/runner.hpp"

namespace baton::sim {

std::size_t GuestRunner::read(VirtAddr va, std::span<u8> to, WalkAccess access) const {
    return read_virtual(scene(), va.value, to, access);
}

// The store at which the CPU may stand is executed first, and is not one of the instructions behind it.
void GuestRunner::stop_after(std::optional<u64> n) {
    stop_after_ = n;
    if (stop_after_ && at_doorbell_) ++*stop_after_;
}

void GuestRunner::add_breakpoint(u64 va) {
    if (breakpoints_.insert(va).second) flush_code_ = true;
}

void GuestRunner::remove_breakpoint(u64 va) {
    if (breakpoints_.erase(va) != 0) flush_code_ = true;
}

// Hooks of one instruction call back in the order in which they were added: a label there comes first. Labels may have
// been added since, which is why all breakpoints are placed anew whenever code is dropped.
void GuestRunner::place_breakpoints() {
    breakpoint_hooks_.clear();
    label_seen_.reset();
    for (const u64 va : breakpoints_)
        breakpoint_hooks_.push_back(engine_->on_code(va, va, [this](u64 pc) { on_breakpoint(pc); }));
}

void GuestRunner::on_breakpoint(u64 pc) {
    if (stop_ || stopping_) return;  // the CPU will come here again
    if (std::exchange(resumed_at_, std::nullopt) == pc) return;
    if (label_seen_ == pc) announced_label_ = pc;
    stopped_at_breakpoint_ = true;
    end({.kind = Stop::Kind::kBreak});
}

}  // namespace baton::sim
