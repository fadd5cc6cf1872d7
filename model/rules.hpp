// SPDX-License-Identifier: GPL-2.0-only
// Generations as data (decision D18): what one kernel version does differently is a field here, never an `if` on its
// name.
//
// `rules_for` (rules.cpp) is the only place that names generations. Where algorithms differ, a Rules field selects one
// of the files behind a seam in exactly one function. What a generation did wrong is not here but in
// `generation_defects`: a scenario can take a defect away, but not a format.
#pragma once

#include <string_view>

#include "model/types.hpp"

namespace baton {

/// A KHO generation: formats and behaviour (specs/kho.md §1.5 … §1.8). 6.19 is 7.0 without validation of the map (B31).
enum class Generation : u32 { k6_16 = 1, k6_18 = 2, k7_0 = 3, k7_1_v2 = 4, k7_1 = 5 };

/// The kexec base a generation was carried onto (decision D33): 6.12 swaps pages three ways, >= 6.14 copies once.
enum class KexecBase : u32 { k6_12 = 1, k6_14 = 2 };

struct GenerationInfo {
    Generation id;
    std::string_view name;  // as written in scenarios
};
inline constexpr GenerationInfo kGenerations[] = {
    {Generation::k6_16, "6.16"},         {Generation::k6_18, "6.18"}, {Generation::k7_0, "7.0"},
    {Generation::k7_1_v2, "7.1-kho-v2"}, {Generation::k7_1, "7.1"},
};

struct KexecBaseInfo {
    KexecBase id;
    std::string_view name;
};
inline constexpr KexecBaseInfo kKexecBases[] = {{KexecBase::k6_12, "6.12"}, {KexecBase::k6_14, "6.14"}};

/// Image option bits (ImageHeader::options): behaviour the specs leave open, switchable.
enum ImageOption : u32 {
    kOptionScratchFloor = 1u << 0,  // low scratch is at least image_size + 1 MiB (specs/boot.md §10)
    kOptionKhoDebug = 1u << 1,      // CONFIG_KEXEC_HANDOVER_DEBUG: preserving inside scratch is EINVAL (kho.md §1.6)
    kOptionKhoDefaultOn = 1u << 2,  // kho= defaults to on (kho.md §2.12)
    kOptionKaslr = 1u << 3,         // CONFIG_RANDOMIZE_BASE: x86-64 moves its image (kexec.md §8.2)
    kOptionDeferredInit = 1u << 4,  // CONFIG_DEFERRED_STRUCT_PAGE_INIT (memblock.md §5)
    kOptionKhoDeferred = 1u << 5,   // KHO can live with that, as from 7.2 on (kho.md §1.9)
    kOptionKfence = 1u << 6,   // CONFIG_KFENCE: some small objects come from an early pool (model/mm/fence_pool.hpp)
    kOptionDevices = 1u << 7,  // CONFIG_PCI and the drivers (model/drivers); on in every scenario that has devices
};

/// What keeps the preserved blocks and tells the next kernel (kho.md §2.2, §2.3). Seam: kho/tracker.hpp.
enum class TrackerKind : u32 {
    kBitmaps,  // per order a tree of bitmaps, serialised to a chunk list
    kRadix,    // one radix tree of pages, which the next kernel reads as it is
};

/// How the outgoing handover comes about (kho.md §1.2, §3.4). Seam: kho/outgoing.hpp.
enum class OutgoingKind : u32 {
    kFinalised,   // written and frozen by finalise, taken back by abort
    kSerialised,  // a root FDT edited in place; finalise only serialises the tracker, as often as it is asked
    kLive,        // always valid: no finalise
};

struct Rules {
    const char* release;           // what this kernel calls itself
    const char* compatible;        // of the root FDT
    const char* subtree_property;  // address of a subtree's blob
    const char* size_property;     // and its size; null before kho-v3
    TrackerKind tracker;
    OutgoingKind outgoing;
    u32 bitmap_bytes;                   // kBitmaps: 0 = one page (kho.md §2.2)
    bool fill_requires_finalised;       // kexec load passes KHO addresses only after finalise (kho.md §3.5)
    bool preserve_busy_after_finalise;  // mutators return EBUSY once finalised
    bool low1m_scratch_always;          // x86 flags [0,1 MiB) as scratch on cold boots too (B29)
    bool kho_scratch_strict_tail;       // kho_scratch= refuses trailing characters (B05 fixed)
    bool kho_scratch_allows_zero;       // single zero sizes are legal (kho.md §2.12)
    bool restore_incoming_fdt;          // the incoming FDT page becomes an ordinary page (kho.md §3.9.4)
    bool forget_after_bad_walk;         // a tracker that cannot be read ends the handover (kho.md §3.9.3)
    bool round_scratch;                 // explicit scratch sizes are rounded up to the CMA alignment (B26 fixed, 7.1+)
    bool reserve_mem_at_initcall;       // regions are preserved by late_initcall, not by finalise (kho.md §3.12)
    bool vmalloc;                       // can hand vmalloc areas over (6.18+)
    bool kexec_metadata;                // hands on its release and the number of kexecs (kho.md §2.10)
};

/// The rules of a generation. Unknown ids are rejected by the caller (see `known_generation`).
const Rules& rules_for(Generation generation);
bool known_generation(u32 id);
/// Defects that a generation shipped with, as the bit set of ImageHeader::defects[0]; a scenario adds and removes some.
u64 generation_defects(Generation generation);

}  // namespace baton
