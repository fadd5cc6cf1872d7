// SPDX-License-Identifier: GPL-2.0-only
#include "sim/ownership/races.hpp"

namespace baton::sim {

std::optional<Race> race_by_target(const WriteEvent& e) {
    const bool machine_code = e.phase <= Phase::kRelocation;
    switch (e.target) {
        case WriteTarget::kMovedImage: return e.mapped ? Race::kF8 : Race::kF5;
        case WriteTarget::kPurgatory: return e.mapped ? Race::kF6 : Race::kF3;
        case WriteTarget::kCopiedSegment: return e.mapped ? Race::kF6 : Race::kF4;
        case WriteTarget::kHashedSegment: return e.mapped ? Race::kF6 : Race::kF5;
        case WriteTarget::kInitrd: return e.mapped ? Race::kF6 : Race::kF12;
        case WriteTarget::kMetadata: return Race::kF13;
        case WriteTarget::kEarlyMemory: return Race::kF10;
        case WriteTarget::kPlain:
        case WriteTarget::kCount: break;
    }
    switch (e.owner) {
        case Owner::kImageSource:
            if (machine_code && !e.copied) return Race::kF1;
            break;
        case Owner::kImageList:
            if (machine_code) return Race::kF2;
            break;
        case Owner::kControl:
        case Owner::kPageTables:
            if (e.phase <= Phase::kPurgatory) return Race::kF3;
            break;
        case Owner::kHandoverMetadata: return Race::kF13;
        case Owner::kPreserved:
        case Owner::kHandedOver: return Race::kF14;
        default: break;
    }
    return std::nullopt;
}

std::optional<Race> race_by_cause(const WriteEvent& e) {
    if (e.stale_translation && !e.iommu_on)
        return e.phase >= Phase::kInitcalls ? Race::kB3 : e.isa == Isa::kX86_64 ? Race::kB1 : Race::kB2;
    if (e.origin == DmaOrigin::kCompletion && !e.mapped && !e.older_kernel) return Race::kM4;
    if (e.origin == DmaOrigin::kWithdrawn && !e.mapped) return Race::kM3;
    // An inherited device, too: its mapping ends when the next kernel frees the memory.
    if (e.was_mapped && (!e.older_kernel || e.kind == device::Kind::kAssigned)) return Race::kA1;
    if (e.kind == device::Kind::kAssigned && e.lost_at_kexec) return e.listed ? Race::kC2 : Race::kA7;
    if (e.mapped && e.in_scratch && e.target != WriteTarget::kPlain) return Race::kC4;
    if (!e.bus_master_then) return Race::kA2;
    if (e.older_kernel && e.bus_master_was_off) return Race::kA4;
    if (e.older_then && e.kind != device::Kind::kAssigned) return Race::kA5;
    // Sent while it was allowed, arrived when it no longer was.
    if (!e.bus_master_since) return Race::kA3;
    if (e.older_kernel && e.kind != device::Kind::kAssigned) return Race::kA5;
    return std::nullopt;
}

}  // namespace baton::sim
