// SPDX-License-Identifier: GPL-2.0-only
// The generations, as data. Sources: specs/kho.md §1.5 (6.16), §1.6 (6.18), §10 (observed).
#include "model/rules.hpp"

#include "model/defects.hpp"

namespace baton {
namespace {

constexpr Rules k616 = {
    .compatible = "kho-v1",
    .subtree_property = "fdt",
    .bitmap_bytes = 512,
    .stamp_magic = false,
    .restore_checks_order_only = true,
    .restore_max_order = 10,
    .fill_requires_finalised = false,  // B07, and observed: kho.md §10.9
    .preserve_busy_after_finalise = true,
    .low1m_scratch_always = true,
    .kho_scratch_strict_tail = false,
    .kho_scratch_allows_zero = false,
    .validate_map = false,
    .restore_incoming_fdt = true,
    .round_scratch = false,
};

constexpr Rules k618 = {
    .compatible = "kho-v1",
    .subtree_property = "fdt",
    .bitmap_bytes = 0,
    .stamp_magic = true,
    .restore_checks_order_only = false,
    .restore_max_order = 10,
    .fill_requires_finalised = true,
    .preserve_busy_after_finalise = true,
    .low1m_scratch_always = false,
    .kho_scratch_strict_tail = true,
    .kho_scratch_allows_zero = true,
    .validate_map = false,
    .restore_incoming_fdt = true,
    .round_scratch = false,
};

}  // namespace

const Rules& rules_for(Generation generation) { return generation == Generation::k6_16 ? k616 : k618; }

// B27 and B39 are in every generation read (kho.md §10.2, §10.8).
u64 generation_defects(Generation) {
    return u64{1} << static_cast<u32>(Defect::kB27) | u64{1} << static_cast<u32>(Defect::kB39);
}

bool known_generation(u32 id) {
    for (const GenerationInfo& g : kGenerations)
        if (static_cast<u32>(g.id) == id) return true;
    return false;
}

}  // namespace baton
