// SPDX-License-Identifier: GPL-2.0-only
// Whoever writes down what happens on a machine: a recorder for reports.
//
// Beside the monitor, which can make a kernel stand still, an observer can do nothing but listen. The machine calls it,
// if it is set, where it enters the same in its event log; all times are those of the ledger. What the engine asks a
// kernel for its own sake (Machine::observe) is not the run's and is not told.
#pragma once

#include <string>
#include <string_view>

#include "model/log.hpp"
#include "model/owner.hpp"
#include "model/sites.hpp"

namespace baton::sim {

/// What became of one write of a bus master.
struct DmaEvent {
    u64 time_ns = 0;
    u64 id = 0;      // of the write: the same when it is posted and when it arrives
    u32 device = 0;  // from 0
    std::string device_name;
    enum class Kind : u8 {
        kPosted,     // the device has sent it
        kDelivered,  // it is in memory
        kBlocked,    // the IOMMU refused it
        kDropped,    // no memory and no register lies there
    } kind = Kind::kPosted;
    PhysRange target;
    Owner owner = Owner::kNobody;  // of the target, when it arrives
    bool forbidden = false;        // the owner had not given the memory to the device
};

/// A rule about who may touch what when was broken.
struct RaceEvent {
    u64 time_ns = 0;
    u64 dma_id = 0;    // the write that broke it
    std::string id;    // of the rule
    std::string text;  // for people
};

class Observer {
public:
    Observer() = default;
    Observer(const Observer&) = delete;
    Observer& operator=(const Observer&) = delete;
    virtual ~Observer() = default;
    /// A schedule point is announced, for the nth time in its step; what the machine itself does there is not done yet.
    virtual void site(Site site, u64 nth, u64 arg0, u64 arg1, u64 now_ns) = 0;
    virtual void owned(PhysRange range, Owner from, Owner to, u64 now_ns) = 0;
    virtual void dma(const DmaEvent& event) = 0;
    virtual void race(const RaceEvent& event) = 0;
    virtual void log(LogLevel level, std::string_view text, u64 now_ns) = 0;
};

}  // namespace baton::sim
