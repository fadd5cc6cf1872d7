// SPDX-License-Identifier: GPL-2.0-only
// Everything a kernel can say: log lines, panics, warnings, as ids with numeric arguments.
//
// Strings never cross the platform boundary (decision D10): a record is {id, up to four u64}; the host formats it with
// this table, which guest images do not contain. `{}` is decimal, `{x}` hexadecimal, `{s}` takes two arguments that
// hold up to 16 characters (pack_name). To say something new: one enumerator and one row.
#pragma once

#include <string_view>

#include "model/types.hpp"

namespace baton {

enum class LogLevel : u32 { kError, kWarn, kInfo, kDebug };

enum class Log : u32 {
    // boot
    kBootStart,
    kBootMemory,
    kBootScratchOnly,
    kBootDone,
    kCmdlineBad,
    kE820Truncated,
    kKaslrOff,
    kKaslrFull,
    kKaslrNoSlot,
    kKaslrMoves,
    kAcpiBadRsdp,
    kAcpiBadTable,
    kSratBadEntry,
    kNumaBadNode,
    kNumaEmptyBlock,
    kNumaBlock,
    kNumaOverlap,
    kNumaUncovered,
    kNumaPageblock,
    kNumaOff,
    kNumaOn,
    // mm
    kDeferredInit,
    kMemblockFull,
    kBadPageState,
    kAllocFailsAsAsked,
    kFencePool,
    kFenceNoPool,
    kBlockBusy,
    kBlockOffline,
    kBlockOnline,
    // kexec
    kKexecLoaded,
    kKexecUnloaded,
    kKexecSegment,
    kKexecNoHole,
    kKexecBadImage,
    // KHO
    kKhoScratchArea,
    kKhoScratchFailed,
    kKhoNotBuilt,
    kKhoDisabled,
    kKhoEnabled,
    kKhoRejectFdtNotRam,
    kKhoRejectFdtTooSmall,
    kKhoRejectHeader,
    kKhoRejectNoCompatible,
    kKhoRejectCompatible,
    kKhoRejectMap,
    kKhoRejectScratchEmpty,
    kKhoRejectScratchRagged,
    kKhoRejectScratchLong,
    kKhoRejectScratchNotRam,
    kKhoRejectScratchReserve,
    kKhoRejectAreaWraps,
    kKhoRejectAreaAdd,
    kKhoRejectAreaFlag,
    kKhoBadNode,
    kKhoRevivalDisabled,
    kKhoRevived,
    kKhoPreserved,
    kKhoRestoreBadMagic,
    kKhoRestoreBadOrder,
    kKhoUnpreserveMissing,
    kKhoScratchOverlap,
    kKhoCmdlineBad,
    kKhoFinalised,
    kKhoAborted,
    kKhoChunkTooLong,
    kKhoChunkBadOrder,
    kKhoRadixBadKey,
    kKhoMetadata,
    kKhoMetadataBad,
    kKhoVmallocFailed,
    kTestKhoSaved,
    kTestKhoRestored,
    kTestKhoSucceeded,
    // devices
    kIommuFound,
    kDeviceFound,
    kDeviceBusy,
    // reserve_mem
    kReserveMemNew,
    kReserveMemRevived,
    kReserveMemMismatch,
    kReserveMemBad,
    kReserveMemFailed,
    // panics
    kPanicNoMemory,
    kPanicEarlyAlloc,
    kPanicNoResize,
    kPanicBadAccess,
    kPanicBadBoot,
    kPanicTooMany,
    kPanicMmio,
    kCount,
};

struct LogInfo {
    Log id;
    std::string_view format;
};

inline constexpr LogInfo kLogs[] = {
    {Log::kBootStart, "kernel at {x}, {} KiB, generation id {}"},
    {Log::kBootMemory, "memory: {} KiB in {} regions, {} KiB reserved"},
    {Log::kBootScratchOnly, "memblock: allocating from scratch only, {} KiB in {} areas"},
    {Log::kBootDone, "boot done: {} free pages of {}"},
    {Log::kCmdlineBad, "command line: malformed option {s}"},
    {Log::kE820Truncated, "e820: {} entries do not fit the zero page"},
    {Log::kKaslrOff, "KASLR: disabled by nokaslr"},
    {Log::kKaslrFull, "KASLR: {} slot areas are all there is room for, the rest is not looked at"},
    {Log::kKaslrNoSlot, "KASLR: no slot of {} KiB, the image stays at {x}"},
    {Log::kKaslrMoves, "KASLR: image moves from {x} to {x}, one of {} slots"},
    {Log::kAcpiBadRsdp, "ACPI: RSDP at {x} is unusable (check {})"},
    {Log::kAcpiBadTable, "ACPI: table at {x} of {} bytes is unusable (check {})"},
    {Log::kSratBadEntry, "SRAT: entry at {x}, type {}, has {} bytes: unusable"},
    {Log::kNumaBadNode, "NUMA: node {} is none of the {} that there can be"},
    {Log::kNumaEmptyBlock, "NUMA: node {}: {x} of {} bytes is ignored"},
    {Log::kNumaBlock, "NUMA: node {}: {x}, {} KiB"},
    {Log::kNumaOverlap, "NUMA: {x} is on node {} and on node {}"},
    {Log::kNumaUncovered, "NUMA: {} KiB of RAM are on no node"},
    {Log::kNumaPageblock, "NUMA: nodes {} and {} share the pageblock of {x}"},
    {Log::kNumaOff, "NUMA: off (check {})"},
    {Log::kNumaOn, "NUMA: {} nodes, {} with memory, this CPU on node {}"},
    {Log::kDeferredInit, "deferred: {} struct pages initialised, {} pages freed"},
    {Log::kMemblockFull, "memblock: no room to grow the array to {} entries"},
    {Log::kBadPageState, "bad page state at pfn {x}: refcount {}"},
    {Log::kAllocFailsAsAsked, "mm: {s}: allocation {} fails, as asked"},
    {Log::kFencePool, "kfence: pool at {x}, {} KiB, serves one small allocation in {}"},
    {Log::kFenceNoPool, "kfence: no memory for a pool of {} KiB"},
    {Log::kBlockBusy, "memory block at {x} stays online: the page at {x} cannot be moved"},
    {Log::kBlockOffline, "memory block at {x} of {} KiB is offline, {} folios moved"},
    {Log::kBlockOnline, "memory block at {x} of {} KiB is online"},
    {Log::kKexecLoaded, "kexec: image loaded, start {x}, {} segments, {} pages"},
    {Log::kKexecUnloaded, "kexec: image unloaded"},
    {Log::kKexecSegment, "kexec: segment {} at {x}, {} bytes, buffer {} bytes"},
    {Log::kKexecNoHole, "kexec: no hole for segment {} of {} bytes, alignment {x}"},
    {Log::kKexecBadImage, "kexec: not a bootable image (check {})"},
    {Log::kKhoScratchArea, "KHO: scratch area {} at {x}, {} KiB"},
    {Log::kKhoScratchFailed, "KHO: no memory for scratch area {} of {} KiB"},
    {Log::kKhoNotBuilt, "KHO: not built in, struct pages are initialised deferred"},
    {Log::kKhoDisabled, "KHO: disabled"},
    {Log::kKhoEnabled, "KHO: ready, root FDT at {x}"},
    {Log::kKhoRejectFdtNotRam, "KHO: handover FDT at {x} of {} bytes is not in RAM"},
    {Log::kKhoRejectFdtTooSmall, "KHO: handover FDT at {x} of {} bytes has no room for a header"},
    {Log::kKhoRejectHeader, "KHO: handover FDT at {x} is invalid, code -{}"},
    {Log::kKhoRejectNoCompatible, "KHO: handover FDT at {x} does not say what it is, code -{}"},
    {Log::kKhoRejectCompatible, "KHO: handover FDT at {x} has another version"},
    {Log::kKhoRejectMap, "KHO: handover FDT at {x} has no memory map"},
    {Log::kKhoRejectScratchEmpty, "KHO: scratch array at {x} is empty"},
    {Log::kKhoRejectScratchRagged, "KHO: scratch array at {x} of {} bytes is no whole number of areas"},
    {Log::kKhoRejectScratchLong, "KHO: scratch array at {x} of {} bytes has too many areas"},
    {Log::kKhoRejectScratchNotRam, "KHO: scratch array at {x} of {} bytes is not in RAM"},
    {Log::kKhoRejectScratchReserve, "KHO: scratch array at {x} of {} bytes could not be reserved"},
    {Log::kKhoRejectAreaWraps, "KHO: scratch area at {x} of {} bytes wraps"},
    {Log::kKhoRejectAreaAdd, "KHO: scratch area at {x} of {} bytes could not be added"},
    {Log::kKhoRejectAreaFlag, "KHO: scratch area at {x} of {} bytes could not be flagged"},
    {Log::kKhoBadNode, "KHO: setup_data node at {x} holds {} bytes: ignored"},
    {Log::kKhoRevivalDisabled, "KHO: disabling revival"},
    {Log::kKhoRevived, "KHO: found handover, FDT {x}, {} scratch areas"},
    {Log::kKhoPreserved, "KHO: {} preserved blocks, {} KiB"},
    {Log::kKhoRestoreBadMagic, "KHO: {x} was not preserved: nothing restored"},
    {Log::kKhoRestoreBadOrder, "KHO: {x} has order {}: nothing restored"},
    {Log::kKhoUnpreserveMissing, "KHO: unpreserve of {x} order {}: was not preserved"},
    {Log::kKhoScratchOverlap, "KHO: {x} of {} bytes overlaps scratch"},
    {Log::kKhoCmdlineBad, "KHO: kho_scratch= is malformed, defaults stay"},
    {Log::kKhoFinalised, "KHO: finalised, first chunk {x}, {} blocks"},
    {Log::kKhoAborted, "KHO: finalisation taken back"},
    {Log::kKhoChunkTooLong, "KHO: chunk at {x} claims {} bitmaps, reading {}"},
    {Log::kKhoChunkBadOrder, "KHO: chunk at {x} has order {}, reading no further"},
    {Log::kKhoRadixBadKey, "KHO: radix leaf at {x} has key {x}: handover forgotten"},
    {Log::kKhoMetadata, "KHO: kexec from {s}, count {}"},
    {Log::kKhoMetadataBad, "KHO: kexec-metadata of {} bytes, version {}: ignored"},
    {Log::kKhoVmallocFailed, "KHO: vmalloc area not restored, {} pages of {} were"},
    {Log::kTestKhoSaved, "test_kho: {} folios, {} bytes, checksum {x}"},
    {Log::kTestKhoRestored, "test_kho: {} folios of {} restored, checksum {x}, stated {x}"},
    {Log::kTestKhoSucceeded, "test_kho: KHO restore succeeded"},
    {Log::kIommuFound, "iommu: found in mode {}"},
    {Log::kDeviceFound, "pci: slot {} has a device of kind {}"},
    {Log::kDeviceBusy, "pci: the device in slot {} does not come to rest"},
    {Log::kReserveMemNew, "reserve_mem: {s} at {x}, {} bytes"},
    {Log::kReserveMemRevived, "reserve_mem: {s} revived at {x}, {} bytes"},
    {Log::kReserveMemMismatch, "reserve_mem: incoming {s} at {x} of {} bytes does not fit the request"},
    {Log::kReserveMemBad, "reserve_mem: option rejected, errno {}"},
    {Log::kReserveMemFailed, "reserve_mem: regions not offered to KHO, errno {}"},
    {Log::kPanicNoMemory, "out of memory: {} pages of order {}"},
    {Log::kPanicEarlyAlloc, "early allocation of {} bytes, alignment {x}, failed (scratch only: {})"},
    {Log::kPanicNoResize, "memblock array is full before it may grow ({} entries)"},
    {Log::kPanicBadAccess, "access to {x} ({} bytes), which is not RAM"},
    {Log::kPanicBadBoot, "boot data at {x} is unusable (check {})"},
    {Log::kPanicTooMany, "limit {} exceeded: {}"},
    {Log::kPanicMmio, "no device register at {x}"},
};
static_assert(sizeof(kLogs) / sizeof(kLogs[0]) == static_cast<u32>(Log::kCount));
static_assert(
    [] {
        for (u32 i = 0; i < static_cast<u32>(Log::kCount); ++i)
            if (static_cast<u32>(kLogs[i].id) != i) return false;
        return true;
    }(),
    "rows of kLogs stand in the order of the enumerators");
constexpr const LogInfo& info(Log id) { return kLogs[static_cast<u32>(id)]; }

/// Up to 16 characters as the two arguments of a `{s}`.
struct PackedName {
    u64 lo = 0;
    u64 hi = 0;
};
constexpr PackedName pack_name(std::string_view s) {
    PackedName p;
    for (std::size_t i = 0; i < s.size() && i < 16; ++i) {
        u64 c = static_cast<u8>(s[i]);
        (i < 8 ? p.lo : p.hi) |= c << (8 * (i % 8));
    }
    return p;
}

}  // namespace baton
