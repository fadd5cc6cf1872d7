// SPDX-License-Identifier: GPL-2.0-only
// What a run leaves for pictures: how long each step and each phase of a hop took, and whose memory was whose.
#include <algorithm>
#include <utility>

#include "scenarios/engine/play.hpp"
#include "sim/ownership/coarse_runs.hpp"
#include "sim/time/profile.hpp"
#include "sim/timeline/recorder.hpp"

namespace baton::scenarios {
namespace {

u64 less(u64 a, u64 b) { return a > b ? a - b : 0; }

}  // namespace

std::vector<PhaseWork> phases_between(const sim::Ledger& before, const sim::Ledger& after, u32 first, u32 end) {
    std::vector<PhaseWork> out;
    for (u32 p = first; p < end; ++p) {
        const Phase phase = kPhases[p].phase;
        // Of two machines, if one took the place of another: less than nothing is nothing.
        PhaseWork w{.phase = phase, .work = {}, .time_ns = less(after.phase_ns(phase), before.phase_ns(phase))};
        for (const WorkInfo& unit : kWorks)
            w.work[static_cast<u32>(unit.work)] = less(after.work(phase, unit.work), before.work(phase, unit.work));
        if (w.time_ns != 0 || std::ranges::any_of(w.work, [](u64 n) { return n != 0; })) out.push_back(w);
    }
    return out;
}

Play::StepMark Play::begin_report(const Step& step) {
    if (options_.timeline != nullptr) options_.timeline->begin_step(step.index, step.name);
    result_.steps.push_back({step.index, std::string(step.name), step.place, 0});
    return {result_.steps.size() - 1, machine_.get(), machine_ ? machine_->ledger().now_ns() : 0};
}

void Play::end_report(const StepMark& mark) {
    if (options_.timeline != nullptr) options_.timeline->end_step();
    if (!machine_) return;
    const u64 now_ns = machine_->ledger().now_ns();
    result_.steps[mark.row].time_ns = machine_.get() == mark.machine ? less(now_ns, mark.began_ns) : now_ns;
}

std::vector<sim::OwnedRun> Play::owners_now() {
    if (!options_.memory_maps) return {};
    return sim::coarse_runs(machine().ownership().runs(), kOwnerRunsMax);
}

// What comes before a jump belongs to the hop to come, from relocation on to the last one.
void Play::begin_hop() {
    end_hop();
    jumped_ = machine().ledger().snapshot();
    sim::Ledger before(sim::generic_profile());
    sim::Ledger now = before;
    if (hop_from_) before.restore(*hop_from_);
    now.restore(*jumped_);
    hop_.phases = phases_between(before, now, 0, static_cast<u32>(Phase::kRelocation));
    hop_.before = owners_now();
    hop_from_ = jumped_;
}

void Play::end_hop() {
    const auto jumped = std::exchange(jumped_, std::nullopt);
    if (!std::exchange(hop_reported_, false) || !jumped || !machine_) return;
    sim::Ledger before(sim::generic_profile());
    before.restore(*jumped);
    std::vector<PhaseWork>& phases = result_.hops.back().phases;
    for (const PhaseWork& w :
         phases_between(before, machine().ledger(), static_cast<u32>(Phase::kRelocation), kPhaseCount))
        phases.push_back(w);
}

}  // namespace baton::scenarios
