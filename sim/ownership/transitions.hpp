// SPDX-License-Identifier: GPL-2.0-only
// The legal changes of owner, and in which phases each can happen (architecture §7, docs/ownership.md).
//
// A new owner needs its rows here; what has none is a fault. Leaving a kernel is no row: the machine itself takes
// everything from a kernel that is gone, but for what is handed over (Machine::change_kernel).
#pragma once

#include <array>
#include <string_view>

#include "model/owner.hpp"
#include "model/phase.hpp"

namespace baton::sim {

/// One bit a phase.
using PhaseSet = u32;
template <class... P>
constexpr PhaseSet phases(P... p) {
    return ((PhaseSet{1} << static_cast<u32>(p)) | ...);
}
constexpr bool has_phase(PhaseSet set, Phase p) { return (set >> static_cast<u32>(p) & 1) != 0; }

/// memblock serves: from the first line of a kernel until its page allocator is up.
inline constexpr PhaseSet kEarly = phases(Phase::kEarlyBoot, Phase::kMemoryMap);
/// The page allocator serves. It comes up in P10, so that phase is in both.
inline constexpr PhaseSet kServing =
    phases(Phase::kLoad, Phase::kSerialise, Phase::kNotifiers, Phase::kDeviceShutdown, Phase::kStopCpus,
           Phase::kIommuOff, Phase::kMemoryMap, Phase::kInitcalls, Phase::kDeviceProbe, Phase::kRestore);
/// A kernel is up and is asked for things. It can be asked anything in any of them: phases are those of a hop, and a
/// command between two hops is in the phase of the last point that was passed.
inline constexpr PhaseSet kAsked = kServing & ~phases(Phase::kMemoryMap);

/// kho_init. Where the root FDT exists from then on (7.0), it is preserved first, and preserving is P0's.
inline constexpr PhaseSet kKhoInit = phases(Phase::kLoad, Phase::kInitcalls);

struct Transition {
    Owner from;
    Owner to;
    PhaseSet phases;
    std::string_view when;
};

inline constexpr Transition kTransitions[] = {
    {Owner::kNobody, Owner::kKernelImage, phases(Phase::kEarlyBoot), "a kernel's first line: its own image"},
    {Owner::kNobody, Owner::kFirmware, kEarly, "boot data that stays: the device tree"},
    {Owner::kNobody, Owner::kPageTables, kEarly, "tables of the direct map and the image, from memblock"},
    {Owner::kNobody, Owner::kKernel, kEarly, "an early allocation"},
    {Owner::kKernel, Owner::kNobody, kEarly, "an early allocation given back to memblock"},
    {Owner::kNobody, Owner::kUser, kEarly, "a reserve_mem region"},
    {Owner::kNobody, Owner::kScratch, kEarly, "a scratch area is chosen (cold boot)"},
    {Owner::kScratch, Owner::kNobody, kEarly, "not all areas could be had: KHO goes without"},
    {Owner::kScratch, Owner::kFree, kKhoInit, "scratch becomes CMA (kho_init, cold boot)"},
    {Owner::kScratch, Owner::kKernel, kKhoInit, "kho_init failed: scratch is ordinary memory, then free"},
    {Owner::kNobody, Owner::kFree, kServing, "free_all, deferred pages, a memory block that comes online"},
    {Owner::kFree, Owner::kNobody, kAsked, "a memory block goes offline"},
    {Owner::kFree, Owner::kKernel, kServing, "the page allocator hands out"},
    {Owner::kFree, Owner::kUser, kServing, "the page allocator hands out"},
    {Owner::kKernel, Owner::kFree, kServing, "and takes back"},
    {Owner::kUser, Owner::kFree, kServing, "and takes back"},
    {Owner::kKernel, Owner::kPageTables, kAsked, "a table of the vmalloc range; of the kexec transition (x86-64)"},
    {Owner::kPageTables, Owner::kKernel, kAsked, "before it is freed"},
    {Owner::kKernel, Owner::kImageSource, phases(Phase::kLoad), "kexec_file_load: a page of a segment"},
    {Owner::kImageSource, Owner::kImageList, phases(Phase::kLoad), "kexec_file_load: a page of entries"},
    {Owner::kKernel, Owner::kControl, phases(Phase::kLoad), "kexec_file_load: code, swap page, tables"},
    {Owner::kImageSource, Owner::kKernel, kAsked, "the image is replaced or unloaded"},
    {Owner::kImageList, Owner::kKernel, kAsked, "the image is replaced or unloaded"},
    {Owner::kControl, Owner::kKernel, kAsked, "the image is replaced or unloaded"},
    {Owner::kKernel, Owner::kHandoverMetadata, kAsked, "a page of KHO's own"},
    {Owner::kHandoverMetadata, Owner::kKernel, kAsked, "before it is freed"},
    {Owner::kKernel, Owner::kDma, kAsked, "a driver maps pages of its own for a device"},
    {Owner::kDma, Owner::kKernel, kAsked, "and takes them back"},
    {Owner::kKernel, Owner::kPreserved, kAsked, "preserve"},
    {Owner::kUser, Owner::kPreserved, kAsked, "preserve"},
    {Owner::kHandoverMetadata, Owner::kPreserved, kAsked, "preserve: the root FDT, a blob"},
    {Owner::kPreserved, Owner::kKernel, kAsked, "unpreserve, in the kernel that preserved it"},
    {Owner::kPreserved, Owner::kUser, kAsked, "unpreserve, in the kernel that preserved it"},
    {Owner::kPreserved, Owner::kHandoverMetadata, kAsked, "unpreserve: the root FDT, a blob"},
    {Owner::kPreserved, Owner::kHandedOver, phases(Phase::kMemoryMap), "the next kernel finds it in the tracker"},
    {Owner::kHandedOver, Owner::kUser, kAsked, "restore: only after a kexec"},
    {Owner::kHandedOver, Owner::kHandoverMetadata, phases(Phase::kMemoryMap), "restore of the incoming root FDT"},
    {Owner::kHandedOver, Owner::kPreserved, kAsked, "a revived reserve_mem region is preserved again"},
    {Owner::kPreserved, Owner::kHandedOver, kAsked, "and is not, after all"},
};

/// By both owners: the phases in which it is legal.
inline constexpr auto kLegal = [] {
    std::array<std::array<PhaseSet, static_cast<u32>(Owner::kCount)>, static_cast<u32>(Owner::kCount)> legal{};
    for (const Transition& t : kTransitions) legal[static_cast<u32>(t.from)][static_cast<u32>(t.to)] |= t.phases;
    return legal;
}();

constexpr PhaseSet legal_phases(Owner from, Owner to) { return kLegal[static_cast<u32>(from)][static_cast<u32>(to)]; }

}  // namespace baton::sim
