// SPDX-License-Identifier: GPL-2.0-only
// The bug zoo (architecture §8): every known bug that can be switched on, off by default.
//
// A defect is used in exactly one place as `if (k.defect(Defect::kB26)) [[unlikely]]`, and has one scenario that shows
// it. The bit set travels in the image header. To add one: an enumerator, a row, the one use, the scenario.
#pragma once

#include <string_view>

#include "model/types.hpp"

namespace baton {

enum class Defect : u32 {
    kB01,
    kB03,
    kB06,
    kB07,
    kB08,
    kB09,
    kB10,
    kB11,
    kB13,
    kB15,
    kB16,
    kB17,
    kB20,
    kB22,
    kB23,
    kB24,
    kB25,
    kB27,
    kB31,
    kB34,
    kB39,
    kB42,
    kB68,
    kB65,
    kB70,
    kA1,
    kA2,
    kA4,
    kA5,
    kM3,
    kM4,
    kCount,
};

struct DefectInfo {
    Defect defect;
    std::string_view id;    // of the spec: docs/specs/kho.md §5, docs/specs/iommu.md §9
    std::string_view name;  // as written in scenarios
    std::string_view meaning;
};

inline constexpr DefectInfo kDefects[] = {
    {Defect::kB01, "B01", "restore_tails_off", "restore leaves the tail pages of a folio uninitialised"},
    {Defect::kB03, "B03", "stamp_before_deferred_init",
     "KHO is built with deferred struct pages, whose initialisation then wipes the stamps"},
    {Defect::kB06, "B06", "restore_any_page", "restore takes any page whose private field is a small number"},
    {Defect::kB07, "B07", "fill_unfinalised", "a kexec load passes a root FDT on that finalise never wrote"},
    {Defect::kB08, "B08", "bitmaps_from_slab", "bitmaps are small objects, which KFENCE may serve out of scratch"},
    {Defect::kB09, "B09", "vmalloc_chunk_bound", "a full chunk of a vmalloc area is read beyond its end"},
    {Defect::kB10, "B10", "vmalloc_unpreserve_order0",
     "unpreserving a vmalloc area forgets that its runs have an order"},
    {Defect::kB11, "B11", "vmalloc_restore_alias", "every page of a run is restored as the run's first page"},
    {Defect::kB13, "B13", "vmalloc_enomem_masked",
     "preserving a vmalloc area succeeds though a chunk could not be had"},
    {Defect::kB15, "B15", "unpreserve_stall", "unpreserving what was not preserved never ends"},
    {Defect::kB16, "B16", "abort_clears", "abort drops what others preserved long before finalise"},
    {Defect::kB17, "B17", "memoryless_node", "a node without memory disables KHO: its scratch cannot be had"},
    {Defect::kB20, "B20", "subtree_half_made", "a subtree that does not fit leaves a node without an address"},
    {Defect::kB22, "B22", "restore_max_order", "restore refuses blocks larger than the page allocator's largest"},
    {Defect::kB23, "B23", "block_spans_nodes", "a preserved block of a run may lie on two nodes"},
    {Defect::kB24, "B24", "unpreserve_plain_split", "unpreserving a run over two nodes splits it as if it lay on one"},
    {Defect::kB25, "B25", "radix_depth_short", "the radix tree has no room for the marker bit of a key (16K pages)"},
    {Defect::kB27, "B27", "block_size_int32", "the size of a preserved block is computed in 32 bits"},
    {Defect::kB31, "B31", "map_not_validated", "a handover whose memory map is missing or empty is accepted"},
    {Defect::kB34, "B34", "scratch_deferred_uninit",
     "deferred initialisation forgets that scratch is CMA, so anything may be allocated there"},
    {Defect::kB39, "B39", "global_underflow", "the global scratch estimate wraps to an empty area"},
    {Defect::kB42, "B42", "pin_migrates_off", "pinning leaves memory of userspace where it is, inside scratch too"},
    {Defect::kB68, "B68", "offline_ignores_kho", "preserved memory is migrated away when its block goes offline"},
    {Defect::kB65, "B65", "kaslr_ignores_scratch", "KASLR moves the image anywhere in RAM although KHO data came"},
    {Defect::kB70, "B70", "kaslr_over_scratch_array", "KASLR may move the image over the scratch array"},
    {Defect::kA1, "A1", "free_in_flight", "a driver frees its buffers without waiting for the device to stop"},
    {Defect::kA2, "A2", "no_shutdown_handler", "drivers have no shutdown handler: only bus mastering goes off"},
    {Defect::kA4, "A4", "bus_master_before_reset", "probe enables bus mastering before it resets a device"},
    {Defect::kA5, "A5", "shutdown_skips", "device shutdown misses the devices: nothing is told to stop"},
    {Defect::kM3, "M3", "ring_rewind", "a NIC's ring is taken away by its index: prefetched descriptors stay"},
    {Defect::kM4, "M4", "completions_unwaited", "a NIC's ring is freed before its late completions are written"},
};
static_assert(sizeof(kDefects) / sizeof(kDefects[0]) == static_cast<u32>(Defect::kCount));
constexpr const DefectInfo& info(Defect d) { return kDefects[static_cast<u32>(d)]; }

}  // namespace baton
