// SPDX-License-Identifier: GPL-2.0-only
// Makes a timeline of a run.
//
// The track of the CPU nests: step of the scenario, kernel that runs ("no kernel" from the jump to the next kernel's
// first line), phase of the ledger, schedule points. A point that is announced over and over is one slice with a count.
// Memory is counted by owner whenever a phase begins or ends, and now and then between. Everything is bounded, so that
// the timeline of a machine with terabytes can still be opened; what is left out is counted.
//
// Times are the ledger's. It goes back when a step is undone (a refused allocation is tried, then the step is made
// anew): such events are shown at the last time that was reached. A machine that takes the place of another goes on
// where that one ended.
#pragma once

#include <map>
#include <optional>

#include "sim/observer.hpp"
#include "sim/ownership/ownership_map.hpp"
#include "sim/time/ledger.hpp"
#include "sim/timeline/dma_tracks.hpp"
#include "sim/timeline/timeline.hpp"

namespace baton::sim {

class TimelineRecorder final : public Observer {
public:
    explicit TimelineRecorder(std::string name);

    /// The steps to come are played on the machine that these belong to. They are read in calls from then on.
    void attach(const OwnershipMap& ownership, const Ledger& ledger, u64 ram_bytes);
    /// Name of the kernel that is entered next, and of the one that runs already.
    void next_kernel(std::string name) { next_kernel_ = std::move(name); }
    void running_kernel(std::string name) { kernel_ = std::move(name); }
    /// Steps nest when one is played at the break of another.
    void begin_step(u32 index, std::string_view name);
    void end_step();
    /// Closes what is open. Nothing of the machine is read any more.
    Timeline finish();

    void site(Site site, u64 nth, u64 arg0, u64 arg1, u64 now_ns) override;
    void owned(PhysRange range, Owner from, Owner to, u64 now_ns) override;
    void dma(const DmaEvent& event) override;
    void race(const RaceEvent& event) override;
    void log(LogLevel level, std::string_view text, u64 now_ns) override;

    static constexpr u64 kInstantsMax = 8;     // of one point in a row; more become a slice
    static constexpr u64 kPointsMax = 40'000;  // instants and slices of points
    static constexpr u64 kLinesMax = 5'000;
    static constexpr u64 kSamplesMax = 2'000;

private:
    /// The same point, announced again and again.
    struct SiteRun {
        struct One {
            u64 nth, arg0, arg1, time_ns;
        };
        Site site = Site::kCount;
        u64 count = 0;
        One last{};
        std::vector<One> first;  // up to kInstantsMax
    };
    struct Sample {
        u64 time_ns = 0;
        std::array<u64, static_cast<u32>(Owner::kCount)> frames{};
    };

    u64 stamp(u64 now_ns);
    u64 now() { return ledger_ == nullptr ? last_ns_ : stamp(ledger_->now_ns()); }
    TimelineEvent& emit(TimelineEvent::Kind kind, u32 track, u64 time_ns, std::string name = {});
    void open(Phase phase, u64 time_ns);
    void close_phase(u64 time_ns);
    void close_kernel(u64 time_ns);
    void close_sites();
    void emit_site(const SiteRun::One& one);
    void sample(u64 time_ns, bool due);
    void emit_samples();

    Timeline out_;
    DmaTracks dma_{out_};
    const OwnershipMap* ownership_ = nullptr;
    const Ledger* ledger_ = nullptr;
    u64 ram_frames_ = 0;
    u64 offset_ns_ = 0;  // of this machine's ledger
    u64 last_ns_ = 0;

    std::vector<u32> steps_;  // open ones
    std::optional<std::string> kernel_;
    std::string next_kernel_ = "kernel";
    bool kernel_open_ = false;
    Phase phase_ = Phase::kLoad;
    bool phase_open_ = false;
    u64 since_ns_ = 0;  // nothing is open on the CPU's track below the step since then
    u64 jumps_ = 0;
    SiteRun sites_;
    u64 points_ = 0;
    u64 lines_ = 0;
    std::vector<Sample> samples_;
    u64 sample_every_ns_ = 20'000;
};

}  // namespace baton::sim
