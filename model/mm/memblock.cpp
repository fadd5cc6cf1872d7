// SPDX-License-Identifier: GPL-2.0-only
// memblock's face: the public operations on the two lists and the questions about them (specs/memblock.md §1, §2.4).
//
// Every operation is a composition of the primitives in memblock_range.cpp: add, remove, and "isolate, change, merge".
// Look-ups by address are binary searches; overlap tests and sums are linear, as upstream's (§7).
#include "model/mm/memblock.hpp"

#include <algorithm>

#include "model/mm/memblock_internal.hpp"

namespace baton::memblock {

using namespace internal;

namespace {

inline constexpr MemblockRegion kDummy{.base = {}, .size = 0, .flags = 0, .nid = kNoNode.value};

void init_type(MemblockType& t) {
    t.cnt = 0;
    t.max = kMemblockInitRegions;
    t.total_size = 0;
    t.regions = PhysPtr<MemblockRegion>(platform::virt_to_phys(t.initial));
    *claim(t, 0, 1) = kDummy;
}

Status set_flag(Memblock& mb, MemblockType& t, PhysRange r, u32 flag, bool on) {
    const auto inside = isolate(mb, t, r);
    if (!inside) return fail(inside.error());
    const u64 n = inside->last - inside->first;
    if (n == 0) return {};
    MemblockRegion* e = claim(t, inside->first, n);
    for (u64 i = 0; i < n; ++i) e[i].flags = on ? e[i].flags | flag : e[i].flags & ~flag;
    platform::charge(Work::kMemblockScans, n);
    merge(t, inside->first, inside->last);
    return {};
}

}  // namespace

void init(Memblock& mb, u32 page_shift) {
    mb.current_limit = kMemblockAnywhere;
    mb.bottom_up = 0;
    mb.can_resize = 0;
    mb.scratch_only = 0;
    mb.movable_node = 0;
    mb.has_mirror = 0;
    mb.page_shift = page_shift;
    init_type(mb.memory);
    init_type(mb.reserved);
}

Status add(Memblock& mb, PhysRange r, NodeId nid, u32 flags) { return add_range(mb, mb.memory, r, nid, flags); }
Status remove(Memblock& mb, PhysRange r) { return remove_range(mb, mb.memory, r); }
Status reserve(Memblock& mb, PhysRange r, NodeId nid, u32 flags) { return add_range(mb, mb.reserved, r, nid, flags); }
Status reserve_kern(Memblock& mb, PhysRange r) { return reserve(mb, r, kNoNode, kMemblockReservedKern); }
Status release(Memblock& mb, PhysRange r) { return remove_range(mb, mb.reserved, r); }

Status set_memory_flag(Memblock& mb, PhysRange r, u32 flag, bool on) {
    const Status s = set_flag(mb, mb.memory, r, flag, on);
    if (s && on && (flag & kMemblockMirror) != 0) mb.has_mirror = 1;
    return s;
}
Status set_reserved_flag(Memblock& mb, PhysRange r, u32 flag, bool on) {
    return set_flag(mb, mb.reserved, r, flag, on);
}

Status set_node(Memblock& mb, MemblockType& t, PhysRange r, NodeId nid) {
    const auto inside = isolate(mb, t, r);
    if (!inside) return fail(inside.error());
    const u64 n = inside->last - inside->first;
    if (n == 0) return {};
    MemblockRegion* e = claim(t, inside->first, n);
    for (u64 i = 0; i < n; ++i) e[i].nid = nid.value;
    platform::charge(Work::kMemblockScans, n);
    merge(t, inside->first, inside->last);
    return {};
}

// total_size is left alone when a region shrinks, as upstream leaves it (memblock.md §2.4, §8.3): it is then the sum
// before trimming.
void trim_memory(Memblock& mb, u64 align) {
    BATON_ASSERT(is_power_of_two(align));
    MemblockType& t = mb.memory;
    platform::charge(Work::kMemblockScans, t.cnt);
    for (u64 i = 0; i < t.cnt;) {
        const MemblockRegion r = entries(t)[i];
        const PhysAddr start = align_up(r.base, align);
        const PhysAddr end = align_down(r.end(), align);
        if (start < end && start >= r.base) {
            if (start != r.base || end != r.end()) {
                MemblockRegion& trimmed = *claim(t, i, 1);
                trimmed.base = start;
                trimmed.size = end - start;
            }
            ++i;
        } else {
            delete_region(t, i);
        }
    }
}

const MemblockRegion& region(const MemblockType& t, u64 index) {
    BATON_ASSERT(index < t.cnt || index == 0);
    return entries(t)[index];
}

std::optional<u64> search(const MemblockType& t, PhysAddr a) {
    const MemblockRegion* e = entries(t);
    u64 low = 0;
    u64 high = t.cnt;
    u64 looked_at = 0;
    std::optional<u64> found;
    while (low < high && !found) {
        const u64 middle = low + (high - low) / 2;
        ++looked_at;
        if (a < e[middle].base)
            high = middle;
        else if (a >= e[middle].end())
            low = middle + 1;
        else
            found = middle;
    }
    platform::charge(Work::kMemblockScans, looked_at);
    return found;
}

bool is_memory(const Memblock& mb, PhysAddr a) { return search(mb.memory, a).has_value(); }
bool is_reserved(const Memblock& mb, PhysAddr a) { return search(mb.reserved, a).has_value(); }

bool overlaps(const MemblockType& t, PhysRange r) {
    const u64 size = cap(r);
    const MemblockRegion* e = entries(t);
    u64 i = 0;
    while (i < t.cnt && !(r.start < e[i].end() && e[i].base < r.start + size)) ++i;
    platform::charge(Work::kMemblockScans, std::min(i + 1, t.cnt));
    return i < t.cnt;
}

PhysAddr start_of_dram(const Memblock& mb) { return entries(mb.memory)[0].base; }
PhysAddr end_of_dram(const Memblock& mb) {
    const u64 cnt = mb.memory.cnt;
    return entries(mb.memory)[cnt == 0 ? 0 : cnt - 1].end();
}

u64 reserved_kern_size(const Memblock& mb, u64 limit, NodeId nid) {
    const MemblockRegion* e = entries(mb.reserved);
    u64 sum = 0;
    u64 i = 0;
    for (; i < mb.reserved.cnt && e[i].base.value <= limit; ++i) {
        const bool on_node = nid == kNoNode || e[i].nid == nid.value;
        if (on_node && (e[i].flags & kMemblockReservedKern) != 0)
            sum += std::min(e[i].end().value, limit) - e[i].base.value;
    }
    platform::charge(Work::kMemblockScans, i);
    return sum;
}

}  // namespace baton::memblock
