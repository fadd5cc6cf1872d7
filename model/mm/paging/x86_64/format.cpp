// SPDX-License-Identifier: GPL-2.0-only
#include "model/mm/paging/x86_64/format.hpp"

#include "model/mm/paging/paging.hpp"

namespace baton::paging::x86_64 {
namespace {

enum Bit : u64 {
    kPresent = 1ull << 0,
    kWritable = 1ull << 1,
    kUncached = 3ull << 3,  // PCD, PWT
    kAccessed = 1ull << 5,
    kDirty = 1ull << 6,
    kPageSize = 1ull << 7,  // a leaf above level 0
    kGlobal = 1ull << 8,
    kNoExecute = 1ull << 63,
};
inline constexpr u64 kAddressMask = 0x000ffffffffff000;

}  // namespace

u64 table_entry(PhysAddr table) { return table.value | kPresent | kWritable | kAccessed | kDirty; }

u64 leaf_entry(PhysAddr address, u32 level, u32 flags) {
    u64 e = address.value | kPresent | kAccessed | kDirty;
    if (level > 0) e |= kPageSize;
    if (flags & kMapWrite) e |= kWritable;
    if (flags & kMapGlobal) e |= kGlobal;
    if (!(flags & kMapExecute)) e |= kNoExecute;
    if (flags & kMapDevice) e |= kUncached;
    return e;
}

Entry decode(u64 raw, u32 level) {
    if (!(raw & kPresent)) return {};
    const bool leaf = level == 0 || (raw & kPageSize) != 0;
    if (leaf && level > kLeafLevelMax) return {};  // reserved bit: a fault on real hardware
    Entry e{leaf ? Entry::Kind::kLeaf : Entry::Kind::kTable, {raw & kAddressMask}, 0};
    if (raw & kWritable) e.flags |= kMapWrite;
    if (!(raw & kNoExecute)) e.flags |= kMapExecute;
    if (leaf && (raw & kGlobal)) e.flags |= kMapGlobal;
    if (leaf && (raw & kUncached)) e.flags |= kMapDevice;
    return e;
}

}  // namespace baton::paging::x86_64
