// SPDX-License-Identifier: GPL-2.0-only
#include "sim/ownership/dma_map.hpp"

#include <algorithm>

namespace baton::sim {
namespace {

inline constexpr std::size_t kMappingsMax = 4096;  // of those that are gone, the oldest are forgotten
inline constexpr u64 kSavedBytes = 24;

}  // namespace

void DmaMap::map(u32 slot, PhysRange range) {
    std::erase_if(mappings_,
                  [&](const Mapping& m) { return m.slot == slot && m.fate != Fate::kLive && range.contains(m.range); });
    if (mappings_.size() >= kMappingsMax)
        if (const auto gone = std::ranges::find_if(mappings_, [](const Mapping& m) { return m.fate != Fate::kLive; });
            gone != mappings_.end())
            mappings_.erase(gone);
    mappings_.push_back({slot, range, Fate::kLive});
}

void DmaMap::unmap(u32 slot, PhysRange range) {
    for (Mapping& m : mappings_)
        if (m.slot == slot && m.range == range && m.fate == Fate::kLive) m.fate = Fate::kUnmapped;
}

// What is left of a mapping on either side goes on.
void DmaMap::release(PhysRange range) {
    for (std::size_t i = 0; i < mappings_.size(); ++i) {
        const Mapping m = mappings_[i];
        if (m.fate != Fate::kLive || !m.range.overlaps(range)) continue;
        const PhysAddr from = std::max(m.range.start, range.start);
        const PhysAddr to = std::min(m.range.end(), range.end());
        mappings_[i] = {m.slot, {from, to - from}, Fate::kUnmapped};
        if (m.range.start < from) mappings_.push_back({m.slot, {m.range.start, from - m.range.start}, Fate::kLive});
        if (to < m.range.end()) mappings_.push_back({m.slot, {to, m.range.end() - to}, Fate::kLive});
    }
}

void DmaMap::jump(const OwnershipMap& owners) {
    for (Mapping& m : mappings_) {
        if (m.fate != Fate::kLive) continue;
        const std::vector<OwnedRun> runs = owners.runs(m.range);
        if (!std::ranges::all_of(runs, [](const OwnedRun& r) { return r.owner == Owner::kPreserved; }))
            m.fate = Fate::kLost;
    }
}

DmaMap::Found DmaMap::find(u32 slot, PhysRange range) const {
    Found found;
    for (const Mapping& m : mappings_) {
        if (m.slot != slot) continue;
        if (m.fate == Fate::kLive && m.range.contains(range)) found.live = true;
        if (m.fate == Fate::kUnmapped && m.range.overlaps(range)) found.unmapped = true;
        if (m.fate == Fate::kLost && m.range.overlaps(range)) found.lost = true;
    }
    return found;
}

void DmaMap::save(ByteWriter& to) const {
    to.put(u64{mappings_.size()});
    for (const Mapping& m : mappings_) {
        to.put(m.slot);
        to.put(static_cast<u32>(m.fate));
        to.put(m.range.start.value);
        to.put(m.range.size);
    }
}

void DmaMap::load(ByteReader& from) {
    std::vector<Mapping> loaded;
    for (u64 n = from.get_count(kSavedBytes); n > 0; --n) {
        Mapping m;
        m.slot = from.get<u32>();
        const u32 fate = from.get<u32>();
        if (m.slot >= device::kSlots || fate > static_cast<u32>(Fate::kLost)) from.fail("has a DMA mapping of nobody");
        m.fate = static_cast<Fate>(fate);
        m.range.start = {from.get<u64>()};
        m.range.size = from.get<u64>();
        loaded.push_back(m);
    }
    mappings_ = std::move(loaded);
}

}  // namespace baton::sim
