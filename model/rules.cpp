// SPDX-License-Identifier: GPL-2.0-only
// The generations, as data. Sources: specs/kho.md §1.5 (6.16), §1.6 (6.18), §1.7 (7.0), §1.8 (7.1), §10 (observed).
#include "model/rules.hpp"

#include <initializer_list>

#include "model/defects.hpp"

namespace baton {
namespace {

constexpr u64 defects(std::initializer_list<Defect> list) {
    u64 bits = 0;
    for (const Defect d : list) bits |= u64{1} << static_cast<u32>(d);
    return bits;
}

constexpr Rules k616 = {
    .release = "6.16.0",
    .compatible = "kho-v1",
    .subtree_property = "fdt",
    .size_property = nullptr,
    .tracker = TrackerKind::kBitmaps,
    .outgoing = OutgoingKind::kFinalised,
    .bitmap_bytes = 512,
    .fill_requires_finalised = true,
    .preserve_busy_after_finalise = true,
    .low1m_scratch_always = true,
    .kho_scratch_strict_tail = false,
    .kho_scratch_allows_zero = false,
    .restore_incoming_fdt = true,
    .forget_after_bad_walk = false,
    .round_scratch = false,
    .reserve_mem_at_initcall = false,
    .vmalloc = false,
    .kexec_metadata = false,
};

constexpr Rules k618 = [] {
    Rules r = k616;
    r.release = "6.18.0";
    r.bitmap_bytes = 0;
    r.low1m_scratch_always = false;
    r.kho_scratch_strict_tail = true;
    r.kho_scratch_allows_zero = true;
    r.vmalloc = true;
    return r;
}();

constexpr Rules k70 = [] {
    Rules r = k618;
    r.release = "7.0.0";
    r.outgoing = OutgoingKind::kSerialised;
    r.fill_requires_finalised = false;
    r.preserve_busy_after_finalise = false;
    r.restore_incoming_fdt = false;
    r.reserve_mem_at_initcall = true;
    return r;
}();

constexpr Rules k71V2 = [] {
    Rules r = k70;
    r.release = "7.1.0-rc1";
    r.compatible = "kho-v2";
    r.subtree_property = "preserved-data";
    r.tracker = TrackerKind::kRadix;
    r.outgoing = OutgoingKind::kLive;
    r.forget_after_bad_walk = true;
    r.round_scratch = true;
    return r;
}();

constexpr Rules k71 = [] {
    Rules r = k71V2;
    r.release = "7.1.0";
    r.compatible = "kho-v3";
    r.size_property = "blob-size";
    r.kexec_metadata = true;
    return r;
}();

struct Row {
    Generation id;
    const Rules& rules;
    u64 defects;
};
// B27 and B39 are in every generation read (kho.md §10.2, §10.8). B70 may be in all of them: a candidate, inferred from
// the patch and never seen (kho.md B70), so it is nobody's until somebody has seen it.
constexpr Row kRows[] = {
    {Generation::k6_16, k616,
     defects({Defect::kB03, Defect::kB06, Defect::kB07, Defect::kB08, Defect::kB16, Defect::kB17, Defect::kB22,
              Defect::kB23, Defect::kB27, Defect::kB31, Defect::kB39, Defect::kB68})},
    {Generation::k6_18, k618,
     defects({Defect::kB16, Defect::kB17, Defect::kB22, Defect::kB23, Defect::kB27, Defect::kB31, Defect::kB39,
              Defect::kB68})},
    {Generation::k7_0, k70,
     defects({Defect::kB20, Defect::kB22, Defect::kB23, Defect::kB27, Defect::kB39, Defect::kB68})},
    {Generation::k7_1_v2, k71V2, defects({Defect::kB27, Defect::kB39, Defect::kB68})},
    {Generation::k7_1, k71, defects({Defect::kB27, Defect::kB39, Defect::kB68})},
};
static_assert(sizeof(kRows) / sizeof(kRows[0]) == sizeof(kGenerations) / sizeof(kGenerations[0]));

/// An id from damaged RAM gives the first row: wrong, but a generation.
constexpr const Row& row_of(Generation id) {
    for (const Row& row : kRows)
        if (row.id == id) return row;
    return kRows[0];
}

}  // namespace

const Rules& rules_for(Generation generation) { return row_of(generation).rules; }

u64 generation_defects(Generation generation) { return row_of(generation).defects; }

bool known_generation(u32 id) {
    for (const GenerationInfo& g : kGenerations)
        if (static_cast<u32>(g.id) == id) return true;
    return false;
}

}  // namespace baton
