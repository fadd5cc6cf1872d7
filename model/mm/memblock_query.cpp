// SPDX-License-Identifier: GPL-2.0-only
// Questions about the lists (specs/memblock.md §2.4, §7).
//
// Linux finds an address by binary search and everything else by scanning. Here all are binary searches without
// unpredictable branches; what is charged is the number of entries that Linux would have looked at.
#include "model/mm/memblock_internal.hpp"

namespace baton::memblock {

using namespace internal;

// The appended range is common: a map is built in order.
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

namespace {

inline constexpr u64 kNowhere = ~u64{0};

// A choice that compiles to arithmetic: a binary search's turns cannot be predicted.
inline u64 choose(bool c, u64 yes, u64 no) { return no ^ ((yes ^ no) & (0 - u64{c})); }

/// A binary search over bases, with Linux's midpoints. Both places to look at next are known before the comparison is,
/// so that a step costs little more than its load; where that may miss the cache, both are fetched meanwhile (without,
/// 100,000 regions take twice as long).
struct Descent {
    u64 left;        // entries not yet ruled out
    u64 middle;      // of these; where they would be, once there are none
    u64 probes = 0;  // entries looked at
    u64 turns = 0;   // one bit a probe, the latest lowest: 1 = to the right

    template <bool kPrefetch>
    void down(const MemblockRegion* e, PhysAddr a) {
        while (left != 0) {
            const u64 lower_n = left / 2;
            const u64 upper_n = (left - 1) / 2;
            const u64 lower = middle - (lower_n - lower_n / 2);
            const u64 upper = middle + 1 + upper_n / 2;
            if constexpr (kPrefetch) {
                __builtin_prefetch(e + lower);
                __builtin_prefetch(e + upper);
            }
            const bool turn_right = e[middle].base <= a;
            ++probes;
            turns = turns * 2 + u64{turn_right};
            middle = choose(turn_right, upper, lower);
            left = choose(turn_right, upper_n, lower_n);
        }
    }
};

// Linux compares with both ends of a region and stops at the one that holds `a`: that is the last one from which a
// descent by base alone turns right, and as many entries are charged.
u64 index_of(const MemblockType& t, PhysAddr a) {
    constexpr u64 kInCache = 8192;  // as many stay in a second-level cache
    const MemblockRegion* e = entries(t);
    Descent d{.left = t.cnt, .middle = t.cnt / 2};
    t.cnt > kInCache ? d.down<true>(e, a) : d.down<false>(e, a);
    const bool found = d.middle != 0 && a < e[d.middle - 1].end();
    platform::charge(Work::kMemblockScans, found ? d.probes - ctz(d.turns) : d.probes);
    return found ? d.middle - 1 : kNowhere;
}

}  // namespace

std::optional<u64> search(const MemblockType& t, PhysAddr a) {
    const u64 i = index_of(t, a);
    if (i == kNowhere) return std::nullopt;
    return i;
}

bool is_memory(const Memblock& mb, PhysAddr a) { return index_of(mb.memory, a) != kNowhere; }
bool is_reserved(const Memblock& mb, PhysAddr a) { return index_of(mb.reserved, a) != kNowhere; }
bool is_map_memory(const Memblock& mb, PhysAddr a) {
    const u64 i = index_of(mb.memory, a);
    return i != kNowhere && (entries(mb.memory)[i].flags & kMemblockNomap) == 0;
}

bool is_region_memory(const Memblock& mb, PhysRange r) {
    const u64 i = index_of(mb.memory, r.start);
    return i != kNowhere && entries(mb.memory)[i].end() >= r.start + cap(r);
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
