// SPDX-License-Identifier: GPL-2.0-only
#include "scenarios/explore/player.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "sim/monitor.hpp"

namespace baton::scenarios {
namespace {

/// Writes down where a run comes.
class Listener final : public sim::Monitor {
public:
    Listener(const Play& play, std::vector<Position>& to) : play_(play), to_(to) {}
    bool at(Site site, u64, u64) override {
        if (play_.step_under_way() != step_) {
            step_ = play_.step_under_way();
            seen_ = {};
        }
        to_.push_back({step_, site, ++seen_[static_cast<u32>(site)]});
        return false;
    }
    void stopped(sim::Machine&, const sim::Stop&) override {}

private:
    const Play& play_;
    std::vector<Position>& to_;
    u32 step_ = ~u32{0};
    sim::SiteCounts seen_{};
};

std::vector<u64> counts(const std::vector<sim::ForbiddenWrite>& writes) {
    std::vector<u64> out;
    for (const sim::ForbiddenWrite& w : writes) out.push_back(w.count);
    return out;
}

}  // namespace

Player::Player(const Window& window, const PlayerOptions& options)
    : scenario_(window.scenario), cell_(window.cell), from_(window.from) {
    for (Step& s : scenario_.steps)
        if (s.index >= from_) s.turns.clear();
    options_.image_folder = options.image_folder;
    options_.watch = Watch::kLight;
    options_.hash_handed_over = options.hashes;
    options_.on_step_end = [this](u32 step, sim::Machine& machine) {
        if (under_way_ != nullptr) note_races(step, *under_way_);
        if (reached_ != nullptr)
            std::erase_if(*reached_,
                          [&](const Turn& t) { return t.at.step == step && !machine.reached({t.at.site, t.at.nth}); });
    };
    play_ = std::make_unique<Play>(scenario_, cell_, options_);
    try {
        if (!play_->play_to(from_)) {
            const Finding& f = play_->result().findings.front();
            throw Unplayable{fmt::format("step {}, before the window, fails: {}", f.step + 1, f.what)};
        }
        play_->machine().set_oracles(false);
        play_->machine().bus().set_scheduled(true);
        moment_ = play_->machine().moment();
    } catch (const Unusable& e) {
        throw Unplayable{e.message};
    } catch (const StoppedAtBreak&) {
        throw Unplayable{"the steps before the window end at a break"};
    } catch (const std::logic_error& e) {
        throw Unplayable{"no kernel waits for a command where the window begins"};
    }
    state_ = play_->checkpoint();
    Listener listener(*play_, positions_);
    play_->machine().set_monitor(&listener);
    baseline_ = run({});
    play_->machine().set_monitor(nullptr);
}

// Several kinds of the same race count as that race once: a step expects races, not writes.
void Player::note_races(u32 step, Observed& out) {
    const auto& all = play_->machine().forbidden();
    const std::size_t before = known_.size();
    known_.resize(all.size());
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (all[i].count == known_[i]) continue;
        known_[i] = all[i].count;
        if (const auto race = all[i].race())
            if (std::ranges::find(out.races, std::pair(step, *race)) == out.races.end())
                out.races.push_back({step, *race});
        if (i < before) continue;
        Found f{.key = key_of(all[i]), .step = step, .at = {step, all[i].at.site, all[i].at.nth}, .story = {}};
        const bool seen = std::ranges::any_of(out.found, [&](const Found& o) { return o.key == f.key; });
        if (!seen) {
            f.story = play_->machine().story(all[i]);
            out.found.push_back(std::move(f));
        }
    }
}

void Player::judge_failure(Observed& out) {
    const RunResult& result = play_->result();
    const bool lost = !result.hops.empty() && result.hops.back().lost;
    if (result.findings.empty()) return;
    const Finding& first = result.findings.front();
    FoundKey key{.kind = FoundKind::kFailure};
    key.phase = play_->machine().ledger().phase();
    key.step = first.step;
    if (result.ending) {
        key.kind = FoundKind::kEnding;
        key.code = static_cast<u32>(*result.ending);
    } else if (result.error) {
        key.kind = FoundKind::kError;
        key.code = static_cast<u32>(*result.error);
    } else if (lost) {
        key.kind = FoundKind::kLost;
    }
    out.stopped = first.step;
    out.ending = result.ending;
    out.error = result.error;
    out.found.push_back({key,
                         first.step,
                         {},
                         fmt::format("step {} ({}): {}{}", first.step + 1, scenario_.steps[first.step].name, first.what,
                                     first.detail.empty() ? "" : "; " + first.detail)});
}

Observed Player::run(const Schedule& schedule) {
    Observed out;
    sim::Machine& machine = play_->machine();
    machine.restore(*moment_);
    play_->go_back(state_);
    for (u32 i = from_; i < scenario_.steps.size(); ++i) scenario_.steps[i].turns.clear();
    for (const Turn& t : schedule)
        scenario_.steps[t.at.step].turns.push_back({{t.at.site, t.at.nth}, t.slot, t.kind, t.times, {}});
    known_ = counts(machine.forbidden());
    under_way_ = &out;
    play_->play_to(static_cast<u32>(scenario_.steps.size()));
    under_way_ = nullptr;
    judge_failure(out);
    out.sequence = machine.events().site_digest();
    return out;
}

Schedule Player::reached(const Schedule& schedule) {
    Schedule out = schedule;
    reached_ = &out;
    const Observed observed = run(schedule);
    reached_ = nullptr;
    if (observed.stopped) std::erase_if(out, [&](const Turn& t) { return t.at.step > *observed.stopped; });
    return out;
}

Coverage Player::coverage() const {
    Coverage out{};
    for (u32 slot = 0; slot < play_->machine().bus().size(); ++slot)
        for (u32 phase = 0; phase < kPhaseCount; ++phase)
            out[slot][phase] = play_->machine().owners_written(slot, static_cast<Phase>(phase));
    return out;
}

}  // namespace baton::scenarios
