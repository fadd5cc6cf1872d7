// SPDX-License-Identifier: GPL-2.0-only
#include "model/mm/paging/aarch64/format.hpp"

#include "model/mm/paging/paging.hpp"

namespace baton::paging::aarch64 {
namespace {

enum Bit : u64 {
    kValid = 1ull << 0,
    kTableOrPage = 1ull << 1,  // clear: a block (levels above 0 only)
    kDeviceIndex = 4ull << 2,  // MAIR index 4: device nGnRE
    kReadOnly = 1ull << 7,     // AP[2]
    kInnerShareable = 3ull << 8,
    kAccessFlag = 1ull << 10,
    kNotGlobal = 1ull << 11,
    kPrivilegedNoExecute = 1ull << 53,
    kUserNoExecute = 1ull << 54,
    // In a table descriptor: limits on everything below it.
    kTableReadOnly = 1ull << 62,             // APTable[1]
    kTablePrivilegedNoExecute = 1ull << 59,  // PXNTable
};
inline constexpr u64 kAddressMask = 0x0000fffffffff000;

}  // namespace

u64 table_entry(PhysAddr table) { return table.value | kValid | kTableOrPage; }

u64 leaf_entry(PhysAddr address, u32 level, u32 flags) {
    u64 e = address.value | kValid | kAccessFlag | kInnerShareable | kUserNoExecute;
    if (level == 0) e |= kTableOrPage;
    if (flags & kMapDevice) e |= kDeviceIndex;
    if (!(flags & kMapWrite)) e |= kReadOnly;
    if (!(flags & kMapExecute)) e |= kPrivilegedNoExecute;
    if (!(flags & kMapGlobal)) e |= kNotGlobal;
    return e;
}

Entry decode(const Geometry& g, u64 raw, u32 level) {
    if (!(raw & kValid)) return {};
    const bool table_or_page = (raw & kTableOrPage) != 0;
    if (level == 0 && !table_or_page) return {};                 // reserved
    if (!table_or_page && level > leaf_level_max(g)) return {};  // no such block
    const u64 address = raw & kAddressMask & ~(g.page_size() - 1);
    if (level > 0 && table_or_page) {
        Entry e{Entry::Kind::kTable, {address}, 0};
        if (!(raw & kTableReadOnly)) e.flags |= kMapWrite;
        if (!(raw & kTablePrivilegedNoExecute)) e.flags |= kMapExecute;
        return e;
    }
    Entry e{Entry::Kind::kLeaf, {address}, 0};
    if (!(raw & kReadOnly)) e.flags |= kMapWrite;
    if (!(raw & kPrivilegedNoExecute)) e.flags |= kMapExecute;
    if (!(raw & kNotGlobal)) e.flags |= kMapGlobal;
    if (raw & kDeviceIndex) e.flags |= kMapDevice;
    return e;
}

}  // namespace baton::paging::aarch64
