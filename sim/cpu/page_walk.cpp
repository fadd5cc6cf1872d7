// SPDX-License-Identifier: GPL-2.0-only
#include "sim/cpu/page_walk.hpp"

#include <fmt/format.h>

namespace baton::sim {
namespace {

constexpr std::string_view reason(WalkFault fault) {
    switch (fault) {
        case WalkFault::kNone: return "mapped";
        case WalkFault::kAddress: return "no such address";
        case WalkFault::kClosed: return "this half of the address space is closed";
        case WalkFault::kNotPresent: return "not present";
        case WalkFault::kReserved: return "reserved bit set";
        case WalkFault::kAccessFlag: return "access flag clear";
        case WalkFault::kPermission: return "not allowed";
    }
    return "";
}

std::string size_text(u64 bytes) {
    if (bytes >= kGiB) return fmt::format("{} GiB", bytes / kGiB);
    return bytes >= kMiB ? fmt::format("{} MiB", bytes / kMiB) : fmt::format("{} KiB", bytes / kKiB);
}

}  // namespace

std::string to_text(const PageWalk& walk, VirtAddr va) {
    std::string text = fmt::format("{:#x}: {}", va.value, reason(walk.fault));
    if (walk.leaf_bytes != 0)
        text += fmt::format(" -> {:#x} ({} leaf, kernel r{}{}, user {}{}{})", walk.address.value,
                            size_text(walk.leaf_bytes), walk.kernel_write ? 'w' : '-', walk.kernel_execute ? 'x' : '-',
                            walk.user_read ? 'r' : '-', walk.user_write ? 'w' : '-', walk.user_execute ? 'x' : '-');
    for (u32 i = 0; i < walk.step_count; ++i)
        text += fmt::format("\n  level {}: [{:#x}] = {:#018x}", walk.steps[i].level, walk.steps[i].entry_at.value,
                            walk.steps[i].entry);
    return text;
}

}  // namespace baton::sim
