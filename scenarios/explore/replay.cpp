// SPDX-License-Identifier: GPL-2.0-only
#include "scenarios/explore/replay.hpp"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>

#include "sim/bytes.hpp"

namespace baton::scenarios {
namespace {

std::string digest_of(const std::vector<sim::ForbiddenWrite>& writes) {
    sim::ByteWriter bytes;
    for (const sim::ForbiddenWrite& w : writes) {
        const auto race = [](const std::optional<sim::Race>& r) {
            return static_cast<u32>(r.value_or(sim::Race::kCount));
        };
        for (const u32 v : {w.slot, race(w.target), race(w.cause), static_cast<u32>(w.owner),
                            static_cast<u32>(w.origin), static_cast<u32>(w.phase), static_cast<u32>(w.at.site)})
            bytes.put(v);
        for (const u64 v : {w.at.nth, w.time_ns, w.write, w.bus, w.range.start.value, w.range.size, w.count})
            bytes.put(v);
    }
    const XXH128_hash_t h = XXH3_128bits(bytes.bytes().data(), bytes.bytes().size());
    return sim::Hash128{static_cast<sim::u128>(h.high64) << 64 | h.low64}.hex();
}

}  // namespace

Replayed play_in_full(const Scenario& scenario, const Cell& cell, const std::string& image_folder) {
    Replayed out;
    out.writes = digest_of({});
    RunOptions options;
    options.image_folder = image_folder;
    options.on_step_end = [&](u32, sim::Machine& machine) {
        out.steps.push_back(machine.events().site_digest().hex());
        out.writes = digest_of(machine.forbidden());
    };
    out.result = run_cell(scenario, cell, options);
    return out;
}

std::optional<Divergence> compare_with_record(const Replayed& run, const ReplayRecord& record) {
    const std::size_t steps = std::min(run.steps.size(), record.steps.size());
    for (std::size_t i = 0; i < steps; ++i)
        if (run.steps[i] != record.steps[i])
            return Divergence{fmt::format("step {} passes other schedule points, or at other times", i + 1),
                              record.steps[i], run.steps[i]};
    if (run.steps.size() != record.steps.size())
        return Divergence{"the run has another number of steps", fmt::format("{}", record.steps.size()),
                          fmt::format("{}", run.steps.size())};
    if (run.writes != record.writes) return Divergence{"the forbidden writes are others", record.writes, run.writes};
    if (run.result.verdict_name() != record.verdict)
        return Divergence{"the run ends otherwise", record.verdict, std::string(run.result.verdict_name())};
    const std::string& state = run.result.cell.target == Target::kNative ? record.state_native : record.state_guest;
    if (!state.empty() && state != run.result.state_hash)
        return Divergence{"the machine ends in another state", state, run.result.state_hash};
    return std::nullopt;
}

}  // namespace baton::scenarios
