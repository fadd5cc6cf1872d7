// SPDX-License-Identifier: GPL-2.0-only
// Chrome's trace event format: one object an event, one event a line, so that two timelines can be compared with diff.
//
// Perfetto sorts by time and keeps the order of the file among equals; a flow is bound to the slice that is open on its
// track, so each flow event stands between the begin and the end it belongs to ("bp": "e" for the receiving one).
#include <map>
#include <nlohmann/json.hpp>

#include "sim/timeline/timeline.hpp"

namespace baton::sim {
namespace {

using nlohmann::ordered_json;
using Kind = TimelineEvent::Kind;

inline constexpr u32 kProcesses = static_cast<u32>(TimelineProcess::kCount);
constexpr std::string_view kProcessNames[] = {"", ": devices", ": memory"};
// A colour name of the format: red in chrome://tracing. Perfetto colours by name, and names say it too.
constexpr std::string_view kBad = "terrible";

class TraceWriter {
public:
    std::string run(const std::vector<Timeline>& runs) {
        u64 left_out = 0;
        for (std::size_t i = 0; i < runs.size(); ++i) {
            timeline(runs[i], 1 + i * kProcesses);
            left_out += runs[i].left_out;
        }
        const ordered_json about = {{"clock", "ledger of the simulated machine"}, {"events_left_out", left_out}};
        return "{\"displayTimeUnit\": \"ns\",\n\"otherData\": " + about.dump() + ",\n\"traceEvents\": [" + lines_ +
               "\n]}\n";
    }

private:
    void timeline(const Timeline& t, u64 first_pid) {
        std::vector<u64> tids;  // of each track, from 1 in its process
        std::vector<u64> count(kProcesses);
        for (const TimelineTrack& track : t.tracks) tids.push_back(++count[static_cast<u32>(track.process)]);
        for (u32 p = 0; p < kProcesses; ++p) {
            if (count[p] == 0) continue;
            about("process_name", first_pid + p, 0, {{"name", t.name + std::string(kProcessNames[p])}});
            about("process_sort_index", first_pid + p, 0, {{"sort_index", first_pid + p}});
        }
        for (std::size_t i = 0; i < t.tracks.size(); ++i) {
            const u64 pid = first_pid + static_cast<u32>(t.tracks[i].process);
            about("thread_name", pid, tids[i], {{"name", t.tracks[i].name}});
            about("thread_sort_index", pid, tids[i], {{"sort_index", tids[i]}});
        }
        u64 flows = 0;
        for (const TimelineEvent& e : t.events) {
            const u64 pid = first_pid + static_cast<u32>(t.tracks[e.track].process);
            event(e, pid, tids[e.track]);
            flows = std::max(flows, e.flow);
        }
        flows_before_ += flows;
    }

    void about(std::string_view what, u64 pid, u64 tid, ordered_json args) {
        line({{"ph", "M"}, {"pid", pid}, {"tid", tid}, {"name", what}, {"args", std::move(args)}});
    }

    void event(const TimelineEvent& e, u64 pid, u64 tid) {
        constexpr std::string_view kPh[] = {"B", "E", "i", "s", "f", "C"};
        ordered_json out = {{"ph", kPh[static_cast<u32>(e.kind)]},
                            {"pid", pid},
                            {"tid", tid},
                            {"ts", static_cast<double>(e.time_ns) / 1000}};
        if (e.kind != Kind::kEnd) out["name"] = e.name;
        if (e.kind == Kind::kInstant) out["s"] = "t";
        if (e.kind == Kind::kFlowStart || e.kind == Kind::kFlowEnd) {
            out["cat"] = "dma";
            out["id"] = flows_before_ + e.flow;
        }
        if (e.kind == Kind::kFlowEnd) out["bp"] = "e";
        if (e.bad) out["cname"] = kBad;
        if (!e.words.empty() || !e.numbers.empty()) {
            ordered_json& args = out["args"] = ordered_json::object();
            for (const auto& [key, value] : e.numbers) args[key] = value;
            for (const auto& [key, value] : e.words) args[key] = value;
        }
        line(out);
    }

    // Names come from scenarios, paths and kernels: bytes that are no UTF-8 must not end the file.
    void line(const ordered_json& object) {
        lines_ += lines_.empty() ? "\n" : ",\n";
        lines_ += object.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
    }

    std::string lines_;
    u64 flows_before_ = 0;
};

}  // namespace

std::string chrome_trace(const std::vector<Timeline>& runs) { return TraceWriter().run(runs); }

}  // namespace baton::sim
