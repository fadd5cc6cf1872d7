// SPDX-License-Identifier: GPL-2.0-only
// Questions about the lists (specs/memblock.md §2.4, §7).
//
// Linux finds an address by binary search and everything else by scanning. Here all are binary searches without
// unpredictable branches; what is charged is the number of entries that Linux would have looked at.
#include "model/mm/memblock_internal.hpp"

namespace baton::memblock {

using namespace internal;

// The appended and the prepended range are common: a map is built in order.
u64 internal::first_ending_above(const MemblockType& t, PhysAddr a) {
    if (is_empty(t)) return 0;
    const MemblockRegion* e = entries(t);
    if (e[t.cnt - 1].end() <= a) return t.cnt;
    u64 first = 0;
    for (u64 n = t.cnt - 1; n != 0;) {  // the answer is in [first, first + n]
        const u64 half = (n + 1) / 2;
        first = e[first + half - 1].end() <= a ? first + half : first;
        n -= half;
    }
    return first;
}

const MemblockRegion& region(const MemblockType& t, u64 index) {
    BATON_ASSERT(index < t.cnt || index == 0);
    return entries(t)[index];
}

// Descends by base alone. Linux compares with both ends and stops at the region that holds `a`; that is the last one
// from which the descent turned right, so its probe is remembered.
std::optional<u64> search(const MemblockType& t, PhysAddr a) {
    const MemblockRegion* e = entries(t);
    u64 low = 0;
    u64 high = t.cnt;
    u64 probes = 0;
    u64 last_right = 0;
    while (low < high) {
        const u64 middle = (low + high) / 2;
        const bool right = e[middle].base <= a;
        ++probes;
        last_right = right ? probes : last_right;
        low = right ? middle + 1 : low;
        high = right ? high : middle;
    }
    const bool found = low != 0 && a < e[low - 1].end();
    platform::charge(Work::kMemblockScans, found ? last_right : probes);
    if (!found) return std::nullopt;
    return low - 1;
}

bool is_memory(const Memblock& mb, PhysAddr a) { return search(mb.memory, a).has_value(); }
bool is_reserved(const Memblock& mb, PhysAddr a) { return search(mb.reserved, a).has_value(); }
bool is_map_memory(const Memblock& mb, PhysAddr a) {
    const auto i = search(mb.memory, a);
    return i && (entries(mb.memory)[*i].flags & kMemblockNomap) == 0;
}

bool is_region_memory(const Memblock& mb, PhysRange r) {
    const auto i = search(mb.memory, r.start);
    return i && entries(mb.memory)[*i].end() >= r.start + cap(r);
}

bool is_region_reserved(const Memblock& mb, PhysRange r) { return overlaps(mb.reserved, r); }

bool overlaps(const MemblockType& t, PhysRange r) {
    const PhysAddr end = r.start + cap(r);
    const u64 i = first_ending_above(t, r.start);
    const bool found = i < t.cnt && entries(t)[i].base < end;
    platform::charge(Work::kMemblockScans, found ? i + 1 : t.cnt);
    return found;
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
