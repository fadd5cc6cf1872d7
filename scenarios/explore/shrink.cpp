// SPDX-License-Identifier: GPL-2.0-only
#include "scenarios/explore/shrink.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "scenarios/explore/reproducer.hpp"
#include "scenarios/explore/toml_text.hpp"

namespace baton::scenarios {
namespace {

ShrinkCounts count(const Schedule& schedule) {
    ShrinkCounts counts;
    std::set<u32> devices;
    for (const Turn& t : schedule) {
        devices.insert(t.slot);
        ++counts.turns;
        counts.moves += t.times;
    }
    counts.devices = devices.size();
    return counts;
}

class Shrinker {
public:
    Shrinker(const Window& window, Player& player, Schedule schedule)
        : window_(window), player_(player), schedule_(std::move(schedule)), kept_(kept_part(window.record->finding)) {}

    /// The finding that must stay, if a run of the schedule shows it.
    std::optional<FoundKey> shows(const Schedule& schedule) {
        ++runs_;
        for (const Found& f : player_.run(schedule).found)
            if (kept_part(identity(f.key, window_.scenario)) == kept_) return f.key;
        return std::nullopt;
    }

    void shrink() {
        drop_devices();
        // A turn that does less can make another one needless.
        for (std::size_t before = 0; before != size();) {
            before = size();
            drop_turns();
            simplify();
        }
    }

    const Schedule& schedule() const { return schedule_; }
    u64 runs() const { return runs_; }

private:
    std::size_t size() const { return count(schedule_).moves + schedule_.size() + oddities(); }
    std::size_t oddities() const {
        return static_cast<std::size_t>(
            std::ranges::count_if(schedule_, [](const Turn& t) { return t.kind != sim::TurnKind::kBoth; }));
    }

    bool take(const Schedule& candidate) {
        if (!shows(candidate)) return false;
        schedule_ = candidate;
        return true;
    }

    void drop_devices() {
        std::set<u32> devices;
        for (const Turn& t : schedule_) devices.insert(t.slot);
        for (const u32 slot : devices) {
            Schedule fewer = schedule_;
            std::erase_if(fewer, [&](const Turn& t) { return t.slot == slot; });
            take(fewer);
        }
    }

    // Parts of halving size are left out, down to single turns.
    void drop_turns() {
        for (std::size_t part = std::max<std::size_t>(schedule_.size() / 2, 1);; part /= 2) {
            for (std::size_t at = 0; at < schedule_.size();) {
                Schedule fewer = schedule_;
                const auto first = fewer.begin() + static_cast<std::ptrdiff_t>(at);
                fewer.erase(first, first + static_cast<std::ptrdiff_t>(std::min(part, schedule_.size() - at)));
                if (!take(fewer)) at += part;
            }
            if (part <= 1) return;
        }
    }

    void simplify() {
        for (std::size_t i = 0; i < schedule_.size(); ++i) {
            if (schedule_[i].times > 1) {
                Schedule once = schedule_;
                once[i].times = 1;
                if (!take(once)) halve_times(i);
            }
            if (schedule_[i].kind == sim::TurnKind::kBoth) continue;
            Schedule plain = schedule_;
            plain[i].kind = sim::TurnKind::kBoth;
            // A turn that sends and delivers is simpler only if it does the work of two.
            for (std::size_t k = 0; k < schedule_.size(); ++k) {
                if (k == i || plain[k].slot != plain[i].slot) continue;
                Schedule one = plain;
                one.erase(one.begin() + static_cast<std::ptrdiff_t>(k));
                if (take(one)) {
                    i = 0;
                    break;
                }
            }
        }
    }

    void halve_times(std::size_t i) {
        u32 enough = schedule_[i].times;
        for (u32 step = enough / 2; step > 0; step /= 2) {
            while (enough > step) {
                Schedule fewer = schedule_;
                fewer[i].times = enough - step;
                if (!take(fewer)) break;
                enough -= step;
            }
        }
    }

    const Window& window_;
    Player& player_;
    Schedule schedule_;
    std::string kept_;
    u64 runs_ = 0;
};

Schedule schedule_of(const Window& window) {
    Schedule out;
    for (const Step& s : window.scenario.steps) {
        if (s.index < window.from) continue;
        for (const ScheduledTurn& t : s.turns)
            out.push_back(
                {static_cast<u32>(out.size()), {s.index, t.when.site, t.when.nth}, t.device, t.kind, t.times});
    }
    return out;
}

}  // namespace

Shrunk shrink(const Window& window, const std::string& image_folder) {
    Player player(window, {image_folder, window.record->finding.starts_with("preserved memory lost")});
    const Schedule whole = schedule_of(window);
    Shrinker shrinker(window, player, whole);
    if (!shrinker.shows(whole))
        throw Unplayable{fmt::format("the run does not come to \"{}\", which the file says it does",
                                     kept_part(window.record->finding))};
    shrinker.shrink();
    Shrunk out;
    out.from = count(whole);
    out.to = count(shrinker.schedule());
    out.runs = shrinker.runs();
    const Schedule turns = player.reached(shrinker.schedule());
    const Observed observed = player.run(turns);
    const auto key = shrinker.shows(turns);
    Window bare = window;
    for (Value& step : find_value(bare.document, "step")->items) remove_key(step, "turn");
    Window original = window;
    // The turns of the steps before the window are part of the scenario.
    for (u32 i = 0; i < window.from; ++i)
        find_value(bare.document, "step")->items[i] = find_value(original.document, "step")->items[i];
    out.identity = identity(*key, window.scenario);
    out.text = make_reproducer(bare, turns, observed, *key, image_folder).text;
    return out;
}

}  // namespace baton::scenarios
