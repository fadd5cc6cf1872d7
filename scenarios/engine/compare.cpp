// SPDX-License-Identifier: GPL-2.0-only
#include "scenarios/engine/compare.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace baton::scenarios {
namespace {

std::string text(const PassedSite& s) {
    return fmt::format("{}#{} ({:#x}, {:#x}) at {} ns", info(s.site).name, s.nth, s.args[0], s.args[1], s.time_ns);
}

std::string text(const std::vector<PassedSite>& sites, std::size_t i) {
    return i < sites.size() ? text(sites[i]) : "no more points";
}

std::string text(const RunResult& r) {
    std::string out(r.verdict_name());
    if (!r.message.empty()) out += ": " + r.message;
    for (const Finding& f : r.findings) out += fmt::format("; {}", f.what);
    return out;
}

std::optional<Difference> compare_sites(const Recording& a, const Recording& b) {
    const auto [at, other] = std::ranges::mismatch(a.sites, b.sites);
    if (at == a.sites.end() && other == b.sites.end()) return std::nullopt;
    const auto i = static_cast<std::size_t>(at - a.sites.begin());
    return Difference{fmt::format("schedule point {} differs", i + 1), text(a.sites, i), text(b.sites, i)};
}

std::string work_text(const RunResult& r, std::size_t phase, Work work) {
    return phase < r.phases.size() ? fmt::format("{}", r.phases[phase].work[static_cast<u32>(work)]) : "0";
}

std::optional<Difference> compare_work(const RunResult& a, const RunResult& b) {
    for (std::size_t i = 0; i < std::max(a.phases.size(), b.phases.size()); ++i) {
        if (i >= a.phases.size() || i >= b.phases.size() || a.phases[i].phase != b.phases[i].phase)
            return Difference{"the phases differ", fmt::format("{}", a.phases.size()),
                              fmt::format("{}", b.phases.size())};
        const std::string_view phase = info(a.phases[i].phase).name;
        for (const WorkInfo& w : kWorks)
            if (const std::string n = work_text(a, i, w.work), m = work_text(b, i, w.work); n != m)
                return Difference{fmt::format("{} in {} differ", w.name, phase), n, m};
        if (a.phases[i].time_ns != b.phases[i].time_ns)
            return Difference{fmt::format("time in {} differs", phase), fmt::format("{} ns", a.phases[i].time_ns),
                              fmt::format("{} ns", b.phases[i].time_ns)};
    }
    return std::nullopt;
}

/// An image that was moved onto handed-over memory keeps its stack there, which is not the same on both targets, and
/// the handover is hashed when that image runs. What devices may write there (F8) is not lost.
bool loses(const Scenario& scenario) {
    return std::ranges::any_of(scenario.steps, [](const Step& s) {
        const auto* exec = std::get_if<step::Exec>(&s.action);
        return exec != nullptr && (exec->loses || std::ranges::count(s.outcome.races, sim::Race::kF8) != 0);
    });
}

std::optional<Difference> compare_results(const Scenario& scenario, const RunResult& a, const RunResult& b) {
    if (const std::string x = text(a), y = text(b); x != y) return Difference{"the verdicts differ", x, y};
    if (a.handover_hash != b.handover_hash && !loses(scenario))
        return Difference{"the handover hashes differ", a.handover_hash, b.handover_hash};
    if (a.verified != b.verified)
        return Difference{"what was verified differs", fmt::format("{}", fmt::join(a.verified, "; ")),
                          fmt::format("{}", fmt::join(b.verified, "; "))};
    const auto [x, y] = std::ranges::mismatch(a.log, b.log, {}, &LogLine::text, &LogLine::text);
    if (x != a.log.end() || y != b.log.end())
        return Difference{"the kernel logs differ", x != a.log.end() ? x->text : "no more lines",
                          y != b.log.end() ? y->text : "no more lines"};
    return compare_work(a, b);
}

sim::Hash128 hash_of(const Recording& r, const RecordedState& s, u64 frame) {
    const auto found = s.frames.find(frame);
    return found == s.frames.end() ? r.untouched : found->second;
}

/// The first frame that differs after the first step that left one; counts what was compared after the last step.
std::optional<FrameRequest> compare_frames(const Recording& a, const Recording& b, Comparison& into) {
    for (std::size_t i = 0; i < a.states.size(); ++i) {
        const RecordedState& s = a.states[i];
        const RecordedState& t = b.states[i];
        if (!s.has_frames) continue;
        sim::FrameHashes all = s.frames;
        all.insert(t.frames.begin(), t.frames.end());
        into.frames = all.size();
        ++into.states;
        into.unequal = s.unequal.ranges();
        for (const auto& [frame, hash] : all)
            if (hash_of(a, s, frame) != hash_of(b, t, frame)) return FrameRequest{i, frame, {}};
    }
    return std::nullopt;
}

std::string owner_of(const Recording& r, const FrameRequest& where) {
    sim::OwnershipMap map;
    map.restore(r.states[where.state].owners);
    return std::string(name(map.at(where.frame)));
}

// Runs repeat: once more, for the bytes.
Difference describe(const Scenario& scenario, const Side& first, const Side& second, const Recording& recording,
                    const FrameRequest& where) {
    FrameRequest a = where;
    FrameRequest b = where;
    record(scenario, first.cell, {.run = first.run, .frames = false, .capture = &a});
    record(scenario, second.cell, {.run = second.run, .frames = false, .capture = &b});
    const auto [x, y] = std::ranges::mismatch(a.bytes, b.bytes);
    const u64 offset = static_cast<u64>(x - a.bytes.begin());
    const PhysAddr at = PhysAddr{where.frame << kFrameShift} + offset;
    const std::string what = fmt::format("RAM differs after step {}: {} ({})", recording.states[where.state].step + 1,
                                         hex(at), owner_of(recording, where));
    if (x == a.bytes.end() || y == b.bytes.end()) return {what, "no such byte", "or it did not repeat"};
    return {what, fmt::format("{:#04x}", *x), fmt::format("{:#04x}", *y)};
}

Comparison compare(const Scenario& scenario, const Side& first, const Side& second, bool frames) {
    Recording a = record(scenario, first.cell, {.run = first.run, .frames = frames});
    Recording b = record(scenario, second.cell, {.run = second.run, .frames = frames});
    Comparison c;
    c.sites = std::min(a.sites.size(), b.sites.size());
    // The verdict first: where a run cannot be played at all, nothing else is worth telling.
    if (a.result.verdict == b.result.verdict) c.difference = compare_sites(a, b);
    if (!c.difference) c.difference = compare_results(scenario, a.result, b.result);
    if (!c.difference && a.states.size() != b.states.size())
        c.difference = Difference{"the runs have different lengths", fmt::format("{} steps", a.states.size()),
                                  fmt::format("{} steps", b.states.size())};
    if (!c.difference && frames)
        if (const auto where = compare_frames(a, b, c)) c.difference = describe(scenario, first, second, a, *where);
    c.first = std::move(a.result);
    c.second = std::move(b.result);
    return c;
}

}  // namespace

Comparison compare(const Scenario& scenario, const Side& first, const Side& second) {
    return compare(scenario, first, second, true);
}

Comparison compare_sequences(const Scenario& scenario, const Side& first, const Side& second) {
    return compare(scenario, first, second, false);
}

std::string report_comparison(const Comparison& c) {
    std::string out = fmt::format("{}  {}\n", c.first.scenario, cell_name(c.first.cell));
    const std::string_view a = info(c.first.cell.target).name;
    const std::string_view b = info(c.second.cell.target).name;
    if (c.unusable()) return out + fmt::format("  {}: {}\n", c.first.verdict_name(), c.first.message);
    if (!c.unequal.empty()) {
        out += "  not compared\n";
        for (const sim::UnequalRange& r : c.unequal)
            out += fmt::format("    {}  {:>8}  {}\n", hex(r.range.start), size_text(r.range.size), name(r.why));
    }
    if (!c.difference)
        return out + fmt::format("  equal: {} and {} ({}): {} schedule points; {} frames after the last of {} steps\n",
                                 a, b, c.first.verdict_name(), c.sites, c.frames, c.states);
    return out + fmt::format("  {}\n    {:<8} {}\n    {:<8} {}\n", c.difference->what, a, c.difference->first, b,
                             c.difference->second);
}

}  // namespace baton::scenarios
