// SPDX-License-Identifier: GPL-2.0-only
// A timeline from events fed by hand: what nests in what, what is drawn together, where arrows go.
#include "sim/timeline/recorder.hpp"

#include <algorithm>

#include "sim/time/profile.hpp"
#include "tests/catch.hpp"
#include "tests/support/trace_events.hpp"

using namespace baton;
using namespace baton::sim;
using baton::tests::faults_of_trace;
using baton::tests::trace_events;
using baton::tests::trace_names;

namespace {

using Names = std::vector<std::string>;
constexpr u64 kRam = 64 * kMiB;

/// A machine's clock and owners, without the machine.
struct Rig {
    OwnershipMap owners;
    Ledger ledger{generic_profile()};
    TimelineRecorder recorder{"run"};
    std::map<Site, u64> seen;

    Rig() { recorder.attach(owners, ledger, kRam); }
    void site(Site s) {
        ledger.at(s);
        recorder.site(s, ++seen[s], 0, 0, ledger.now_ns());
    }
    void work(u64 amount = 1000) { ledger.charge(Work::kBytesCopied, amount); }
    void own(u64 start, u64 bytes, Owner owner) {
        owners.set({{start}, bytes}, owner);
        recorder.owned({{start}, bytes}, Owner::kNobody, owner, ledger.now_ns());
    }
    nlohmann::json finish() {
        const std::string text = chrome_trace({recorder.finish()});
        return nlohmann::json::parse(text);
    }
};

DmaEvent write_event(DmaEvent::Kind kind, u64 id, u64 time_ns, u32 device = 0) {
    return {.time_ns = time_ns,
            .id = id,
            .device = device,
            .device_name = device == 0 ? "nic" : "disk",
            .kind = kind,
            .target = {{0x1000}, 64},
            .owner = Owner::kPreserved,
            .forbidden = false};
}

TEST_CASE("timeline: steps hold kernels, kernels hold phases, phases hold points") {
    Rig rig;
    rig.recorder.next_kernel("a");
    rig.recorder.begin_step(0, "boot");
    rig.site(Site::kKernelEntry);
    rig.work();
    rig.site(Site::kBootMemmap);
    rig.site(Site::kBootDone);
    rig.recorder.end_step();
    rig.recorder.next_kernel("b");
    rig.recorder.begin_step(1, "exec");
    rig.site(Site::kRebootIommu);
    rig.work();
    rig.site(Site::kKexecJump);
    rig.work();
    rig.site(Site::kKernelEntry);
    rig.recorder.end_step();
    const auto trace = rig.finish();
    CHECK(faults_of_trace(trace).empty());
    CHECK(trace_names(trace, "B") == Names{"step 1: boot", "kernel a", "P9 early boot", "P10 memory map", "P13 restore",
                                           "step 2: exec", "kernel a", "P5 IOMMU off", "no kernel", "P6 relocation",
                                           "kernel b", "P9 early boot"});
    std::vector<u64> hops;
    for (const auto& e : trace_events(trace, "B"))
        if (e.contains("args") && e["args"].contains("hop")) hops.push_back(e["args"]["hop"]);
    CHECK(hops == std::vector<u64>{0, 0, 0, 1, 1, 1});
}

TEST_CASE("timeline: what passes before the first point of a step belongs to the phase before") {
    Rig rig;
    rig.recorder.begin_step(0, "boot");
    rig.site(Site::kKernelEntry);
    rig.recorder.end_step();
    rig.recorder.begin_step(1, "alloc");  // no point is announced
    rig.work(5000);
    rig.recorder.end_step();
    rig.recorder.begin_step(2, "load");
    rig.work(5000);
    rig.site(Site::kLoadBegin);
    rig.recorder.end_step();
    const auto trace = rig.finish();
    CHECK(faults_of_trace(trace).empty());
    const auto begins = trace_events(trace, "B");
    CHECK(trace_names(trace, "B") == Names{"step 1: boot", "kernel kernel", "P9 early boot", "step 2: alloc",
                                           "kernel kernel", "P9 early boot", "step 3: load", "kernel kernel",
                                           "P9 early boot", "P0 load"});
    CHECK(begins[8].at("ts") == begins[6].at("ts"));
    CHECK(begins[9].at("ts") > begins[8].at("ts"));
}

TEST_CASE("timeline: a point announced over and over is one slice with a count") {
    for (const u64 count : {TimelineRecorder::kInstantsMax, TimelineRecorder::kInstantsMax + 1}) {
        Rig rig;
        rig.site(Site::kKexecJump);
        for (u64 i = 0; i < count; ++i) {
            rig.work();
            rig.site(Site::kRelocatePage);
        }
        rig.site(Site::kRelocateDone);
        const auto trace = rig.finish();
        CHECK(faults_of_trace(trace).empty());
        const Names instants = trace_names(trace, "i");
        const auto slice = trace_events(trace, "B").back();
        if (count == TimelineRecorder::kInstantsMax) {
            CHECK(std::ranges::count(instants, "relocate.page") == static_cast<long>(count));
            CHECK(slice.at("name") == "P6 relocation");
        } else {
            CHECK(instants == Names{"kexec.jump", "relocate.done"});
            CHECK(slice.at("name") == "relocate.page x 9");
            CHECK(slice.at("args") == nlohmann::json{{"count", 9}, {"first", 1}, {"last", 9}});
        }
    }
}

TEST_CASE("timeline: points beyond the limit are counted, not kept") {
    Rig rig;
    rig.site(Site::kKexecJump);
    for (u64 i = 0; i < TimelineRecorder::kPointsMax; ++i)
        rig.site(i % 2 == 0 ? Site::kRelocatePage : Site::kRelocateStart);
    const auto trace = rig.finish();
    CHECK(trace.at("otherData").at("events_left_out") == 1);
    CHECK(trace_events(trace, "i").size() == TimelineRecorder::kPointsMax);
}

TEST_CASE("timeline: frames are counted by owner, and add up to RAM") {
    Rig rig;
    rig.site(Site::kKernelEntry);
    for (u64 i = 0; i < 3 * TimelineRecorder::kSamplesMax; ++i) {
        rig.own(i * kFrameSize, kFrameSize, i % 3 == 0 ? Owner::kFree : Owner::kKernel);
        rig.work(100'000);
    }
    const auto samples = trace_events(rig.finish(), "C");
    CHECK(samples.size() > TimelineRecorder::kSamplesMax / 4);
    CHECK(samples.size() <= TimelineRecorder::kSamplesMax);
    for (const auto& sample : samples) {
        u64 sum = 0;
        for (const auto& [owner, frames] : sample.at("args").items()) sum += frames.get<u64>();
        CHECK(sum == kRam / kFrameSize);
    }
    CHECK(samples.back().at("args").at("kernel").get<u64>() > samples.front().at("args").at("kernel").get<u64>());
    CHECK_FALSE(samples.back().at("args").contains("user"));
}

TEST_CASE("timeline: a write is an arrow from its posting to what it hit") {
    Rig rig;
    using enum DmaEvent::Kind;
    rig.recorder.dma(write_event(kPosted, 1, 100));
    rig.recorder.dma(write_event(kPosted, 2, 200));
    DmaEvent bad = write_event(kDelivered, 1, 300);
    bad.forbidden = true;
    rig.recorder.dma(bad);
    rig.recorder.dma(write_event(kPosted, 3, 300, 1));
    rig.recorder.dma(write_event(kBlocked, 2, 400));
    rig.recorder.dma(write_event(kPosted, 4, 500));
    rig.recorder.dma(write_event(kDelivered, 99, 600));  // of a write that nobody saw posted
    rig.recorder.race({.time_ns = 600, .dma_id = 1, .id = "R1", .text = "a write after the IOMMU went off"});
    const auto trace = rig.finish();
    CHECK(faults_of_trace(trace).empty());
    CHECK(trace_events(trace, "s").size() == 2);
    CHECK(trace_events(trace, "f").size() == 2);
    CHECK(trace_events(trace, "s")[0].at("ts") == 0.1);
    CHECK(trace_events(trace, "f")[0].at("ts") == 0.3);

    Names tracks;
    for (const auto& e : trace_events(trace, "M"))
        if (e.at("name") == "thread_name") tracks.push_back(e.at("args").at("name"));
    CHECK(tracks == Names{"CPU 0", "kernel log", "frames", "nic", "nic #2", "memory", "disk", "not delivered"});
    std::size_t red = 0;
    for (const auto& e : trace_events(trace, "B")) {
        const bool forbidden = e.at("name") == "FORBIDDEN write to preserved";
        CHECK(e.contains("cname") == forbidden);
        if (forbidden) CHECK(e.at("args").at("range") == "0x1000..0x103f");
        red += forbidden ? 1 : 0;
    }
    CHECK(red == 1);
    CHECK(trace_names(trace, "i") == Names{"race R1"});
    Names outcomes;
    for (const auto& e : trace_events(trace, "E"))
        if (e.contains("args")) outcomes.push_back(e.at("args").at("outcome"));
    CHECK(outcomes == Names{"delivered", "blocked", "still under way", "still under way"});
}

TEST_CASE("timeline: a clock that goes back shows at the last time; another machine goes on after it") {
    Rig rig;
    rig.recorder.begin_step(0, "boot");
    rig.work(100'000);
    rig.site(Site::kKernelEntry);
    const u64 reached = rig.ledger.now_ns();
    rig.ledger.restore(Ledger(generic_profile()).snapshot());
    rig.site(Site::kBootMemmap);
    CHECK(faults_of_trace(nlohmann::json::parse(chrome_trace({rig.recorder.finish()}))).empty());

    Rig two;
    two.work(100'000);
    two.site(Site::kKernelEntry);
    Ledger second(generic_profile());
    two.recorder.attach(two.owners, second, kRam);
    second.at(Site::kKernelEntry);
    second.charge(Work::kBytesCopied, 100'000);
    two.recorder.site(Site::kBootMemmap, 1, 0, 0, second.now_ns());
    const auto trace = two.finish();
    CHECK(faults_of_trace(trace).empty());
    CHECK(trace_events(trace, "i").back().at("ts") == static_cast<double>(2 * reached) / 1000);
}

TEST_CASE("timeline: names may be anything; runs have processes of their own; equal runs have equal bytes") {
    const auto make = [] {
        Rig rig;
        rig.recorder.next_kernel("\xff\"</script>\n");
        rig.recorder.begin_step(0, "boot");
        rig.site(Site::kKernelEntry);
        rig.recorder.log(LogLevel::kError, "\xc3\x28 \"quoted\"", rig.ledger.now_ns());
        rig.recorder.dma(write_event(DmaEvent::Kind::kPosted, 1, 100));
        rig.recorder.dma(write_event(DmaEvent::Kind::kDelivered, 1, 100));
        return rig.recorder.finish();
    };
    const std::string text = chrome_trace({make(), make()});
    CHECK(text == chrome_trace({make(), make()}));
    const auto trace = nlohmann::json::parse(text);
    CHECK(faults_of_trace(trace).empty());
    std::set<int> pids, flows;
    for (const auto& e : trace.at("traceEvents")) pids.insert(e.at("pid").get<int>());
    for (const auto& e : trace_events(trace, "s")) flows.insert(e.at("id").get<int>());
    CHECK(pids == std::set<int>{1, 2, 3, 4, 5, 6});
    CHECK(flows.size() == 2);
}

TEST_CASE("timeline: the check of a trace finds what it looks for") {
    const auto faults = [](const char* events) {
        return faults_of_trace(nlohmann::json::parse(std::string(R"({"traceEvents": [
            {"ph": "M", "pid": 1, "tid": 1, "name": "thread_name", "args": {"name": "t"}},)") +
                                                     events + "]}"))
            .size();
    };
    CHECK(faults(R"({"ph":"B","pid":1,"tid":1,"ts":1},{"ph":"E","pid":1,"tid":1,"ts":1})") == 0);
    CHECK(faults(R"({"ph":"B","pid":1,"tid":1,"ts":1})") == 1);
    CHECK(faults(R"({"ph":"B","pid":1,"tid":1,"ts":2},{"ph":"E","pid":1,"tid":1,"ts":1})") == 1);
    CHECK(faults(R"({"ph":"C","pid":1,"tid":2,"ts":2})") == 1);
    CHECK(faults(R"({"ph":"B","pid":1,"tid":1,"ts":1},{"ph":"s","id":3,"pid":1,"tid":1,"ts":1},
                    {"ph":"E","pid":1,"tid":1,"ts":1})") == 1);
    CHECK(faults(R"({"ph":"E","pid":1,"tid":1,"ts":1},{"ph":"B","pid":1,"tid":1,"ts":1})") == 1);
}

}  // namespace
