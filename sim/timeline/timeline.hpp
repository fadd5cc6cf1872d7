// SPDX-License-Identifier: GPL-2.0-only
// A run along its schedule time, as plain data: what a recorder makes and a writer turns into a file.
//
// Slices of one track nest: each end closes the last begin of its track that is still open. The events of a track stand
// in the order in which they happened; those of one time in the order in which they are to be read.
#pragma once

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "model/owner.hpp"

namespace baton::sim {

/// Tracks are shown below the process they belong to.
enum class TimelineProcess : u32 { kMachine, kDevices, kMemory, kCount };

struct TimelineTrack {
    TimelineProcess process = TimelineProcess::kMachine;
    std::string name;
};

struct TimelineEvent {
    enum class Kind : u8 { kBegin, kEnd, kInstant, kFlowStart, kFlowEnd, kFrames } kind = Kind::kInstant;
    u32 track = 0;  // index into Timeline::tracks
    u64 time_ns = 0;
    std::string name;  // of slices and instants
    u64 flow = 0;      // of flows: the same at both ends
    bool bad = false;  // to be seen at once
    std::vector<std::pair<std::string, std::string>> words;
    std::vector<std::pair<std::string, u64>> numbers;  // of kFrames: frames of each owner
};

struct Timeline {
    std::string name;  // of the run
    std::vector<TimelineTrack> tracks;
    std::vector<TimelineEvent> events;  // by time
    u64 left_out = 0;                   // schedule points, log lines and writes beyond what is kept
};

/// All runs as one document in Chrome's trace event format (JSON), which Perfetto opens: every run has process ids of
/// its own, times are microseconds. The bytes depend on the runs alone.
std::string chrome_trace(const std::vector<Timeline>& runs);

}  // namespace baton::sim
