// SPDX-License-Identifier: GPL-2.0-only
// One builder, one walker and one copier for every table format.
//
// The tree is the same everywhere — 8-byte entries, a page a table, leaves on the lower levels — so only encoding and
// decoding an entry differ, and `Format` is where the two ISAs part. The range is cut along the entries of a level;
// each piece is a leaf if it covers its entry whole and is aligned, otherwise a table that the next level continues in.
#include "model/mm/paging/paging.hpp"

#include <algorithm>

#include "model/mm/paging/format.hpp"

namespace baton::paging {
namespace {

/// A piece of the request, inside one table.
struct Piece {
    VirtAddr va;
    PhysAddr pa;
    u64 size;
};

class Mapper {
public:
    Mapper(const Geometry& g, u32 flags, u64 leaf_max, const TableSource& tables)
        : g_(g), format_(g), flags_(flags), leaf_max_(leaf_max), tables_(tables) {}

    Status map(PhysAddr table, u32 level, Piece rest) {
        while (rest.size != 0) {
            const u64 covered = level_bytes(g_, level);
            const u64 step = std::min(rest.size, covered - (rest.va.value & (covered - 1)));
            if (Status s = entry(table, level, {rest.va, rest.pa, step}); !s) return s;
            rest = {rest.va + step, rest.pa + step, rest.size - step};
        }
        return {};
    }

private:
    bool fits_leaf(u32 level, const Piece& p) const {
        const u64 covered = level_bytes(g_, level);
        return level == 0 || (level <= format_.leaf_level_max() && covered <= leaf_max_ && p.size == covered &&
                              is_aligned(p.pa, covered));
    }

    Status entry(PhysAddr table, u32 level, const Piece& p) {
        const PhysAddr slot = slot_of(g_, table, level, p.va);
        const Entry e = format_.decode(ram::load<u64>(slot), level);
        if (e.kind == Entry::Kind::kLeaf) return {};
        if (e.kind == Entry::Kind::kTable) return map(e.address, level - 1, p);
        if (fits_leaf(level, p)) {
            set_entry(slot, format_.leaf(p.pa, level, flags_));
            return {};
        }
        const Result<PhysAddr> next = tables_.page(tables_.context);
        if (!next) return fail(next.error());
        BATON_ASSERT(is_aligned(*next, g_.page_size()));
        set_entry(slot, format_.table(*next));
        return map(*next, level - 1, p);
    }

    const Geometry& g_;
    Format format_;
    u32 flags_;
    u64 leaf_max_;
    const TableSource& tables_;
};

class Copier {
public:
    Copier(const Geometry& g, const TableSource& tables) : g_(g), format_(g), tables_(tables) {}

    Status copy(PhysAddr to, PhysAddr from, u32 level, u64 first, u64 end) {
        for (u64 i = first; i < end; ++i)
            if (Status s = entry(to + i * sizeof(u64), from + i * sizeof(u64), level); !s) return s;
        return {};
    }

private:
    Status entry(PhysAddr to, PhysAddr from, u32 level) {
        const Entry e = format_.decode(ram::load<u64>(from), level);
        if (e.kind == Entry::Kind::kNone) return {};
        if (e.kind == Entry::Kind::kLeaf) {
            const PhysAddr address = align_down(e.address, level_bytes(g_, level));
            set_entry(to, format_.leaf(address, level, e.flags | kMapWrite));
            return {};
        }
        const Result<PhysAddr> next = tables_.page(tables_.context);
        if (!next) return fail(next.error());
        set_entry(to, format_.table(*next));
        return copy(*next, e.address, level - 1, 0, entries_per_table(g_));
    }

    const Geometry& g_;
    Format format_;
    const TableSource& tables_;
};

}  // namespace

Status map(const Geometry& g, PhysAddr root, VirtAddr va, PhysAddr pa, u64 size, u32 flags, u64 leaf_max,
           const TableSource& tables) {
    if (size == 0) return {};
    if (!is_aligned(va.value | pa.value | size, g.page_size())) return fail(Errno::kEINVAL);
    const u64 last = va.value + (size - 1);
    if (last < va.value || shr(last, g.va_bits) != shr(va.value, g.va_bits)) return fail(Errno::kEINVAL);
    return Mapper(g, flags, leaf_max, tables).map(root, g.levels - 1, {va, pa, size});
}

Translation walk(const Geometry& g, PhysAddr root, VirtAddr va) {
    const Format format(g);
    PhysAddr table = root;
    u32 allowed = kMapWrite | kMapExecute | kMapGlobal | kMapDevice;
    for (u32 level = g.levels; level-- > 0;) {
        const Entry e = format.decode(ram::load<u64>(slot_of(g, table, level, va)), level);
        if (e.kind == Entry::Kind::kNone) break;
        if (e.kind == Entry::Kind::kLeaf) {
            const u64 bytes = level_bytes(g, level);
            return {align_down(e.address, bytes) + (va.value & (bytes - 1)), bytes, e.flags & allowed};
        }
        allowed &= e.flags | kMapGlobal | kMapDevice;
        table = e.address;
    }
    return {};
}

Status copy_writable(const Geometry& g, PhysAddr to_root, PhysAddr from_root, VirtAddr start, u64 size,
                     const TableSource& tables) {
    const u32 level = g.levels - 1;
    const u64 covered = level_bytes(g, level);
    if (size == 0 || !is_aligned(start.value | size, covered)) return fail(Errno::kEINVAL);
    const u64 first = entry_index(g, level, start);
    BATON_ASSERT(first + size / covered <= entries_per_table(g));
    return Copier(g, tables).copy(to_root, from_root, level, first, first + size / covered);
}

}  // namespace baton::paging
