// SPDX-License-Identifier: GPL-2.0-only
// Named places of physical memory that a poke can hit, so that scenarios need no addresses.
#pragma once

#include <string>
#include <string_view>

#include "model/types.hpp"

namespace baton::scenarios {

enum class PlaceKind : u32 {
    kPhys,
    kRegion,
    kKhoFdt,
    kKhoScratchArray,
    kKhoFirstChunk,
    kKhoRadixRoot,
    kKexecList,
    kKexecSource,
    kKexecControl,
    kKexecRoot,
    kSegment,
    kBootKhoFdt,
    kBootKhoScratch,
    kKernelText,
    kKernelPageTable,
    kFreeLists,
    kMemoryTop,
    kCount,
};

struct PlaceInfo {
    PlaceKind kind;
    std::string_view name;  // in `place = "…"`; empty: has a key of its own
    std::string_view meaning;
};

inline constexpr PlaceInfo kPlaces[] = {
    {PlaceKind::kPhys, "", "the physical address of `phys`"},
    {PlaceKind::kRegion, "", "the first byte of `region`; its blocks count as one run of bytes"},
    {PlaceKind::kKhoFdt, "kho.fdt", "root FDT page of the running kernel, which the next one reads in place"},
    {PlaceKind::kKhoScratchArray, "kho.scratch_array", "live scratch descriptors of the running kernel"},
    {PlaceKind::kKhoFirstChunk, "kho.first_chunk", "first page of the serialised tracker (after finalise)"},
    {PlaceKind::kKhoRadixRoot, "kho.radix_root", "root of the running kernel's radix tree (from 7.1 on)"},
    {PlaceKind::kKexecList, "kexec.list", "first indirection page of the loaded image's entry list"},
    {PlaceKind::kKexecSource, "kexec.source", "first source page of the loaded image"},
    {PlaceKind::kKexecControl, "kexec.control", "control page of the loaded image: the relocation code"},
    {PlaceKind::kKexecRoot, "kexec.root", "root of the page tables that relocation runs under"},
    {PlaceKind::kSegment, "segment.N", "destination of segment N of the loaded image, in the order of placement"},
    {PlaceKind::kBootKhoFdt, "boot.kho.fdt",
     "16 bytes in the next kernel's boot data: address and size of the FDT (x86-64 little-endian, AArch64 big-endian)"},
    {PlaceKind::kBootKhoScratch, "boot.kho.scratch",
     "16 bytes in the next kernel's boot data: address and size of the scratch array (byte order as boot.kho.fdt)"},
    {PlaceKind::kKernelText, "kernel.text", "first byte of the running kernel's text"},
    {PlaceKind::kKernelPageTable, "kernel.page_table", "root of the running kernel's page tables"},
    {PlaceKind::kFreeLists, "kernel.free_lists", "free lists of the running kernel's zone with the most free pages"},
    {PlaceKind::kMemoryTop, "memory.top", "the last MiB of RAM: where early boot allocates first"},
};
static_assert(sizeof(kPlaces) / sizeof(kPlaces[0]) == static_cast<u32>(PlaceKind::kCount));

/// One place: the kind, and what it needs.
struct PlaceName {
    PlaceKind kind = PlaceKind::kPhys;
    PhysAddr phys;       // kPhys
    std::string region;  // kRegion
    u32 segment = 0;     // kSegment
};

/// As people write it: "kho.fdt", "segment.3", "region oops", "0x1000".
std::string to_text(const PlaceName& place);

}  // namespace baton::scenarios
