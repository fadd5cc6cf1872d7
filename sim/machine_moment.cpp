// SPDX-License-Identifier: GPL-2.0-only
// A machine as it was: everything that a step can change, beside what a file holds (decision D17).
#include <stdexcept>

#include "sim/guest/runner.hpp"
#include "sim/machine.hpp"

namespace baton::sim {

Machine::Moment Machine::moment() {
    if (state_ != State::kWaiting) throw std::logic_error("a moment of a machine whose kernel does not wait");
    Moment m;
    m.ram_ = snapshots_.take();
    m.ledger_ = ledger_.snapshot();
    m.events_ = events_.snapshot();
    m.ownership_ = ownership_.snapshot();
    m.bus_ = bus_.snapshot();
    m.dma_ = dma_.mappings();
    m.watch_ = watch_;
    m.forbidden_ = forbidden_;
    m.device_logs_ = device_logs_;
    m.claims_ = claims_.snapshot();
    m.cpu_ = runner_->save_cpu();
    m.jump_ = jump_;
    m.kernel_ = kernel_;
    m.root_ = root_;
    m.initrd_ = initrd_;
    m.sender_generation_ = sender_generation_;
    m.handover_ = handover_;
    m.randoms_ = randoms_;
    return m;
}

void Machine::restore(const Moment& m) {
    snapshots_.restore(m.ram_);
    // In runs of frames, so that a guest forgets no more code than it must.
    const std::span<const u64> frames = snapshots_.restored();
    for (std::size_t i = 0, n; i < frames.size(); i += n) {
        for (n = 1; i + n < frames.size() && frames[i + n] == frames[i] + n;) ++n;
        runner_->notify_host_write({{frames[i] << kFrameShift}, n << kFrameShift});
    }
    ledger_.restore(m.ledger_);
    events_.restore(m.events_);
    ownership_.restore(m.ownership_);
    bus_.restore(m.bus_);
    dma_.restore(m.dma_);
    watch_ = m.watch_;
    forbidden_ = m.forbidden_;
    device_logs_ = m.device_logs_;
    claims_.restore(m.claims_);
    jump_ = m.jump_;
    kernel_ = m.kernel_;
    root_ = m.root_;
    initrd_ = m.initrd_;
    sender_generation_ = m.sender_generation_;
    handover_ = m.handover_;
    randoms_ = m.randoms_;
    state_ = State::kWaiting;
    parked_ = guest_ != nullptr;
    runner_->restore_cpu(m.cpu_);
    begin_step();
}

}  // namespace baton::sim
