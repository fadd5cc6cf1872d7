// SPDX-License-Identifier: GPL-2.0-only
#include "scenarios/explore/explorer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <exception>
#include <filesystem>
#include <set>
#include <thread>

#include "scenarios/explore/reproducer.hpp"
#include "sim/memory/atomic_file.hpp"

namespace baton::scenarios {
namespace {

namespace fs = std::filesystem;

/// Every task on a thread of its own, the first on this one; what one throws comes out when all are done.
void in_parallel(u32 tasks, const std::function<void(u32)>& task) {
    std::vector<std::exception_ptr> thrown(tasks);
    const auto guarded = [&](u32 i) {
        try {
            task(i);
        } catch (...) {
            thrown[i] = std::current_exception();
        }
    };
    {
        std::vector<std::jthread> threads;
        for (u32 i = 1; i < tasks; ++i) threads.emplace_back(guarded, i);
        guarded(0);
    }
    for (const std::exception_ptr& e : thrown)
        if (e) std::rethrow_exception(e);
}

class Explorer {
public:
    Explorer(const Window& window, const ExploreRequest& request) : window_(window), request_(request) {}

    ExploreReport run() {
        players_.resize(request_.jobs);
        in_parallel(request_.jobs, [&](u32 i) {
            players_[i] = std::make_unique<Player>(window_, PlayerOptions{request_.image_folder, request_.hashes});
        });
        const std::vector<Position>& positions = players_[0]->positions();
        strategy_ = make_strategy(request_.strategy, positions, static_cast<u32>(window_.scenario.devices.size()));
        report_.positions = positions.size();
        for (const Found& f : players_[0]->baseline().found) keep(f, 0, {});
        std::optional<u64> runs = request_.runs;
        if (const auto all = strategy_->runs()) runs = std::min(runs.value_or(*all), *all);
        const u64 chunk = window_.cell.target == Target::kGuest ? kChunkGuest : kChunkNative;
        while (!positions.empty() && (!runs || report_.runs < *runs)) {
            if (request_.time_is_up && request_.time_is_up()) {
                report_.out_of_time = true;
                break;
            }
            play_chunk(runs ? std::min(chunk, *runs - report_.runs) : chunk);
            tell_progress(runs);
        }
        report_.complete = strategy_->runs() && report_.runs == *strategy_->runs();
        report_.bound = strategy_->bound(report_.runs);
        return report_;
    }

private:
    // Only what was not known when the chunk began is kept of a run.
    void play_chunk(u64 count) {
        std::vector<std::vector<Found>> found(count);
        std::atomic<u64> next = 0;
        const std::set<FoundKey>& known = known_;
        in_parallel(request_.jobs, [&](u32 worker) {
            for (u64 i = next++; i < count; i = next++) {
                Observed observed = players_[worker]->run(strategy_->schedule(report_.runs + i));
                std::erase_if(observed.found, [&](const Found& f) { return known.contains(f.key); });
                found[i] = std::move(observed.found);
            }
        });
        for (u64 i = 0; i < count; ++i)
            for (const Found& f : found[i])
                if (!known_.contains(f.key)) keep(f, report_.runs + i + 1, strategy_->schedule(report_.runs + i));
        report_.runs += count;
        for (const auto& player : players_) {
            const Coverage seen = player->coverage();
            for (std::size_t slot = 0; slot < seen.size(); ++slot)
                for (std::size_t phase = 0; phase < kPhaseCount; ++phase)
                    report_.coverage[slot][phase] |= seen[slot][phase];
        }
    }

    // With no more turns than it needs to be played again as it was.
    void keep(const Found& found, u64 run, const Schedule& schedule) {
        known_.insert(found.key);
        Player& player = *players_[0];
        const auto shows = [&](const Observed& o) {
            return std::ranges::any_of(o.found, [&](const Found& f) { return f.key == found.key; });
        };
        Schedule turns = player.reached(schedule);
        Observed observed;
        if (found.key.kind == FoundKind::kRace) {
            const Schedule fewer = player.reached(up_to(turns, player.positions(), found.at));
            observed = player.run(fewer);
            if (shows(observed)) turns = fewer;
        }
        if (!shows(observed)) observed = player.run(turns);
        const Reproducer made = make_reproducer(window_, turns, observed, found.key, request_.image_folder);
        ReportedFinding reported{run, found, identity(found.key, window_.scenario), {}, made.passes};
        reported.file = write(file_stem(found.key, window_.scenario), made.text);
        report_.findings.push_back(reported);
        if (request_.on_finding) request_.on_finding(reported);
    }

    // A finding of an earlier exploration stays, unless it is this one.
    std::string write(const std::string& stem, const std::string& text) const {
        for (u32 n = 1;; ++n) {
            const fs::path path = fs::path(request_.out) / fmt::format("{}-{}.toml", stem, n);
            std::error_code error;
            if (fs::exists(path, error) && !fs::is_regular_file(path, error)) continue;
            if (fs::exists(path, error)) {
                const std::vector<u8> there = sim::read_whole_file(path);
                if (!std::ranges::equal(there, text, [](u8 a, char b) { return a == static_cast<u8>(b); })) continue;
                return path.string();
            }
            sim::write_file_atomically(path, {reinterpret_cast<const u8*>(text.data()), text.size()},
                                       sim::Outlives::kProcess);
            return path.string();
        }
    }

    void tell_progress(std::optional<u64> runs) const {
        if (!request_.on_progress) return;
        request_.on_progress({report_.runs, runs, report_.findings.size(), transitions(report_.coverage)});
    }

    const Window& window_;
    const ExploreRequest& request_;
    std::vector<std::unique_ptr<Player>> players_;
    std::unique_ptr<Strategy> strategy_;
    std::set<FoundKey> known_;
    ExploreReport report_;
};

}  // namespace

u64 transitions(const Coverage& coverage) {
    u64 n = 0;
    for (const auto& device : coverage)
        for (const u32 owners : device) n += static_cast<u64>(std::popcount(owners));
    return n;
}

ExploreReport explore(const Window& window, const ExploreRequest& request) { return Explorer(window, request).run(); }

}  // namespace baton::scenarios
