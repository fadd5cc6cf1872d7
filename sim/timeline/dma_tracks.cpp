// SPDX-License-Identifier: GPL-2.0-only
#include "sim/timeline/dma_tracks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace baton::sim {
namespace {

using Kind = TimelineEvent::Kind;

/// Also of a range that wraps: devices can be told any address.
std::string range_words(const PhysRange& r) {
    return fmt::format("{:#x}..{:#x}", r.start.value, r.size == 0 ? r.start.value : r.start.value + (r.size - 1));
}

std::string hit_words(const DmaEvent& e) {
    const std::string_view forbidden = e.forbidden ? "FORBIDDEN " : "";
    switch (e.kind) {
        case DmaEvent::Kind::kPosted:
        case DmaEvent::Kind::kDelivered: return fmt::format("{}write to {}", forbidden, name(e.owner));
        case DmaEvent::Kind::kBlocked: return "write blocked by the IOMMU";
        case DmaEvent::Kind::kDropped: return "write dropped";
    }
    return {};
}

std::string_view outcome_words(DmaEvent::Kind kind) {
    constexpr std::string_view kWords[] = {"posted", "delivered", "blocked", "dropped"};
    return kWords[static_cast<u32>(kind)];
}

}  // namespace

TimelineEvent& DmaTracks::emit(Kind kind, u32 track, u64 time_ns, std::string name) {
    TimelineEvent& e = to_.events.emplace_back();
    e.kind = kind;
    e.track = track;
    e.time_ns = time_ns;
    e.name = std::move(name);
    return e;
}

u32 DmaTracks::track(std::string name) {
    const auto [it, made] = memory_tracks_.try_emplace(std::move(name), static_cast<u32>(to_.tracks.size()));
    if (made) to_.tracks.push_back({TimelineProcess::kMemory, it->first});
    return it->second;
}

// The first track of the device on which nothing is under way.
u32 DmaTracks::free_lane(const DmaEvent& e) {
    std::vector<Lane>& lanes = lanes_[e.device];
    const auto found = std::ranges::find(lanes, false, &Lane::busy);
    if (found != lanes.end()) {
        found->busy = true;
        return found->track;
    }
    const u32 track = static_cast<u32>(to_.tracks.size());
    const std::string number = lanes.empty() ? "" : fmt::format(" #{}", lanes.size() + 1);
    to_.tracks.push_back({TimelineProcess::kDevices, e.device_name + number});
    lanes.push_back({track, true});
    return track;
}

void DmaTracks::post(const DmaEvent& e, u64 time_ns) {
    if (const auto old = under_way_.find(e.id); old != under_way_.end()) {
        close(old->second, "posted again", time_ns);
        under_way_.erase(old);
    }
    const Write write{free_lane(e), time_ns};
    under_way_[e.id] = write;
    TimelineEvent& begin = emit(Kind::kBegin, write.track, time_ns, "write");
    begin.words = {{"target", range_words(e.target)}};
    begin.numbers = {{"id", e.id}, {"bytes", e.target.size}};
}

void DmaTracks::close(const Write& write, std::string outcome, u64 time_ns) {
    emit(Kind::kEnd, write.track, time_ns).words = {{"outcome", std::move(outcome)}};
    for (auto& [device, lanes] : lanes_)
        for (Lane& lane : lanes)
            if (lane.track == write.track) lane.busy = false;
}

void DmaTracks::arrive(const DmaEvent& e, u64 time_ns) {
    const u32 hit = track(e.kind == DmaEvent::Kind::kDelivered ? "memory" : "not delivered");
    TimelineEvent& begin = emit(Kind::kBegin, hit, time_ns, hit_words(e));
    begin.bad = e.forbidden;
    begin.words = {{"range", range_words(e.target)}, {"owner", std::string(name(e.owner))}, {"device", e.device_name}};
    begin.numbers = {{"id", e.id}, {"bytes", e.target.size}};
    if (const auto write = under_way_.find(e.id); write != under_way_.end()) {
        ++flows_;
        emit(Kind::kFlowStart, write->second.track, write->second.posted_ns, "dma").flow = flows_;
        emit(Kind::kFlowEnd, hit, time_ns, "dma").flow = flows_;
        close(write->second, std::string(outcome_words(e.kind)), time_ns);
        under_way_.erase(write);
    }
    emit(Kind::kEnd, hit, time_ns);
}

void DmaTracks::dma(const DmaEvent& e, u64 time_ns) {
    const bool posted = e.kind == DmaEvent::Kind::kPosted;
    // What is under way is followed to its end, and what is forbidden is what this is about.
    const u64 most = e.forbidden ? 2 * kWritesMax : kWritesMax;
    if (writes_ >= most && (posted || !under_way_.contains(e.id))) {
        ++to_.left_out;
        return;
    }
    ++writes_;
    posted ? post(e, time_ns) : arrive(e, time_ns);
}

void DmaTracks::race(const RaceEvent& e, u64 time_ns) {
    if (writes_ >= 2 * kWritesMax) {
        ++to_.left_out;
        return;
    }
    ++writes_;
    TimelineEvent& instant = emit(Kind::kInstant, track("memory"), time_ns, "race " + e.id);
    instant.bad = true;
    instant.words = {{"what", e.text}};
    instant.numbers = {{"write", e.dma_id}};
}

void DmaTracks::finish(u64 time_ns) {
    for (const auto& [id, write] : under_way_) close(write, "still under way", time_ns);
    under_way_.clear();
}

}  // namespace baton::sim
