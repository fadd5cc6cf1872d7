// SPDX-License-Identifier: GPL-2.0-only
// One entry of either ISA's tables, encoded and decoded: where builders and walkers part by format.
#pragma once

#include "model/mm/paging/aarch64/format.hpp"
#include "model/mm/paging/entry.hpp"
#include "model/mm/paging/x86_64/format.hpp"
#include "model/ram.hpp"

namespace baton::paging {

class Format {
public:
    explicit Format(const Geometry& g) : g_(g), x86_(g.isa == Isa::kX86_64) {}
    u64 table(PhysAddr a) const { return x86_ ? x86_64::table_entry(a) : aarch64::table_entry(a); }
    u64 leaf(PhysAddr a, u32 level, u32 flags) const {
        return x86_ ? x86_64::leaf_entry(a, level, flags) : aarch64::leaf_entry(a, level, flags);
    }
    Entry decode(u64 raw, u32 level) const {
        return x86_ ? x86_64::decode(raw, level) : aarch64::decode(g_, raw, level);
    }
    u32 leaf_level_max() const { return x86_ ? x86_64::kLeafLevelMax : aarch64::leaf_level_max(g_); }

private:
    const Geometry& g_;
    bool x86_;
};

inline PhysAddr slot_of(const Geometry& g, PhysAddr table, u32 level, VirtAddr va) {
    return table + entry_index(g, level, va) * sizeof(u64);
}

inline void set_entry(PhysAddr slot, u64 raw) {
    ram::store(slot, raw);
    platform::charge(Work::kTableEntries, 1);
}

}  // namespace baton::paging
