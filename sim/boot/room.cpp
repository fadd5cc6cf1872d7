// SPDX-License-Identifier: GPL-2.0-only
#include "sim/boot/room.hpp"

#include <algorithm>

#include "model/bits.hpp"

namespace baton::sim {

Room::Room(const MachineMap& map, u64 page_bytes) : page_bytes_(page_bytes) {
    for (const MemoryMapEntry& e : map.entries) {
        if (e.type != static_cast<u32>(MemoryType::kRam)) continue;
        const PhysAddr start = align_up(e.start, page_bytes);
        const PhysAddr end = align_down(e.start + e.size, page_bytes);
        if (end > start) runs_.push_back({start, end - start});
    }
    for (const PhysRange& r : map.reserved) take(r);
}

void Room::take(PhysRange range) {
    if (range.empty()) return;
    const PhysAddr start = align_down(range.start, page_bytes_);
    const PhysAddr end = align_up(range.end(), page_bytes_);
    std::vector<PhysRange> left;
    for (const PhysRange& r : runs_) {
        if (r.start < start) left.push_back({r.start, std::min(r.end(), start) - r.start});
        if (r.end() > end) {
            const PhysAddr from = std::max(r.start, end);
            left.push_back({from, r.end() - from});
        }
    }
    runs_ = std::move(left);
}

bool Room::is_free(PhysRange range) const {
    return std::ranges::any_of(runs_, [&](const PhysRange& r) { return r.contains(range); });
}

std::optional<PhysAddr> Room::lowest(u64 size, u64 align, PhysAddr from, PhysAddr to) const {
    for (const PhysRange& r : runs_) {
        const PhysAddr at = align_up(std::max(r.start, from), align);
        const PhysAddr end = std::min(r.end(), to);
        if (at < end && size <= end - at) return at;
    }
    return std::nullopt;
}

std::optional<PhysAddr> Room::highest(u64 size, u64 align, PhysAddr from, PhysAddr to) const {
    for (auto r = runs_.rbegin(); r != runs_.rend(); ++r) {
        const PhysAddr start = std::max(r->start, from);
        const PhysAddr end = std::min(r->end(), to);
        if (end <= start || size > end - start) continue;
        const PhysAddr at = align_down(end - size, align);
        if (at >= start) return at;
    }
    return std::nullopt;
}

}  // namespace baton::sim
