// SPDX-License-Identifier: GPL-2.0-only
// Making memory smaller: page trimming, mem=, and the window of a crash kernel (specs/memblock.md §2.4).
//
// None of these reports an error: where an array that must grow cannot, Linux leaves the rest undone.
#include <optional>

#include "model/mm/memblock_internal.hpp"

namespace baton::memblock {

using namespace internal;

namespace {

// The address below which `bytes` of memory lie; nothing if there is less memory.
std::optional<PhysAddr> address_of(const Memblock& mb, u64 bytes) {
    const MemblockRegion* e = entries(mb.memory);
    std::optional<PhysAddr> found;
    u64 i = 0;
    for (; i < mb.memory.cnt && !found; ++i) {
        if (bytes <= e[i].size) found = e[i].base + bytes;
        bytes -= e[i].size;
    }
    platform::charge(Work::kMemblockScans, i);
    return found;
}

void delete_mapped(MemblockType& t, Interval of) {
    for (u64 i = of.last; i > of.first; --i) {
        platform::charge(Work::kMemblockScans, 1);
        if ((entries(t)[i - 1].flags & kMemblockNomap) == 0) delete_regions(t, {i - 1, i});
    }
}

}  // namespace

// Rounding up the base of a region in the last page of the address space wraps to 0, as upstream's does.
void trim_memory(Memblock& mb, u64 align) {
    BATON_ASSERT(is_power_of_two(align));
    MemblockType& t = mb.memory;
    platform::charge(Work::kMemblockScans, t.cnt);
    for (u64 i = 0; i < t.cnt;) {
        const MemblockRegion r = entries(t)[i];
        const PhysAddr start = align_up(r.base, align);
        const PhysAddr end = align_down(r.end(), align);
        if (start == r.base && end == r.end()) {
            ++i;
        } else if (start < end) {
            MemblockRegion& trimmed = *claim(t, i, 1);
            trimmed.base = start;
            trimmed.size = end - start;
            ++i;
        } else {
            delete_regions(t, {i, i + 1});
        }
    }
}

void enforce_memory_limit(Memblock& mb, u64 bytes) {
    if (bytes == 0) return;
    const auto top = address_of(mb, bytes);
    if (!top) return;
    const PhysRange above{*top, ~u64{0}};
    (void)remove(mb, above);
    (void)release(mb, above);
}

void cap_memory_range(Memblock& mb, PhysRange r) {
    if (r.empty()) return;
    if (mb.memory.total_size == 0) return;
    const auto inside = isolate(mb, mb.memory, r);
    if (!inside) return;
    delete_mapped(mb.memory, {inside->last, mb.memory.cnt});
    delete_mapped(mb.memory, {0, inside->first});
    (void)release(mb, {{0}, r.start.value});
    (void)release(mb, {r.end(), ~u64{0}});
}

void limit_memory_keep_nomap(Memblock& mb, u64 bytes) {
    if (bytes == 0) return;
    if (const auto top = address_of(mb, bytes)) cap_memory_range(mb, {{0}, top->value});
}

}  // namespace baton::memblock
