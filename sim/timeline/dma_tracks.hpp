// SPDX-License-Identifier: GPL-2.0-only
// Writes of bus masters on a timeline: a slice on the device's track while a write is under way, one of no length on
// the track of what it came to, and an arrow between them. A device that has several writes under way has several
// tracks.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "sim/observer.hpp"
#include "sim/timeline/timeline.hpp"

namespace baton::sim {

class DmaTracks {
public:
    explicit DmaTracks(Timeline& to) : to_(to) {}

    void dma(const DmaEvent& event, u64 time_ns);
    void race(const RaceEvent& event, u64 time_ns);
    /// Writes still under way end here.
    void finish(u64 time_ns);

    static constexpr u64 kWritesMax = 20'000;

private:
    struct Write {
        u32 track = 0;
        u64 posted_ns = 0;
    };
    struct Lane {
        u32 track = 0;
        bool busy = false;
    };

    void post(const DmaEvent& event, u64 time_ns);
    void arrive(const DmaEvent& event, u64 time_ns);
    void close(const Write& write, std::string outcome, u64 time_ns);
    u32 free_lane(const DmaEvent& event);
    u32 track(std::string name);
    TimelineEvent& emit(TimelineEvent::Kind kind, u32 track, u64 time_ns, std::string name = {});

    Timeline& to_;
    std::map<u32, std::vector<Lane>> lanes_;  // of each device
    std::map<u64, Write> under_way_;
    std::map<std::string, u32> memory_tracks_;
    u64 writes_ = 0;
    u64 flows_ = 0;
};

}  // namespace baton::sim
