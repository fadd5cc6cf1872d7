// SPDX-License-Identifier: GPL-2.0-only
// Schedule points: every place where a device may act, a scenario may break or poke (architecture §3).
//
// `platform::at(Site)` announces one. Names, order and meaning are the same in all three targets; a schedule names
// "the k-th relocate.page". To add a site: one enumerator and one row here, one `at()` where it happens.
// `baton points` prints this table.
#pragma once

#include <string_view>

#include "model/phase.hpp"

namespace baton {

enum class Site : u32 {
    // load (P0)
    kLoadBegin,
    kLoadPlaced,
    kLoadControl,
    kLoadDigest,
    kLoadPage,
    kLoadEnd,
    // preserve and serialise (P0/P1)
    kKhoPreserve,
    kKhoUnpreserve,
    kKhoRadixNode,
    kKhoVmallocChunk,
    kKhoFinaliseBegin,
    kKhoSerialiseChunk,
    kKhoSerialiseBitmap,
    kKhoFinaliseEnd,
    kKhoAbort,
    // reboot (P1…P5)
    kRebootBegin,
    kRebootNotifiers,
    kRebootDevices,
    kDeviceShutdown,
    kDeviceBusMasterOff,
    kRebootCpus,
    kRebootIommu,
    // machine code (P6…P8)
    kKexecJump,
    kRelocateStart,
    kRelocatePage,
    kRelocateDone,
    kPurgatoryStart,
    kPurgatoryRegion,
    kPurgatoryDone,
    kDecompress,
    kKaslrChoose,
    kKaslrCopy,
    kKernelEntry,
    // early boot (P9)
    kBootProtocol,
    kBootMemoryKnown,
    kKhoPopulateFdt,
    kKhoPopulateScratch,
    kBootReserve,
    kBootPaging,
    // memory map (P10)
    kBootMemmap,
    kKhoScratchReserve,
    kKhoDeserialiseChunk,
    kKhoDeserialiseNode,
    kKhoDeserialiseBlock,
    kBootFreeAll,
    // initcalls and after (P11…P13)
    kBootDeferred,
    kBootInitcalls,
    kIommuInit,
    kKhoInit,
    kReserveMem,
    kDeviceProbe,
    kDeviceBusMasterOn,
    kBootDone,
    kKhoRestore,
    // anywhere
    kMmMigrate,
    kMmIsolated,
    kDmaMap,
    kDmaUnmap,
    kMmio,
    kCount,
};

struct SiteInfo {
    Site site;
    std::string_view name;
    Phase phase;  // the phase that begins or goes on here
    std::string_view meaning;
};

inline constexpr SiteInfo kSites[] = {
    {Site::kLoadBegin, "kexec.load.begin", Phase::kLoad, "kexec_file_load starts; no image page allocated yet"},
    {Site::kLoadPlaced, "kexec.load.placed", Phase::kLoad, "all segments have a destination"},
    {Site::kLoadControl, "kexec.load.control", Phase::kLoad, "control pages and transition tables are built"},
    {Site::kLoadDigest, "kexec.load.digest", Phase::kLoad, "the digest of the segments is in the purgatory (x86-64)"},
    {Site::kLoadPage, "kexec.load.page", Phase::kLoad, "one source page was filled and entered in the list"},
    {Site::kLoadEnd, "kexec.load.end", Phase::kLoad, "the image is published"},
    {Site::kKhoPreserve, "kho.preserve", Phase::kLoad, "one block was marked as preserved"},
    {Site::kKhoUnpreserve, "kho.unpreserve", Phase::kLoad, "one block is no longer preserved"},
    {Site::kKhoRadixNode, "kho.radix.node", Phase::kLoad, "one node was linked into the radix tree"},
    {Site::kKhoVmallocChunk, "kho.vmalloc.chunk", Phase::kLoad, "one chunk of a vmalloc area was made and preserved"},
    {Site::kKhoFinaliseBegin, "kho.finalise.begin", Phase::kSerialise, "the root FDT is about to be written"},
    {Site::kKhoSerialiseChunk, "kho.serialise.chunk", Phase::kSerialise, "one chunk page was linked to the list"},
    {Site::kKhoSerialiseBitmap, "kho.serialise.bitmap", Phase::kSerialise, "one bitmap was entered in a chunk"},
    {Site::kKhoFinaliseEnd, "kho.finalise.end", Phase::kSerialise, "the handover data is complete"},
    {Site::kKhoAbort, "kho.abort", Phase::kSerialise, "the finalised state is taken back"},
    {Site::kRebootBegin, "reboot.begin", Phase::kSerialise, "reboot(KEXEC) holds the kexec lock"},
    {Site::kRebootNotifiers, "reboot.notifiers", Phase::kNotifiers, "reboot notifiers run"},
    {Site::kRebootDevices, "reboot.devices", Phase::kDeviceShutdown, "device_shutdown starts"},
    {Site::kDeviceShutdown, "device.shutdown", Phase::kDeviceShutdown, "the next device is shut down: slot, kind"},
    {Site::kDeviceBusMasterOff, "device.bus_master_off", Phase::kDeviceShutdown,
     "its bus mastering is off; what it has sent may still be on the way"},
    {Site::kRebootCpus, "reboot.cpus", Phase::kStopCpus, "the other CPUs are being stopped"},
    {Site::kRebootIommu, "reboot.iommu", Phase::kIommuOff, "IOMMU translation goes off (x86-64)"},
    {Site::kKexecJump, "kexec.jump", Phase::kRelocation, "the kernel is left for the relocation code"},
    {Site::kRelocateStart, "relocate.start", Phase::kRelocation, "first instruction under the kexec page tables"},
    {Site::kRelocatePage, "relocate.page", Phase::kRelocation, "one page is in its destination"},
    {Site::kRelocateDone, "relocate.done", Phase::kRelocation, "the entry list is finished"},
    {Site::kPurgatoryStart, "purgatory.start", Phase::kPurgatory, "the purgatory begins (x86-64)"},
    {Site::kPurgatoryRegion, "purgatory.region", Phase::kPurgatory, "one region was hashed (x86-64)"},
    {Site::kPurgatoryDone, "purgatory.done", Phase::kPurgatory, "the digest is right (x86-64)"},
    {Site::kDecompress, "decompress", Phase::kDecompress, "the 64-bit entry of the boot image (x86-64)"},
    {Site::kKaslrChoose, "boot.kaslr.choose", Phase::kDecompress,
     "a place for the image is about to be chosen (x86-64)"},
    {Site::kKaslrCopy, "boot.kaslr.copy", Phase::kDecompress,
     "the image was copied there and is entered next (x86-64)"},
    {Site::kKernelEntry, "kernel.entry", Phase::kEarlyBoot, "first line of the kernel proper"},
    {Site::kBootProtocol, "boot.protocol", Phase::kEarlyBoot, "zero page or device tree is about to be read"},
    {Site::kBootMemoryKnown, "boot.memory_known", Phase::kEarlyBoot, "memblock knows all RAM"},
    {Site::kKhoPopulateFdt, "kho.populate.fdt", Phase::kEarlyBoot, "the incoming root FDT is about to be checked"},
    {Site::kKhoPopulateScratch, "kho.populate.scratch", Phase::kEarlyBoot, "one incoming scratch area was flagged"},
    {Site::kBootReserve, "boot.reserve", Phase::kEarlyBoot, "image, boot data and initrd are reserved"},
    {Site::kBootPaging, "boot.paging", Phase::kEarlyBoot, "the direct map is built"},
    {Site::kBootMemmap, "boot.memmap", Phase::kMemoryMap, "struct pages are about to get their place"},
    {Site::kKhoScratchReserve, "kho.scratch.reserve", Phase::kMemoryMap, "one scratch area was chosen (cold boot)"},
    {Site::kKhoDeserialiseChunk, "kho.deserialise.chunk", Phase::kMemoryMap, "one chunk of the incoming list is read"},
    {Site::kKhoDeserialiseNode, "kho.deserialise.node", Phase::kMemoryMap, "one node of the incoming tree is read"},
    {Site::kKhoDeserialiseBlock, "kho.deserialise.block", Phase::kMemoryMap, "one preserved block was reserved"},
    {Site::kBootFreeAll, "boot.free_all", Phase::kMemoryMap, "free memory went to the page allocator"},
    {Site::kBootDeferred, "boot.deferred", Phase::kInitcalls, "what was left of the struct pages is initialised"},
    {Site::kBootInitcalls, "boot.initcalls", Phase::kInitcalls, "initcalls start"},
    {Site::kIommuInit, "iommu.init", Phase::kInitcalls, "the IOMMU is taken over"},
    {Site::kKhoInit, "kho.init", Phase::kInitcalls, "the outgoing side of KHO is ready"},
    {Site::kReserveMem, "boot.reserve_mem", Phase::kInitcalls, "reserve_mem regions were offered to KHO"},
    {Site::kDeviceProbe, "device.probe", Phase::kDeviceProbe, "a device is about to be reset and enabled: slot, kind"},
    {Site::kDeviceBusMasterOn, "device.bus_master_on", Phase::kDeviceProbe, "a device may write memory: slot"},
    {Site::kBootDone, "boot.done", Phase::kRestore, "the kernel takes commands"},
    {Site::kKhoRestore, "kho.restore", Phase::kRestore, "one preserved block was handed back"},
    {Site::kMmMigrate, "mm.migrate", Phase::kLoad, "a folio has moved: from, to; the old pages are free"},
    {Site::kMmIsolated, "mm.isolated", Phase::kLoad, "a memory block is isolated, its pages are about to be migrated"},
    {Site::kDmaMap, "dma.map", Phase::kLoad, "memory was mapped for a device (any phase)"},
    {Site::kDmaUnmap, "dma.unmap", Phase::kLoad, "memory is no longer mapped for a device (any phase)"},
    {Site::kMmio, "mmio", Phase::kRestore, "a device register is accessed (any phase)"},
};
inline constexpr u32 kSiteCount = static_cast<u32>(Site::kCount);
static_assert(sizeof(kSites) / sizeof(kSites[0]) == kSiteCount);
static_assert(
    [] {
        for (u32 i = 0; i < kSiteCount; ++i)
            if (static_cast<u32>(kSites[i].site) != i) return false;
        return true;
    }(),
    "rows of kSites stand in the order of the enumerators");
/// Announced in whatever phase the kernel is in: the phase goes on.
constexpr bool in_any_phase(Site s) { return s == Site::kMmio || s == Site::kDmaMap || s == Site::kDmaUnmap; }
constexpr const SiteInfo& info(Site s) { return kSites[static_cast<u32>(s)]; }

}  // namespace baton
