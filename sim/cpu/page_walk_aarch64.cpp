// SPDX-License-Identifier: GPL-2.0-only
// AArch64: VMSAv8-64 stage 1 of EL1&0 (specs/boot.md §4). The granule and the size of each half come from TCR_EL1.
#include "sim/cpu/page_walk.hpp"

namespace baton::sim {
namespace {

inline constexpr u64 kSctlrM = 1;
inline constexpr u64 kSctlrWxn = u64{1} << 19;
inline constexpr u64 kValid = 1;
inline constexpr u64 kTableOrPage = 2;
inline constexpr u64 kUser = u64{1} << 6;      // AP[1]
inline constexpr u64 kReadOnly = u64{1} << 7;  // AP[2]
inline constexpr u64 kAccessFlag = u64{1} << 10;
inline constexpr u64 kPxn = u64{1} << 53;
inline constexpr u64 kUxn = u64{1} << 54;
inline constexpr u64 kPxnTable = u64{1} << 59;
inline constexpr u64 kUxnTable = u64{1} << 60;
inline constexpr u64 kNoUserTable = u64{1} << 61;  // APTable[0]
inline constexpr u64 kReadOnlyTable = u64{1} << 62;
inline constexpr u64 kOutputMask = (u64{1} << 48) - 1;

/// One half of the address space.
struct Half {
    u64 root = 0;
    u32 va_bits = 0;
    u32 page_shift = 0;
    bool disabled = false;
};

Half half_of(const ArmPaging& p, bool high) {
    constexpr u32 kShiftTg0[] = {12, 16, 14, 0};
    constexpr u32 kShiftTg1[] = {0, 14, 12, 16};
    if (high)
        return {p.ttbr1 & kOutputMask, 64 - static_cast<u32>(p.tcr >> 16 & 63), kShiftTg1[p.tcr >> 30 & 3],
                (p.tcr >> 23 & 1) != 0};
    return {p.ttbr0 & kOutputMask, 64 - static_cast<u32>(p.tcr & 63), kShiftTg0[p.tcr >> 14 & 3],
            (p.tcr >> 7 & 1) != 0};
}

/// What the tables on the way to the leaf take away.
struct Limits {
    bool read_only = false;
    bool no_user = false;
    bool pxn = false;
    bool uxn = false;
};

void set_rights(PageWalk& walk, u64 leaf, const Limits& limits, bool wxn) {
    const bool writable = !(leaf & kReadOnly) && !limits.read_only;
    const bool user = (leaf & kUser) && !limits.no_user;
    walk.kernel_write = writable;
    walk.user_read = user;
    walk.user_write = user && writable;
    // EL1 never executes what EL0 can write.
    walk.kernel_execute = !(leaf & kPxn) && !limits.pxn && !walk.user_write && !(wxn && walk.kernel_write);
    // EL0 executes with UXN alone: reading is another right.
    walk.user_execute = !(leaf & kUxn) && !limits.uxn && !(wxn && walk.user_write);
}

bool allowed(const PageWalk& walk, WalkAccess access) {
    switch (access.kind) {
        case WalkAccess::Kind::kRead: return !access.user || walk.user_read;
        case WalkAccess::Kind::kWrite: return access.user ? walk.user_write : walk.kernel_write;
        case WalkAccess::Kind::kFetch: return access.user ? walk.user_execute : walk.kernel_execute;
    }
    return false;
}

}  // namespace

PageWalk walk_aarch64(const PhysicalMemory& memory, const ArmPaging& paging, VirtAddr va, WalkAccess access) {
    PageWalk walk;
    if (!(paging.sctlr & kSctlrM)) {
        walk.address = {va.value};
        walk.leaf_bytes = kFrameSize;
        walk.kernel_write = walk.kernel_execute = walk.user_read = walk.user_write = walk.user_execute = true;
        return walk;
    }
    const auto fail = [&](WalkFault fault) {
        walk.fault = fault;
        return walk;
    };
    const bool high = (va.value >> 55 & 1) != 0;
    const Half half = half_of(paging, high);
    if (half.page_shift == 0 || half.va_bits > 48 || half.va_bits <= half.page_shift) return fail(WalkFault::kAddress);
    if ((high ? ~va.value : va.value) >> half.va_bits != 0) return fail(WalkFault::kAddress);
    if (half.disabled) return fail(WalkFault::kClosed);
    const u32 index_bits = half.page_shift - 3;
    const u32 levels = (half.va_bits - half.page_shift + index_bits - 1) / index_bits;
    const u64 in_half = va.value & ((u64{1} << half.va_bits) - 1);
    const u64 page_mask = (u64{1} << half.page_shift) - 1;
    Limits limits;
    PhysAddr table{half.root & ~u64{1}};  // bit 0 is CnP
    u64 entry = 0;
    for (u32 level = levels; level-- != 0;) {
        const u32 shift = half.page_shift + level * index_bits;
        const PhysAddr at = table + (in_half >> shift & ((u64{1} << index_bits) - 1)) * sizeof(u64);
        entry = memory.load<u64>(at).value_or(0);
        walk.level = level;
        walk.steps[walk.step_count++] = {level, at, entry};
        if (!(entry & kValid)) return fail(WalkFault::kNotPresent);
        if (level != 0 && (entry & kTableOrPage)) {
            limits.read_only |= (entry & kReadOnlyTable) != 0;
            limits.no_user |= (entry & kNoUserTable) != 0;
            limits.pxn |= (entry & kPxnTable) != 0;
            limits.uxn |= (entry & kUxnTable) != 0;
            table = {entry & kOutputMask & ~page_mask};
            continue;
        }
        // Blocks: 1 GiB and 2 MiB with 4K pages, 32 MiB with 16K, 512 MiB with 64K.
        const u32 block_level_max = half.page_shift == 12 ? 2 : 1;
        if (level > block_level_max || (level == 0 && !(entry & kTableOrPage))) return fail(WalkFault::kNotPresent);
        walk.leaf_bytes = u64{1} << shift;
        break;
    }
    walk.address = {(entry & kOutputMask & ~(walk.leaf_bytes - 1)) | (va.value & (walk.leaf_bytes - 1))};
    set_rights(walk, entry, limits, (paging.sctlr & kSctlrWxn) != 0);
    if (!(entry & kAccessFlag)) return fail(WalkFault::kAccessFlag);
    return allowed(walk, access) ? walk : fail(WalkFault::kPermission);
}

}  // namespace baton::sim
