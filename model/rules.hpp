// SPDX-License-Identifier: GPL-2.0-only
// Generations as data (decision D18): what one kernel version does differently is a field here, never an `if` on its
// name.
//
// `rules_for` (rules.cpp) is the only place that names generations. Where algorithms differ, a Rules field selects one
// of the files behind a seam in exactly one function.
#pragma once

#include <string_view>

#include "model/types.hpp"

namespace baton {

/// A KHO generation: formats and behaviour (specs/kho.md §1.5, §1.6).
enum class Generation : u32 { k6_16 = 1, k6_18 = 2 };

/// The kexec base a generation was carried onto (decision D33): 6.12 swaps pages three ways, >= 6.14 copies once.
enum class KexecBase : u32 { k6_12 = 1, k6_14 = 2 };

struct GenerationInfo {
    Generation id;
    std::string_view name;  // as written in scenarios
};
inline constexpr GenerationInfo kGenerations[] = {{Generation::k6_16, "6.16"}, {Generation::k6_18, "6.18"}};

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
};

struct Rules {
    const char* compatible;             // of the root FDT
    const char* subtree_property;       // address of a subtree's blob
    u32 bitmap_bytes;                   // 0 = one page (kho.md §2.2)
    bool stamp_magic;                   // head page stamp carries the magic (kho.md §2.6)
    bool restore_checks_order_only;     // 6.16: any page with private <= restore_max_order is accepted (B06)
    u32 restore_max_order;              // restore refuses more (B22); 10
    bool fill_requires_finalised;       // kexec load passes KHO addresses only after finalise (B07 fixed)
    bool preserve_busy_after_finalise;  // mutators return EBUSY once finalised
    bool low1m_scratch_always;          // x86 flags [0,1 MiB) as scratch on cold boots too (B29)
    bool kho_scratch_strict_tail;       // kho_scratch= refuses trailing characters (B05 fixed)
    bool kho_scratch_allows_zero;       // single zero sizes are legal (kho.md §2.12)
    bool validate_map;                  // populate wants a tracker property (B31; 7.0 and later)
    bool restore_incoming_fdt;          // the incoming FDT page becomes an ordinary page (kho.md §3.9.4)
    bool round_scratch;                 // explicit scratch sizes are rounded up to the CMA alignment (B26 fixed, 7.1+)
};

/// The rules of a generation. Unknown ids are rejected by the caller (see `known_generation`).
const Rules& rules_for(Generation generation);
bool known_generation(u32 id);
/// Defects that a generation shipped with, as the bit set of ImageHeader::defects[0]; a scenario adds and removes some.
u64 generation_defects(Generation generation);

}  // namespace baton
