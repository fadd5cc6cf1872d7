// SPDX-License-Identifier: GPL-2.0-only
#include "scenarios/engine/recording.hpp"

#include "sim/monitor.hpp"

namespace baton::scenarios {
namespace {

class Recorder final : public sim::Monitor {
public:
    Recorder(const RecordOptions& options, std::size_t steps) : options_(options), steps_(steps) {}

    void begin(sim::Machine& machine) {
        machine_ = &machine;
        if (machine.ledger().now_ns() == 0) unequal_ = {};  // not a loaded one: nothing happened on it yet
    }

    bool at(Site site, u64 arg0, u64 arg1) override {
        recording.sites.push_back({site, ++seen_[static_cast<u32>(site)], machine_->ledger().now_ns(), {arg0, arg1}});
        unequal_.pass(*machine_, site, arg0, arg1);
        return false;
    }
    void stopped(sim::Machine&, const sim::Stop&) override {}

    void end_step(u32 step, sim::Machine& machine) {
        if (options_.run.on_step_end) options_.run.on_step_end(step, machine);
        if (options_.capture != nullptr && options_.capture->state == recording.states.size()) {
            options_.capture->bytes.resize(kFrameSize);
            if (!machine.read({options_.capture->frame << kFrameShift}, options_.capture->bytes))
                options_.capture->bytes.clear();
        }
        RecordedState& s = recording.states.emplace_back();
        s.step = step;
        s.unequal = unequal_;
        s.owners = machine.ownership().snapshot();
        recording.untouched = machine.untouched_frame_hash();
        const bool last = step + 1 == steps_;
        s.has_frames = options_.frames && (last || machine.config().ram_bytes <= kStepwiseRamMax);
        if (!s.has_frames) return;
        for (const PhysRange& ram : machine.map().ram) machine.hash_frames(ram, s.frames);
        std::erase_if(s.frames, [&](const auto& f) { return unequal_.contains(f.first); });
    }

    Recording recording;

private:
    const RecordOptions& options_;
    const std::size_t steps_;
    sim::Machine* machine_ = nullptr;
    sim::UnequalFrames unequal_;
    std::array<u64, kSiteCount> seen_{};
};

}  // namespace

Recording record(const Scenario& scenario, const Cell& cell, const RecordOptions& options) {
    Recorder recorder(options, scenario.steps.size());
    RunOptions run = options.run;
    run.monitor = &recorder;
    run.on_machine = [&](sim::Machine& m) { recorder.begin(m); };
    run.on_step_end = [&](u32 step, sim::Machine& m) { recorder.end_step(step, m); };
    RunResult result = run_cell(scenario, cell, run);
    recorder.recording.result = std::move(result);
    return std::move(recorder.recording);
}

}  // namespace baton::scenarios
