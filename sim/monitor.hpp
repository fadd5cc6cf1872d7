// SPDX-License-Identifier: GPL-2.0-only
// Whoever looks at a run from inside its steps: a tracer, a debugger.
//
// A scenario drives a machine step by step and knows nothing of a monitor; the machine asks it at every schedule point
// and tells it whenever the kernel stands still. So a monitor sees a run whole, across kexecs and between steps, and a
// run that it only looks at is the run without it: nothing it is told or asked can reach a result.
#pragma once

#include "model/sites.hpp"
#include "sim/services.hpp"

namespace baton::sim {

class Machine;

/// Thrown by a monitor out of stopped(): nobody needs the rest of the run. Whoever set the monitor catches it.
struct RunAbandoned {};

class Monitor {
public:
    Monitor() = default;
    Monitor(const Monitor&) = delete;
    Monitor& operator=(const Monitor&) = delete;
    virtual ~Monitor() = default;
    /// A schedule point is announced; what the step does there is done. True: stand still here.
    virtual bool at(Site site, u64 arg0, u64 arg1) = 0;
    /// The kernel stands still: at a point that at() chose or the step breaks at, where stop_after() or a breakpoint of
    /// the GuestRunner stopped it, or (kFault) for good. It goes on when this returns.
    virtual void stopped(Machine& machine, const Stop& stop) = 0;
};

}  // namespace baton::sim
