// SPDX-License-Identifier: GPL-2.0-only
// Which race of the catalogue a forbidden write is (specs/iommu.md §9), from the event alone.
//
// Two questions: why could the device still write there (A, B, C, M), and what did it hit (F). Both answers are kept;
// what was hit names the race where the catalogue has a name for it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "model/drivers/registers.hpp"
#include "model/owner.hpp"
#include "model/phase.hpp"
#include "sim/devices/device.hpp"

namespace baton::sim {

enum class Race : u32 {
    kA1,
    kA2,
    kA3,
    kA4,
    kA5,
    kA7,
    kB1,
    kB2,
    kB3,
    kC2,
    kC4,
    kM3,
    kM4,
    kF1,
    kF2,
    kF3,
    kF4,
    kF5,
    kF6,
    kF8,
    kF10,
    kF12,
    kF13,
    kF14,
    kCount,
};

struct RaceInfo {
    Race race;
    std::string_view id;
    std::string_view title;
    std::string_view prevention;
};
inline constexpr RaceInfo kRaces[] = {
    {Race::kA1, "A1", "in-flight DMA to a buffer that was freed", "quiesce the device before its buffers are freed"},
    {Race::kA2, "A2", "device without a shutdown handler", "a shutdown handler, or an IOMMU that blocks"},
    {Race::kA3, "A3", "bus mastering cleared with posted writes on the way",
     "wait for pending transactions, read back"},
    {Race::kA4, "A4", "bus mastering enabled again with old state", "reset before bus mastering goes on"},
    {Race::kA5, "A5", "device that shutdown never came to", "an IOMMU that blocks"},
    {Race::kA7, "A7", "device of a virtual machine that nobody stopped", "reset it, or hand its memory over"},
    {Race::kB1, "B1", "translation off: a bus address is taken for a physical one", "block everything instead of off"},
    {Race::kB2, "B2", "SMMU off and bypassing: a bus address is taken for a physical one", "GBPA.ABORT before"},
    {Race::kB3, "B3", "the new kernel finds translation on and turns it off", "adopt the tables"},
    {Race::kC2, "C2", "tables kept, the memory they map not preserved", "preserve all that is mapped"},
    {Race::kC4, "C4", "preserved frame in scratch", "never pin memory in scratch"},
    {Race::kM3, "M3", "descriptors fetched ahead of their withdrawal", "a queue-disable handshake"},
    {Race::kM4, "M4", "late completion record", "disable, then wait for completions"},
    {Race::kF1, "F1", "source page of the loaded image", "quiesce, or verify right before exec"},
    {Race::kF2, "F2", "entry list of the loaded image", "quiesce; a checksum over the list"},
    {Race::kF3, "F3", "control page, page tables or purgatory", "quiesce before the jump"},
    {Race::kF4, "F4", "destination after its copy, before the digest", "stop every device before relocation"},
    {Race::kF5, "F5", "destination after the digest", "stop every device before relocation"},
    {Race::kF6, "F6", "destination that is a live DMA target", "place segments where no DMA may go"},
    {Race::kF8, "F8", "KASLR moved the image over a live DMA target", "KASLR in scratch only"},
    {Race::kF10, "F10", "early allocation on frames still written", "early allocations in scratch only"},
    {Race::kF12, "F12", "initrd between digest and unpacking", "stop every device before relocation"},
    {Race::kF13, "F13", "handover metadata", "a checksum over metadata, used before it is believed"},
    {Race::kF14, "F14", "preserved data, by a straggler", "an IOMMU that blocks"},
};
static_assert(sizeof(kRaces) / sizeof(kRaces[0]) == static_cast<u32>(Race::kCount));
static_assert(
    [] {
        for (u32 i = 0; i < static_cast<u32>(Race::kCount); ++i)
            if (static_cast<u32>(kRaces[i].race) != i) return false;
        return true;
    }(),
    "rows of kRaces stand in the order of the enumerators");
constexpr const RaceInfo& info(Race r) { return kRaces[static_cast<u32>(r)]; }

/// What the frames that a write hits are part of, beside having an owner.
enum class WriteTarget : u32 {
    kPlain,
    kCopiedSegment,  // destination whose page is in place
    kHashedSegment,  // and whose digest was right, or nothing checks it
    kInitrd,         // likewise, of the initrd, until it is unpacked
    kPurgatory,      // in place, and not done
    kMovedImage,     // where KASLR put the kernel
    kMetadata,       // what the next kernel reads to find what is handed over, until it has
    kEarlyMemory,    // allocated by this kernel before its page allocator was up
    kCount,
};

/// Everything that a verdict on a write depends on.
struct WriteEvent {
    Isa isa = Isa::kX86_64;
    device::Kind kind = device::Kind::kNone;
    DmaOrigin origin = DmaOrigin::kData;
    Phase phase = Phase::kLoad;
    Owner owner = Owner::kNobody;
    WriteTarget target = WriteTarget::kPlain;
    bool mapped = false;             // a live mapping of this device covers it
    bool was_mapped = false;         // one did, and was taken back by its kernel
    bool lost_at_kexec = false;      // one did, of a kernel that is gone, over memory that it did not hand over
    bool copied = false;             // the source page's content is in its destination already
    bool listed = false;             // the IOMMU has an entry for it
    bool stale_translation = false;  // the IOMMU meant another address once
    bool iommu_on = false;
    bool bus_master_then = true;      // when it was sent
    bool bus_master_since = true;     // it has not gone off since
    bool bus_master_was_off = false;  // it was switched off, and on again by a later kernel
    bool older_kernel = false;        // the device was set going before the last kexec
    bool older_then = false;          // and it was sent after that
    bool in_scratch = false;
};

/// What was hit, if the catalogue has a name for it.
std::optional<Race> race_by_target(const WriteEvent& e);
/// Why the device could write there.
std::optional<Race> race_by_cause(const WriteEvent& e);

}  // namespace baton::sim
