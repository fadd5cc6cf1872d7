// SPDX-License-Identifier: GPL-2.0-only
// Timelines and pages of real runs, natively and as machine code: a viewer can read them, what they tell adds up, and
// the run is the one without them.
#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "scenarios/engine/engine.hpp"
#include "scenarios/engine/report.hpp"
#include "tests/catch.hpp"
#include "tests/support/markup_check.hpp"
#include "tests/support/trace_events.hpp"

using namespace baton;
using namespace baton::scenarios;
using namespace baton::tests;

namespace {

RunReport run(const std::string& file, bool watched, std::vector<Target> targets = {}) {
    RunRequest request;
    request.paths = {BATON_SOURCE_DIR "/scenarios/library/" + file};
    request.targets = std::move(targets);
    request.image_folder = BATON_IMAGES;
    request.timeline = request.illustrated = watched;
    return run_paths(request);
}

u64 time_of(const std::vector<PhaseWork>& phases) {
    u64 sum = 0;
    for (const PhaseWork& p : phases) sum += p.time_ns;
    return sum;
}

/// Time in slices of phases, by hop.
std::map<u64, double> time_by_hop(const nlohmann::json& trace, int pid) {
    std::map<u64, double> out;
    std::vector<std::pair<bool, u64>> open;
    std::vector<double> began;
    for (const auto& e : trace.at("traceEvents")) {
        if (e.at("pid") != pid || e.at("tid") != 1) continue;
        if (e.at("ph") == "B") {
            const bool phase = e.contains("args") && e["args"].contains("hop");
            open.emplace_back(phase, phase ? e["args"]["hop"].get<u64>() : 0);
            began.push_back(e.at("ts"));
        } else if (e.at("ph") == "E") {
            if (open.back().first) out[open.back().second] += e.at("ts").get<double>() - began.back();
            open.pop_back();
            began.pop_back();
        }
    }
    return out;
}

TEST_CASE("timeline: a handover over two hops can be read, adds up, and is the same every time") {
    const RunReport report = run("quickstart.toml", true);
    REQUIRE(report.results.size() == 2);
    const std::string text = report_timeline(report);
    CHECK(text == report_timeline(run("quickstart.toml", true)));
    const auto trace = nlohmann::json::parse(text);
    CHECK(faults_of_trace(trace) == std::vector<std::string>{});
    CHECK(trace.at("otherData").at("events_left_out") == 0);

    std::map<int, u64> samples;
    for (const auto& e : trace_events(trace, "C")) {
        u64 sum = 0;
        for (const auto& [owner, frames] : e.at("args").items()) sum += frames.get<u64>();
        CHECK(sum == 512 * kMiB / kFrameSize);
        ++samples[e.at("pid").get<int>()];
    }
    CHECK(samples.size() == 2);
    for (const auto& [pid, count] : samples) CHECK(count >= 20);

    for (std::size_t i = 0; i < 2; ++i) {
        const RunResult& r = report.results[i];
        const std::map<u64, double> times = time_by_hop(trace, static_cast<int>(1 + 3 * i));
        REQUIRE(r.hops.size() == 2);
        REQUIRE(times.contains(2));
        // Hop by hop the slices of the timeline, the phases of the report, and all of them together.
        for (u64 hop = 0; hop < 2; ++hop)
            CHECK(times.at(hop + 1) * 1000 == Approx(static_cast<double>(time_of(r.hops[hop].phases))).margin(100));
        CHECK(time_of(r.hops[0].phases) + time_of(r.hops[1].phases) == Approx(time_of(r.phases)).margin(100));
        const auto names = trace_names(trace, "B");
        for (const char* name : {"kernel a", "kernel b", "no kernel", "P6 relocation", "P10 memory map"})
            CHECK(std::ranges::count(names, name) >= 2);
    }
}

TEST_CASE("timeline: a run that is watched is the run that is not; on both targets") {
    for (const Target target : {Target::kNative, Target::kGuest}) {
        const RunReport watched = run("quickstart.toml", true, {target});
        const RunReport alone = run("quickstart.toml", false, {target});
        REQUIRE(watched.results.size() == alone.results.size());
        for (std::size_t i = 0; i < alone.results.size(); ++i) {
            CHECK(watched.results[i].state_hash == alone.results[i].state_hash);
            CHECK(watched.results[i].sequence_hash == alone.results[i].sequence_hash);
            CHECK(watched.results[i].timeline.has_value());
            CHECK_FALSE(alone.results[i].timeline.has_value());
        }
        CHECK(report_json(watched, true) == report_json(alone, true));
        CHECK(faults_of_trace(nlohmann::json::parse(report_timeline(watched))) == std::vector<std::string>{});
    }
}

TEST_CASE("timeline: runs that break, are saved, go back, start over, fail or die can be read; so can their pages") {
    for (const char* file :
         {"kexec/digest_mismatch.toml", "kexec/image_corrupted.toml", "memory/out_of_memory.toml",
          "kho/intact_detects_corruption.toml", "kho/no_finalise.toml", "captures/x86_64-6.16.toml", "five_hops.toml",
          "defects/B15_unpreserve_stall.toml", "numa/three_nodes.toml", "memory/fragmented_pages.toml"}) {
        CAPTURE(file);
        const RunReport report = run(file, true);
        CHECK(report.diagnostics.empty());
        const std::string trace = report_timeline(report);
        CHECK(faults_of_trace(nlohmann::json::parse(trace)) == std::vector<std::string>{});
        CHECK(trace.size() < (8u << 20) * report.results.size());
        const std::string page = report_html(report);
        CHECK(MarkupCheck(page).faults() == std::vector<std::string>{});
        CHECK(page.size() < (2u << 20) * report.results.size());
    }
}

TEST_CASE("hops: memory before and after is the machine's, whole and bounded") {
    const RunReport report = run("five_hops.toml", true);
    REQUIRE_FALSE(report.results.empty());
    for (const RunResult& r : report.results) {
        u64 ram = 0;
        for (const PhysRange& range : r.ram) ram += range.size;
        for (const Hop& h : r.hops)
            for (const auto* runs : {&h.before, &h.after}) {
                u64 bytes = 0, preserved = 0;
                for (const sim::OwnedRun& run : *runs) {
                    bytes += run.range.size;
                    if (run.owner == Owner::kPreserved || run.owner == Owner::kHandedOver) preserved += run.range.size;
                }
                CHECK(runs->size() <= kOwnerRunsMax);
                CHECK(bytes <= ram);
                CHECK(bytes > ram / 2);
                CHECK(preserved > 0);
            }
    }
}

}  // namespace
