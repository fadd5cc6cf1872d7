// SPDX-License-Identifier: GPL-2.0-only
#include "sim/iommu/stage.hpp"

#include <algorithm>

namespace baton::sim {
namespace {

inline constexpr u64 kSavedEntryBytes = 28;
inline constexpr std::size_t kFormerMax = 4 * device::kIommuEntriesMax;

const IommuEntry* covering(const std::vector<IommuEntry>& entries, u32 slot, u64 bus, u64 bytes) {
    for (auto e = entries.rbegin(); e != entries.rend(); ++e)
        if (e->slot == slot && bus >= e->bus && bus - e->bus < e->range.size && bytes <= e->range.size - (bus - e->bus))
            return &*e;
    return nullptr;
}

void put(ByteWriter& to, const IommuEntry& e) {
    to.put(e.slot);
    to.put(e.bus);
    to.put(e.range.start.value);
    to.put(e.range.size);
}

IommuEntry get(ByteReader& from) {
    IommuEntry e;
    e.slot = from.get<u32>();
    e.bus = from.get<u64>();
    e.range.start = {from.get<u64>()};
    e.range.size = from.get<u64>();
    return e;
}

}  // namespace

IommuStage::Answer IommuStage::translate(u32 slot, u64 bus, u64 bytes) const {
    Answer a{.phys = {bus}};
    const IommuEntry* e = covering(state_.entries, slot, bus, bytes);
    const IommuEntry* meant = e != nullptr ? e : covering(state_.former, slot, bus, bytes);
    a.listed = e != nullptr;
    switch (state_.mode) {
        case Mode::kOff:
        case Mode::kPassThrough: a.passes = true; break;
        case Mode::kAllowList:
            a.passes = e != nullptr;
            if (e != nullptr) a.phys = e->range.start + (bus - e->bus);
            break;
        case Mode::kBlockAll:
        case Mode::kCount: break;
    }
    a.stale = meant != nullptr && meant->range.start + (bus - meant->bus) != a.phys;
    return a;
}

bool IommuStage::read(u64 reg, u32 width, u64& value) const {
    using namespace device;
    switch (reg) {
        case kIommuId: value = kIommuPresent; return width == 4;
        case kIommuMode: value = static_cast<u32>(state_.mode); return width == 4;
        case kIommuFaults: value = state_.faults; return width == 8;
        case kIommuDevice: value = state_.staged.slot; return width == 4;
        case kIommuBus: value = state_.staged.bus; return width == 8;
        case kIommuPhys: value = state_.staged.range.start.value; return width == 8;
        case kIommuBytes: value = state_.staged.range.size; return width == 8;
        case kIommuEntries: value = state_.entries.size(); return width == 4;
        default: return false;
    }
}

bool IommuStage::write(u64 reg, u32 width, u64 value) {
    using namespace device;
    switch (reg) {
        case kIommuMode:
            // What is no mode is ignored, as reserved values are.
            if (value < static_cast<u64>(Mode::kCount)) state_.mode = static_cast<Mode>(value);
            return width == 4;
        case kIommuDevice: state_.staged.slot = static_cast<u32>(value); return width == 4;
        case kIommuCommand: command(static_cast<IommuCommand>(value)); return width == 4;
        case kIommuBus: state_.staged.bus = value; return width == 8;
        case kIommuPhys: state_.staged.range.start = {value}; return width == 8;
        case kIommuBytes: state_.staged.range.size = value; return width == 8;
        default: return false;
    }
}

void IommuStage::command(device::IommuCommand what) {
    auto& all = state_.entries;
    const IommuEntry& e = state_.staged;
    const auto retire = [this](const IommuEntry& gone) {
        if (state_.former.size() == kFormerMax) state_.former.erase(state_.former.begin());
        state_.former.push_back(gone);
    };
    if (what == device::IommuCommand::kAdd && all.size() < device::kIommuEntriesMax) all.push_back(e);
    if (what == device::IommuCommand::kRemove)
        if (const auto found = std::ranges::find(all, e); found != all.end()) {
            retire(*found);
            all.erase(found);
        }
    if (what == device::IommuCommand::kClear) {
        for (const IommuEntry& gone : all) retire(gone);
        all.clear();
    }
}

void IommuStage::save(ByteWriter& to) const {
    to.put(static_cast<u32>(state_.mode));
    to.put(state_.faults);
    put(to, state_.staged);
    for (const auto* list : {&state_.entries, &state_.former}) {
        to.put(u64{list->size()});
        for (const IommuEntry& e : *list) put(to, e);
    }
}

void IommuStage::load(ByteReader& from) {
    State loaded;
    const u32 mode = from.get<u32>();
    if (mode >= static_cast<u32>(Mode::kCount)) from.fail("has an IOMMU in a mode that does not exist");
    loaded.mode = static_cast<Mode>(mode);
    loaded.faults = from.get<u64>();
    loaded.staged = get(from);
    for (auto* list : {&loaded.entries, &loaded.former})
        for (u64 n = from.get_count(kSavedEntryBytes); n > 0; --n) list->push_back(get(from));
    if (loaded.entries.size() > device::kIommuEntriesMax || loaded.former.size() > kFormerMax)
        from.fail("has more IOMMU entries than there can be");
    state_ = loaded;
}

}  // namespace baton::sim
