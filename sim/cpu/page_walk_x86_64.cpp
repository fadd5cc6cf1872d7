// SPDX-License-Identifier: GPL-2.0-only
// x86-64: four levels of 512 entries, leaves of 4 KiB, 2 MiB and 1 GiB.
#include "sim/cpu/page_walk.hpp"

namespace baton::sim {
namespace {

inline constexpr u64 kCr0Wp = u64{1} << 16;
inline constexpr u64 kCr0Pg = u64{1} << 31;
inline constexpr u64 kEferNxe = u64{1} << 11;
inline constexpr u64 kPresent = 1;
inline constexpr u64 kWritable = 2;
inline constexpr u64 kUser = 4;
inline constexpr u64 kLeaf = 0x80;
inline constexpr u64 kNoExecute = u64{1} << 63;
inline constexpr u32 kPhysicalBits = 40;  // of the CPU model
inline constexpr u64 kAddressMask = 0x000ffffffffff000;
inline constexpr u32 kLevels = 4;

constexpr bool canonical(u64 va) { return static_cast<u64>(static_cast<i64>(va << 16) >> 16) == va; }
constexpr u64 bytes_of_level(u32 level) { return u64{1} << (12 + 9 * level); }

u64 reserved_bits(u64 entry, u32 level, bool nxe) {
    u64 reserved = kAddressMask & ~((u64{1} << kPhysicalBits) - 1);
    if (!nxe) reserved |= kNoExecute;
    if (level == kLevels - 1) reserved |= kLeaf;
    // Below the address of a large leaf only the PAT bit (12) may be set.
    if (level != 0 && level != kLevels - 1 && (entry & kLeaf)) reserved |= (bytes_of_level(level) - 1) & ~u64{0x1fff};
    return entry & reserved;
}

}  // namespace

PageWalk walk_x86_64(const PhysicalMemory& memory, const X86Paging& paging, VirtAddr va, WalkAccess access) {
    PageWalk walk;
    if (!(paging.cr0 & kCr0Pg)) {
        walk.address = {va.value};
        walk.leaf_bytes = kFrameSize;
        walk.kernel_write = walk.kernel_execute = walk.user_read = walk.user_write = walk.user_execute = true;
        return walk;
    }
    const auto fail = [&](WalkFault fault) {
        walk.fault = fault;
        return walk;
    };
    walk.level = kLevels - 1;
    if (!canonical(va.value)) return fail(WalkFault::kAddress);
    const bool nxe = (paging.efer & kEferNxe) != 0;
    bool writable = true;
    bool user = true;
    bool execute = true;
    PhysAddr table{paging.cr3 & kAddressMask};
    for (u32 level = kLevels; level-- != 0;) {
        const PhysAddr at = table + (va.value >> (12 + 9 * level) & 511) * sizeof(u64);
        const u64 entry = memory.load<u64>(at).value_or(0);
        walk.level = level;
        walk.steps[walk.step_count++] = {level, at, entry};
        if (!(entry & kPresent)) return fail(WalkFault::kNotPresent);
        if (reserved_bits(entry, level, nxe) != 0) return fail(WalkFault::kReserved);
        writable &= (entry & kWritable) != 0;
        user &= (entry & kUser) != 0;
        execute &= (entry & kNoExecute) == 0;
        table = {entry & kAddressMask};
        if (level == 0 || (entry & kLeaf)) break;
    }
    walk.leaf_bytes = bytes_of_level(walk.level);
    walk.address = {(table.value & ~(walk.leaf_bytes - 1)) | (va.value & (walk.leaf_bytes - 1))};
    walk.kernel_write = writable || !(paging.cr0 & kCr0Wp);
    walk.kernel_execute = execute;
    walk.user_read = user;
    walk.user_write = user && writable;
    walk.user_execute = user && execute;
    using Kind = WalkAccess::Kind;
    const bool allowed = access.kind == Kind::kRead    ? !access.user || walk.user_read
                         : access.kind == Kind::kWrite ? (access.user ? walk.user_write : walk.kernel_write)
                                                       : (access.user ? walk.user_execute : walk.kernel_execute);
    return allowed ? walk : fail(WalkFault::kPermission);
}

}  // namespace baton::sim
