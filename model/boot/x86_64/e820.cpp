// SPDX-License-Identifier: GPL-2.0-only
// Sanitising by sweeping over the change points: between two neighbouring ones the set of covering entries is constant,
// so each piece has one type. At most 256 points × 128 entries.
#include "model/boot/x86_64/e820.hpp"

#include <algorithm>

namespace baton::boot {
namespace {

// Physical addresses have at most 52 bits; what a map says beyond them cannot be memory.
inline constexpr u64 kPhysicalEnd = u64{1} << 52;

u64 clipped_end(const E820Entry& e) {
    if (e.start >= kPhysicalEnd) return e.start;
    return e.start + std::min(u64{e.size}, kPhysicalEnd - e.start);
}

u32 type_between(std::span<const E820Entry> raw, u64 start, u64 end) {
    u32 type = 0;
    for (const E820Entry& e : raw)
        if (e.start <= start && clipped_end(e) >= end) type = std::max(type, u32{e.type});
    return type;
}

bool extends(const MemoryMapEntry& last, u64 start, u32 type) {
    return last.start.value + last.size == start && last.type == type && type != static_cast<u32>(MemoryType::kPmem);
}

}  // namespace

u32 sanitise_e820(std::span<const E820Entry> raw, std::span<MemoryMapEntry> out) {
    BATON_ASSERT(raw.size() <= kE820EntriesMax);
    u64 points[2 * kE820EntriesMax];
    u32 count = 0;
    for (const E820Entry& e : raw) {
        platform::charge(Work::kBytesCopied, sizeof(E820Entry));
        points[count++] = e.start;
        points[count++] = clipped_end(e);
    }
    std::sort(points, points + count);

    u32 written = 0;
    u64 dropped = 0;
    for (u32 i = 1; i < count; ++i) {
        const u64 start = points[i - 1];
        const u64 end = points[i];
        if (start == end) continue;
        const u32 type = type_between(raw, start, end);
        if (type == 0) continue;
        if (written != 0 && extends(out[written - 1], start, type))
            out[written - 1].size += end - start;
        else if (written < out.size())
            out[written++] = {.start = {start}, .size = end - start, .type = type, .nid = 0};
        else
            ++dropped;
    }
    if (dropped != 0) platform::log(LogLevel::kWarn, Log::kE820Truncated, dropped);
    return written;
}

}  // namespace baton::boot
