// SPDX-License-Identifier: GPL-2.0-only
// How long a machine is dark, phase by phase: a grid of machines and preserved memory (docs/blackout.md).
//
// A cell of the grid is a handover that is really made, or, where that would take minutes or more memory than the host
// has, one computed from two smaller ones on the same machine (fit.hpp). Which of them is said in every report. The
// line is straight while all blocks come from one zone: on a machine of 4 GiB, 3 of them below the 4 GiB line, it would
// miss by a tenth, and kRunBytesMax is what such machines preserve.
#pragma once

#include <array>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "bench/blackout/counts.hpp"
#include "bench/blackout/handover.hpp"

namespace baton::blackout {

inline constexpr u64 kPreserveBytesMax = 64 * kGiB;  // of the default: half of RAM, at most this
inline constexpr u64 kRunBytesMax = 2 * kGiB;        // really preserved, unless asked for more
inline constexpr u64 kSampleBytes = 512 * kMiB;      // at least, in the larger of two handovers to compute from
inline constexpr u32 kOrderMax = 18;                 // 1 GiB with 4K pages: the largest huge page
inline constexpr u64 kHostBytesMax = 8 * kGiB;       // what allocating for one handover may touch of the host's memory

struct Request {
    std::vector<GeometryId> archs;
    std::vector<Generation> generations;
    std::vector<u64> memory_bytes;
    std::vector<u32> orders;
    std::optional<u64> preserve_bytes;  // nothing: the smaller of half of the RAM and kPreserveBytesMax
    u64 run_bytes_max = kRunBytesMax;
    u64 scratch_percent = 200;
    u64 initrd_bytes = 0;
    std::filesystem::path image_folder;
    std::function<void(std::size_t cell, std::size_t cells)> on_progress;
};

enum class How : u32 {
    kRun,         // the handover was made
    kComputed,    // from two that were
    kImpossible,  // the machine has no such blocks
    kFailed,      // a handover ended as it must not
};
struct HowInfo {
    How how;
    std::string_view name;
};
inline constexpr HowInfo kHows[] = {
    {How::kRun, "run"}, {How::kComputed, "computed"}, {How::kImpossible, "impossible"}, {How::kFailed, "failed"}};
constexpr const HowInfo& info(How how) { return kHows[static_cast<u32>(how)]; }

struct Cell {
    MachineSpec machine;
    Order order;
    u64 preserve_bytes = 0;  // a multiple of the block
    u64 blocks = 0;
    How how = How::kImpossible;
    std::array<u64, 2> computed_from{};  // blocks of the two handovers
    Counts counts;
    std::string message;  // of kImpossible and kFailed
    bool has_counts() const { return how == How::kRun || how == How::kComputed; }
};

/// Architectures outermost, then generations, memory, orders. Throws sim::ImageError for an image that cannot be used.
std::vector<Cell> run(const Request& request);

/// One cell: `machine` is made when there is none of that kind yet, and kept for the next one.
Cell run_cell(const Request& request, const MachineSpec& spec, Order order, std::optional<HandoverMachine>& machine);

}  // namespace baton::blackout
