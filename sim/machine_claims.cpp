// SPDX-License-Identifier: GPL-2.0-only
// What a machine makes of what its kernels say about memory (sim/ownership/claims.hpp).
#include <algorithm>

#include "sim/machine.hpp"
#include "sim/observer.hpp"
#include "sim/ownership/departure.hpp"

namespace baton::sim {

void Machine::own(PhysRange range, Owner from, Owner to) {
    if (const auto fault = judge_claim(ownership_, range, from, to, ledger_.phase())) [[unlikely]]
        keep_claims({*fault});
    ownership_.set(range, to);
    if (!bus_.empty()) {
        watch_.take(range, to, ledger_.phase());
        if (to == Owner::kFree) dma_.release(range);
    }
    events_.own(range, from, to, ledger_.now_ns());
    if (observer_ != nullptr) observer_->owned(range, from, to, ledger_.now_ns());
}

void Machine::keep_claims(std::vector<ClaimFault> faults) {
    for (ClaimFault& fault : faults) {
        fault.site = position_.site;
        fault.nth = position_.nth;
        fault.phase = ledger_.phase();
        claims_.add(fault);
    }
}

void Machine::compare_jump() { keep_claims(compare_departure({memory_, ownership_, geometry(), jump_, root_})); }

// Whatever the kernel before had, this one has yet to find: only what is handed over to it is somebody's.
void Machine::change_kernel(const SeenHandover* seen) {
    if (seen != nullptr && pending_ == Pending::kTransfer && oracles_)
        keep_claims(compare_handover(ownership_, geometry(), seen->handover));
    ownership_ = {};
    if (seen == nullptr) return;
    for (const HandoverBlock& b : seen->handover.blocks)
        ownership_.set({b.phys, geometry().bytes_of(b.order)}, Owner::kPreserved);
}

}  // namespace baton::sim
