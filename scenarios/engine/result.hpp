// SPDX-License-Identifier: GPL-2.0-only
// What a run of one cell leaves for the reports: plain data, no pointers into the machine.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "model/phase.hpp"
#include "model/types.hpp"
#include "model/work.hpp"
#include "scenarios/engine/scenario.hpp"
#include "scenarios/engine/verdict.hpp"
#include "sim/machine.hpp"
#include "sim/ownership/ownership_map.hpp"
#include "sim/timeline/timeline.hpp"

namespace baton::scenarios {

/// One thing that is wrong.
struct Finding {
    u32 step = 0;        // index into Scenario::steps
    Place place;         // of the step, or of the expectation, in the scenario file
    std::string what;    // "oops is not intact"
    std::string detail;  // "byte 0x1fc00123 is 0x00, was 0x5a; owner: preserved"
};

/// Work of one phase, summed over all hops; phases in which nothing happened are not in the list.
struct PhaseWork {
    Phase phase = Phase::kLoad;
    std::array<u64, kWorkCount> work{};
    u64 time_ns = 0;  // by the platform profile
};

/// One segment of an image that was handed over.
struct SegmentReport {
    std::string name;  // "scratch array", "purgatory", "boot params", "device tree", "kernel", "initrd", or "segment 3"
    PhysRange destination;
    u64 content_bytes = 0;  // the rest is zero
};

/// One subtree of the root FDT.
struct SubtreeReport {
    std::string name;
    PhysAddr blob;
};

/// One exec: what was handed over, and where it landed.
struct Hop {
    u32 step = 0;      // the exec
    std::string from;  // kernel names
    std::string to;
    bool arrived = false;   // the next kernel took commands
    bool kho_boot = false;  // and it accepted the handover
    bool lost = false;      // handed-over memory changed, or was nobody's
    u64 blocks = 0;         // preserved
    u64 pages = 0;
    u64 bytes = 0;
    PhysAddr fdt;  // 0 = no handover data
    std::vector<SubtreeReport> subtrees;
    std::vector<PhysRange> scratch;
    std::vector<SegmentReport> segments;
    std::vector<PhaseWork> phases;  // the old kernel's since the hop before, the new one's until the next
    std::vector<sim::OwnedRun>
        before;  // at the jump, at most kOwnerRunsMax; only if asked for (RunOptions::memory_maps)
    std::vector<sim::OwnedRun> after;  // when the next kernel was up, or gone
};
inline constexpr std::size_t kOwnerRunsMax = 4096;

/// One step, as far as it was played.
struct StepReport {
    u32 step = 0;      // index
    std::string name;  // "kexec_file_load"
    Place place;
    u64 time_ns = 0;  // of the ledger; of one that ended at a break for good 0
};

struct LogLine {
    u32 step = 0;
    std::string kernel;  // name of the image that runs
    std::string level;   // "error", "warn", "info", "debug"
    std::string text;
    u64 time_ns = 0;
};

struct RunResult {
    std::string scenario;  // file, as given
    std::string title;
    Cell cell;
    Verdict verdict = Verdict::kInternal;
    std::optional<Ending> ending;  // with kFail: a kernel ended that should not have
    std::optional<Errno> error;    // with kFail: a command failed that should not have
    std::string message;           // with kSkipped, kBadInput, kInternal: what stood in the way
    std::string state_hash;        // 32 hexadecimal digits (D32)
    std::string handover_hash;     // of the last hop (D4); empty: none
    std::string sequence_hash;     // of every schedule point passed, in order, with its ledger time (D6)
    std::vector<Finding> findings;
    std::vector<sim::ForbiddenWrite> races;  // expected or not, each kind once a step
    std::vector<PhaseWork> phases;           // in the order of the phases
    std::vector<Hop> hops;
    std::vector<std::string> verified;  // "oops: 4 MiB intact at 0x1fc00000"
    std::string profile;                // of the times
    std::string next;                   // the one thing to look at
    std::string saved;                  // file of the saved machine (--save-on-fail)
    std::string crash;                  // of a guest: registers, backtrace, page walk, code around; several lines
    std::vector<LogLine> log;
    u32 steps_done = 0;
    std::vector<StepReport> steps;  // in the order in which they began
    std::vector<PhysRange> ram;     // of the last machine

    // Only if asked for: RunRequest::timeline, RunRequest::illustrated.
    std::optional<sim::Timeline> timeline;
    std::string source;  // the scenario file's text

    Exit exit_code() const { return info(verdict).exit; }
    /// "pass", "fail", … or the name of the ending that made it fail: "hang", "panic", …
    std::string_view verdict_name() const {
        return verdict == Verdict::kFail && ending ? info(*ending).name : info(verdict).name;
    }
};

/// Zero-padded hexadecimal with 0x, as addresses are written in every report.
std::string hex(PhysAddr address);
/// "4 MiB", "12 KiB", "37 B": the largest unit that divides the size.
std::string size_text(u64 bytes);

}  // namespace baton::scenarios
