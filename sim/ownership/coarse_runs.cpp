// SPDX-License-Identifier: GPL-2.0-only
#include "sim/ownership/coarse_runs.hpp"

#include <algorithm>

namespace baton::sim {
namespace {

struct Weighed {
    OwnedRun run;
    u64 weight = 0;  // of the owner that stands for the run
};

u64 weight_of(const OwnedRun& run) {
    const bool handover = run.owner == Owner::kPreserved || run.owner == Owner::kHandoverMetadata;
    return (run.range.size >> kFrameShift) * (handover ? kHandoverWeight : 1);
}

}  // namespace

std::vector<OwnedRun> coarse_runs(std::vector<OwnedRun> runs, std::size_t runs_max) {
    runs_max = std::max<std::size_t>(runs_max, 1);
    // Twice as coarse each time: what lies within `grain` of another, and is no larger itself, becomes part of it.
    for (u64 grain = 2 * kFrameSize; runs.size() > runs_max; grain *= 2) {
        std::vector<Weighed> merged;
        for (const OwnedRun& run : runs) {
            Weighed* last = merged.empty() ? nullptr : &merged.back();
            const bool near = last != nullptr && run.range.start - last->run.range.end() < grain;
            if (!near || (last->run.owner != run.owner && std::min(last->run.range.size, run.range.size) >= grain)) {
                merged.push_back({run, weight_of(run)});
                continue;
            }
            last->run.range.size = run.range.end() - last->run.range.start;
            if (weight_of(run) > last->weight) {
                last->run.owner = run.owner;
                last->weight = weight_of(run);
            }
        }
        runs.clear();
        for (const Weighed& w : merged) runs.push_back(w.run);
    }
    return runs;
}

}  // namespace baton::sim
