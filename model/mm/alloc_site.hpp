// SPDX-License-Identifier: GPL-2.0-only
// Where memory is allocated: one name a place in the kernel that asks, for failure injection and for "who holds it".
//
// Every allocation names its site. A page in use carries it in its struct page (Page::site), as Linux's page owner
// does beside it, so memory can be counted by holder from raw RAM; and a site can be told to fail (alloc_failure.hpp).
// To add one: an enumerator, a row here, and the call that names it.
#pragma once

#include <string_view>

#include "model/types.hpp"

namespace baton {

enum class AllocSite : u32 {
    // memblock's, before the page allocator is up
    kBootTables,
    kBootStack,
    kBootPerCpu,
    kBootTrampoline,
    kBootNode,
    kBootSections,
    kBootMemmap,
    kReserveMem,
    kFencePool,
    kScratchArray,
    kScratchArea,
    // pages
    kUser,
    kFileIndex,
    kFileData,
    kSlab,
    kVmIndex,
    kVmPage,
    kVmTable,
    kMigrate,
    kHotplugMemmap,
    kKexecBuffer,
    kKexecSource,
    kKexecControl,
    kKhoFdt,
    kKhoBitmap,
    kKhoChunk,
    kKhoRadix,
    kKhoMetadata,
    kKhoVmalloc,
    kKhoVmallocBlob,
    kReserveMemFdt,
    kTestKhoFolio,
    kTestKhoBlob,
    kMemblockArray,
    kDmaBuffer,
    kDmaRing,
    // small objects
    kKhoNode,
    // not asked for: what a handover brought
    kRestored,
    kIncomingFdt,
    kCount,
};

/// Who serves it: what failing means. Early allocations mostly panic, the others are ENOMEM to somebody.
enum class AllocStage : u32 { kEarly, kPage, kObject, kGiven };

struct AllocSiteInfo {
    AllocSite site;
    AllocStage stage;
    std::string_view name;  // at most 16 characters (pack_name)
    std::string_view meaning;
};

inline constexpr AllocSiteInfo kAllocSites[] = {
    {AllocSite::kBootTables, AllocStage::kEarly, "boot.tables", "page tables of the direct map and the image"},
    {AllocSite::kBootStack, AllocStage::kEarly, "boot.stack", "kernel stack of CPU 0"},
    {AllocSite::kBootPerCpu, AllocStage::kEarly, "boot.per_cpu", "per-CPU area of CPU 0"},
    {AllocSite::kBootTrampoline, AllocStage::kEarly, "boot.trampoline", "real-mode start page (x86-64)"},
    {AllocSite::kBootNode, AllocStage::kEarly, "boot.node", "zones and counters of a node"},
    {AllocSite::kBootSections, AllocStage::kEarly, "boot.sections", "the table of memory sections"},
    {AllocSite::kBootMemmap, AllocStage::kEarly, "boot.memmap", "struct pages of one section"},
    {AllocSite::kReserveMem, AllocStage::kEarly, "reserve_mem", "a reserve_mem region that was not handed over"},
    {AllocSite::kFencePool, AllocStage::kEarly, "kfence.pool", "the pool of KFENCE"},
    {AllocSite::kScratchArray, AllocStage::kEarly, "scratch.array", "the array of scratch descriptors"},
    {AllocSite::kScratchArea, AllocStage::kEarly, "scratch.area", "a scratch area"},
    {AllocSite::kUser, AllocStage::kPage, "user", "memory of userspace"},
    {AllocSite::kFileIndex, AllocStage::kPage, "file.index", "index and directory pages of a file"},
    {AllocSite::kFileData, AllocStage::kPage, "file.data", "page cache of a file"},
    {AllocSite::kSlab, AllocStage::kPage, "slab", "a page of small objects"},
    {AllocSite::kVmIndex, AllocStage::kPage, "vmalloc.index", "page list of a vmalloc area"},
    {AllocSite::kVmPage, AllocStage::kPage, "vmalloc.page", "pages of a vmalloc area"},
    {AllocSite::kVmTable, AllocStage::kPage, "vmalloc.table", "page tables of the vmalloc range"},
    {AllocSite::kMigrate, AllocStage::kPage, "migrate", "where a folio moves to; then it is whose it was"},
    {AllocSite::kHotplugMemmap, AllocStage::kPage, "hotplug.memmap", "struct pages of a memory block that comes back"},
    {AllocSite::kKexecBuffer, AllocStage::kPage, "kexec.buffer", "segment content that the loader makes"},
    {AllocSite::kKexecSource, AllocStage::kPage, "kexec.source", "source and list pages of an image"},
    {AllocSite::kKexecControl, AllocStage::kPage, "kexec.control", "control pages of an image, its tables included"},
    {AllocSite::kKhoFdt, AllocStage::kPage, "kho.fdt", "the root FDT page"},
    {AllocSite::kKhoBitmap, AllocStage::kPage, "kho.bitmap", "a bitmap of the tracker"},
    {AllocSite::kKhoChunk, AllocStage::kPage, "kho.chunk", "a chunk of the serialised tracker"},
    {AllocSite::kKhoRadix, AllocStage::kPage, "kho.radix", "a node of the radix tree"},
    {AllocSite::kKhoMetadata, AllocStage::kPage, "kho.metadata", "the kexec-metadata blob"},
    {AllocSite::kKhoVmalloc, AllocStage::kPage, "kho.vmalloc", "a chunk of a preserved vmalloc area"},
    {AllocSite::kKhoVmallocBlob, AllocStage::kPage, "kho.vmalloc.blob", "the blob that names a vmalloc area"},
    {AllocSite::kReserveMemFdt, AllocStage::kPage, "reserve_mem.fdt", "the memblock blob"},
    {AllocSite::kTestKhoFolio, AllocStage::kPage, "test_kho.folio", "a folio of test_kho"},
    {AllocSite::kTestKhoBlob, AllocStage::kPage, "test_kho.blob", "the blob of test_kho"},
    {AllocSite::kMemblockArray, AllocStage::kPage, "memblock.array", "a region array that grew after boot"},
    {AllocSite::kDmaBuffer, AllocStage::kPage, "dma.buffer", "a buffer that a device writes"},
    {AllocSite::kDmaRing, AllocStage::kPage, "dma.ring", "the descriptor ring of a device"},
    {AllocSite::kKhoNode, AllocStage::kObject, "kho.node", "a node over the tracker's bitmaps"},
    {AllocSite::kRestored, AllocStage::kGiven, "restored", "pages that were handed over and restored"},
    {AllocSite::kIncomingFdt, AllocStage::kGiven, "kho.fdt.incoming",
     "the incoming root FDT, restored before pages are counted (up to 6.18)"},
};
inline constexpr u32 kAllocSiteCount = static_cast<u32>(AllocSite::kCount);
static_assert(sizeof(kAllocSites) / sizeof(kAllocSites[0]) == kAllocSiteCount);
static_assert(
    [] {
        for (u32 i = 0; i < kAllocSiteCount; ++i)
            if (static_cast<u32>(kAllocSites[i].site) != i || kAllocSites[i].name.size() > 16) return false;
        return true;
    }(),
    "rows of kAllocSites stand in the order of the enumerators, with names that fit a log line");
constexpr const AllocSiteInfo& info(AllocSite s) { return kAllocSites[static_cast<u32>(s)]; }

}  // namespace baton
