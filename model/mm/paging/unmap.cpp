// SPDX-License-Identifier: GPL-2.0-only
// Taking mappings back: leaves are cleared, tables stay for the next mapping, unless a larger leaf is to take their
// place.
#include <algorithm>

#include "model/mm/paging/format.hpp"
#include "model/mm/paging/paging.hpp"

namespace baton::paging {
namespace {

/// The entry for `va` on `level`, or one above it where the walk ends.
struct Found {
    PhysAddr slot;
    u32 level;
    Entry entry;
};
Found find(const Geometry& g, PhysAddr root, VirtAddr va, u32 level) {
    const Format format(g);
    PhysAddr table = root;
    for (u32 at = g.levels - 1;; --at) {
        const PhysAddr slot = slot_of(g, table, at, va);
        const Entry e = format.decode(ram::load<u64>(slot), at);
        if (at == level || e.kind != Entry::Kind::kTable) return {slot, at, e};
        table = e.address;
    }
}

bool is_empty(const Geometry& g, PhysAddr table) {
    const u64* entries = ram::read<u64>(table, entries_per_table(g));
    return std::all_of(entries, entries + entries_per_table(g), [](u64 e) { return e == 0; });
}

}  // namespace

void unmap(const Geometry& g, PhysAddr root, VirtAddr va, u64 size) {
    for (u64 done = 0; done < size;) {
        const VirtAddr at = va + done;
        const Found f = find(g, root, at, 0);
        const u64 covered = level_bytes(g, f.level);
        if (f.entry.kind == Entry::Kind::kLeaf) {
            BATON_ASSERT(is_aligned(at.value, covered) && size - done >= covered);
            set_entry(f.slot, 0);
        }
        done += covered - (at.value & (covered - 1));
    }
}

std::optional<PhysAddr> drop_empty_table(const Geometry& g, PhysAddr root, VirtAddr va) {
    const Found f = find(g, root, va, 1);
    if (f.level != 1 || f.entry.kind != Entry::Kind::kTable || !is_empty(g, f.entry.address)) return std::nullopt;
    platform::charge(Work::kTableEntries, entries_per_table(g));
    set_entry(f.slot, 0);
    return f.entry.address;
}

}  // namespace baton::paging
