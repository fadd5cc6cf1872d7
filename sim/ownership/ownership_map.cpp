// SPDX-License-Identifier: GPL-2.0-only
#include "sim/ownership/ownership_map.hpp"

#include <algorithm>
#include <cstring>

namespace baton::sim {

struct OwnershipMap::Table {
    std::array<Owner, 512> owners;
    std::vector<TableRef> tables;  // 512 of them, null where the owner is not kMixed; none on level 0

    Table(Owner owner, u32 level) : tables(level == 0 ? 0 : 512) { owners.fill(owner); }
    bool uniform() const {
        return owners[0] != kMixed && std::memcmp(owners.data(), owners.data() + 1, owners.size() - 1) == 0;
    }
};

namespace {

struct FrameRange {
    u64 first = 0;
    u64 end = 0;
};

/// The frames a range touches, as far as the map knows them. A range that wraps goes to the end.
FrameRange frames_of(PhysRange range) {
    if (range.empty()) return {};
    const u64 last_byte = range.size - 1 > ~range.start.value ? ~u64{0} : range.start.value + (range.size - 1);
    return {std::min(range.start.value >> kFrameShift, OwnershipMap::kFrames),
            std::min((last_byte >> kFrameShift) + 1, OwnershipMap::kFrames)};
}

PhysRange range_of(FrameRange f) { return {{f.first << kFrameShift}, (f.end - f.first) << kFrameShift}; }

void append(std::vector<OwnedRun>& runs, u64 first, u64 end, Owner owner) {
    const PhysRange range = range_of({first, end});
    if (!runs.empty() && runs.back().owner == owner && runs.back().range.end() == range.start)
        runs.back().range.size += range.size;
    else
        runs.push_back({range, owner});
}

}  // namespace

OwnershipMap::OwnershipMap() {
    state_.root_ = std::make_shared<Table>(Owner::kNobody, kTopLevel);
    state_.counts_[static_cast<u32>(Owner::kNobody)] = kFrames;
}

OwnershipMap::Table& OwnershipMap::writable(TableRef& table) {
    if (table.use_count() > 1) table = std::make_shared<Table>(*table);
    return *table;
}

void OwnershipMap::set(PhysRange range, Owner owner) {
    const FrameRange frames = frames_of(range);
    if (frames.first < frames.end) set_below(state_.root_, kTopLevel, frames.first, frames.end, owner);
}

/// `first` and `end` count from the table's first frame.
void OwnershipMap::set_below(TableRef& ref, u32 level, u64 first, u64 end, Owner owner) {
    Table& table = writable(ref);
    const u64 span = frames_per_entry(level);
    for (u64 entry = first / span; entry * span < end; ++entry) {
        const u64 base = entry * span;
        const u64 from = std::max(first, base) - base;
        const u64 to = std::min(end - base, span);
        if (to - from == span) {
            replace_entry(table, entry, level, owner);
            continue;
        }
        if (table.owners[entry] == owner) continue;
        TableRef& below = table.tables[entry];
        if (table.owners[entry] != kMixed) {
            below = std::make_shared<Table>(table.owners[entry], level - 1);
            table.owners[entry] = kMixed;
        }
        set_below(below, level - 1, from, to, owner);
        if (below->uniform()) {
            table.owners[entry] = below->owners[0];
            below.reset();
        }
    }
}

void OwnershipMap::replace_entry(Table& table, u64 entry, u32 level, Owner owner) {
    if (table.owners[entry] == kMixed) {
        discount(*table.tables[entry], level - 1);
        table.tables[entry].reset();
    } else {
        state_.counts_[static_cast<u32>(table.owners[entry])] -= frames_per_entry(level);
    }
    table.owners[entry] = owner;
    state_.counts_[static_cast<u32>(owner)] += frames_per_entry(level);
}

void OwnershipMap::discount(const Table& table, u32 level) {
    for (u64 entry = 0; entry < table.owners.size(); ++entry) {
        if (table.owners[entry] == kMixed)
            discount(*table.tables[entry], level - 1);
        else
            state_.counts_[static_cast<u32>(table.owners[entry])] -= frames_per_entry(level);
    }
}

Owner OwnershipMap::at(u64 frame) const {
    if (frame >= kFrames) return Owner::kNobody;
    const Table* table = state_.root_.get();
    for (u32 level = kTopLevel;; --level) {
        const u64 entry = frame >> (9 * level) & 511;
        if (table->owners[entry] != kMixed) return table->owners[entry];
        table = table->tables[entry].get();
    }
}

/// True once the run in `found` has ended; `base` is the table's first frame.
bool OwnershipMap::find_other(const Table& table, u32 level, u64 base, u64 first, u64 end, Owner owner,
                              OwnedRun& found) {
    const u64 span = frames_per_entry(level);
    for (u64 entry = first / span; entry * span < end; ++entry) {
        const u64 start = entry * span;
        const u64 from = std::max(first, start);
        const u64 until = std::min(end, start + span);
        const Owner here = table.owners[entry];
        if (here == kMixed) {
            if (find_other(*table.tables[entry], level - 1, base + start, from - start, until - start, owner, found))
                return true;
        } else if (here == owner || (!found.range.empty() && here != found.owner)) {
            if (!found.range.empty()) return true;
        } else {
            if (found.range.empty()) found = {{{(base + from) << kFrameShift}, 0}, here};
            found.range.size += (until - from) << kFrameShift;
        }
    }
    return false;
}

std::optional<OwnedRun> OwnershipMap::first_other(PhysRange range, Owner owner) const {
    const FrameRange frames = frames_of(range);
    if (frames.first >= frames.end) return std::nullopt;
    // Most ranges are a page, or lie in one entry of some table.
    const Table* table = state_.root_.get();
    u32 level = kTopLevel;
    u64 base = 0;
    for (;; --level) {
        const u64 entry = (frames.first - base) >> (9 * level);
        if (entry != (frames.end - 1 - base) >> (9 * level)) break;
        if (table->owners[entry] == owner) return std::nullopt;
        if (table->owners[entry] != kMixed) return OwnedRun{range_of(frames), table->owners[entry]};
        base += entry << (9 * level);
        table = table->tables[entry].get();
    }
    OwnedRun found;
    find_other(*table, level, base, frames.first - base, frames.end - base, owner, found);
    if (found.range.empty()) return std::nullopt;
    return found;
}

void OwnershipMap::append_runs(const Table& table, u32 level, u64 base, u64 first, u64 end, std::vector<OwnedRun>& to) {
    const u64 span = frames_per_entry(level);
    for (u64 entry = first / span; entry * span < end; ++entry) {
        const u64 start = entry * span;
        const u64 from = std::max(first, start);
        const u64 until = std::min(end, start + span);
        if (table.owners[entry] == kMixed)
            append_runs(*table.tables[entry], level - 1, base + start, from - start, until - start, to);
        else
            append(to, base + from, base + until, table.owners[entry]);
    }
}

std::vector<OwnedRun> OwnershipMap::runs(PhysRange range) const {
    const FrameRange frames = frames_of(range);
    std::vector<OwnedRun> found;
    append_runs(*state_.root_, kTopLevel, 0, frames.first, frames.end, found);
    return found;
}

std::vector<OwnedRun> OwnershipMap::runs() const {
    std::vector<OwnedRun> found = runs({{0}, kFrames << kFrameShift});
    std::erase_if(found, [](const OwnedRun& run) { return run.owner == Owner::kNobody; });
    return found;
}

void OwnershipMap::save(ByteWriter& to) const {
    const std::vector<OwnedRun> all = runs();
    to.put(u64{all.size()});
    for (const OwnedRun& run : all) {
        to.put(run.range.start.value);
        to.put(run.range.size);
        to.put(static_cast<u8>(run.owner));
    }
}

void OwnershipMap::load(ByteReader& from) {
    OwnershipMap loaded;
    for (u64 count = from.get_count(17); count > 0; --count) {
        const PhysAddr start{from.get<u64>()};
        const u64 size = from.get<u64>();
        const u8 owner = from.get<u8>();
        if (owner >= static_cast<u8>(Owner::kCount)) from.fail("names an owner of memory that does not exist");
        loaded.set({start, size}, static_cast<Owner>(owner));
    }
    state_ = loaded.state_;
}

}  // namespace baton::sim
