// SPDX-License-Identifier: GPL-2.0-only
// memblock's face: the public operations on the lists (specs/memblock.md §1, §2.4), and the versions as data.
//
// Every operation is a composition of the primitives in memblock_range.cpp: add, remove, and "isolate, change, merge".
#include "model/mm/memblock_internal.hpp"

namespace baton::memblock {

using namespace internal;

namespace {

constexpr MemblockRules kMainlineRules = {
    .alloc_marks_kern = true,
    .alloc_stores_node = true,
    .plain_overlap_is_quiet = true,
    .overlap_compares_node = true,
};
constexpr MemblockRules k612Rules = {
    .alloc_marks_kern = false,
    .alloc_stores_node = false,
    .plain_overlap_is_quiet = false,
    .overlap_compares_node = true,
};

void init_type(MemblockType& t, MemblockRegion* initial, u64 max) {
    t.cnt = 0;
    t.max = max;
    t.total_size = 0;
    t.regions = PhysPtr<MemblockRegion>(platform::virt_to_phys(initial));
    *claim(t, 0, 1) = kDummy;
}

template <class Change>
Status change_regions(Memblock& mb, MemblockType& t, PhysRange r, Change change) {
    const auto inside = isolate(mb, t, r);
    if (!inside) return fail(inside.error());
    const u64 n = inside->last - inside->first;
    if (n == 0) return {};
    MemblockRegion* e = claim(t, inside->first, n);
    for (u64 i = 0; i < n; ++i) change(e[i]);
    platform::charge(Work::kMemblockScans, n);
    merge(t, inside->first, inside->last);
    return {};
}

Status set_flag(Memblock& mb, MemblockType& t, PhysRange r, u32 flag, bool on) {
    return change_regions(mb, t, r, [=](MemblockRegion& e) { e.flags = on ? e.flags | flag : e.flags & ~flag; });
}

}  // namespace

const MemblockRules& rules_for(MemblockVersion version) {
    BATON_ASSERT(version == MemblockVersion::kMainline || version == MemblockVersion::k6_12);
    return version == MemblockVersion::kMainline ? kMainlineRules : k612Rules;
}

void init(Memblock& mb, u32 page_shift, MemblockVersion version) {
    mb.current_limit = kMemblockAnywhere;
    mb.version = version;
    mb.bottom_up = 0;
    mb.can_resize = 0;
    mb.slab_ready = 0;
    mb.arrays_in_slab = 0;
    mb.scratch_only = 0;
    mb.movable_node = 0;
    mb.mirrored_kernelcore = 0;
    mb.has_mirror = 0;
    mb.page_shift = page_shift;
    init_type(mb.memory, mb.memory_initial, kMemblockInitRegions);
    init_type(mb.reserved, mb.reserved_initial, kMemblockInitRegions);
    init_type(mb.physmem, mb.physmem_initial, kMemblockInitPhysmem);
}

Status add(Memblock& mb, PhysRange r, NodeId nid, u32 flags) { return add_range(mb, mb.memory, r, nid, flags); }
Status remove(Memblock& mb, PhysRange r) { return remove_range(mb, mb.memory, r); }
Status reserve(Memblock& mb, PhysRange r, NodeId nid, u32 flags) { return add_range(mb, mb.reserved, r, nid, flags); }
Status release(Memblock& mb, PhysRange r) { return remove_range(mb, mb.reserved, r); }
Status physmem_add(Memblock& mb, PhysRange r) { return add_range(mb, mb.physmem, r, kNoNode, kMemblockNone); }

Status reserve_kern(Memblock& mb, PhysRange r, NodeId nid) {
    const MemblockRules& version = rules(mb);
    return reserve(mb, r, version.alloc_stores_node ? nid : kNoNode,
                   version.alloc_marks_kern ? kMemblockReservedKern : kMemblockNone);
}

Status set_memory_flag(Memblock& mb, PhysRange r, u32 flag, bool on) { return set_flag(mb, mb.memory, r, flag, on); }
Status set_reserved_flag(Memblock& mb, PhysRange r, u32 flag, bool on) {
    return set_flag(mb, mb.reserved, r, flag, on);
}

// The system counts as mirrored even if the array cannot grow.
Status mark_mirror(Memblock& mb, PhysRange r) {
    if (mb.mirrored_kernelcore == 0) return {};
    mb.has_mirror = 1;
    return set_memory_flag(mb, r, kMemblockMirror, true);
}

Status set_node(Memblock& mb, MemblockType& t, PhysRange r, NodeId nid) {
    return change_regions(mb, t, r, [=](MemblockRegion& e) { e.nid = nid.value; });
}

}  // namespace baton::memblock
