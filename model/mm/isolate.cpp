// SPDX-License-Identifier: GPL-2.0-only
#include "model/mm/isolate.hpp"

#include "model/mm/migrate.hpp"
#include "model/mm/pin.hpp"

namespace baton::mm::internal {
namespace {

/// Pages from `p` to the next one worth a look: a free block or a folio of userspace counts as a whole.
u64 step_over(const Kernel& k, Pfn p, u64 left) {
    const Geometry& g = geometry(k);
    const Page page = load_page(k, p);
    u64 pages = 1;
    if (is_free_head(page))
        pages = Order{free_order(g, page)}.pages();
    else if (is_user_folio(k, g.phys_of(p)))
        pages = folio_order(k, g.phys_of(p)).pages();
    return pages < left ? pages : left;
}

bool is_movable(const Kernel& k, Pfn p) {
    const Page page = load_page(k, p);
    return is_free_head(page) || (is_user_folio(k, geometry(k).phys_of(p)) && (page.flags & kPgLru) != 0);
}

void retype(Kernel& k, BlockPages block, MigrateType type) {
    for (u64 i = 0; i < block.pages; i += pageblock_pages(geometry(k))) retype_pageblock(k, block.start + i, type);
}

}  // namespace

std::optional<Pfn> find_unmovable(const Kernel& k, BlockPages block) {
    for (u64 i = 0; i < block.pages;) {
        const Pfn p = block.start + i;
        platform::charge(Work::kBuddyOps, 1);
        if (type_of(k, p) == MigrateType::kCma || !is_movable(k, p)) return p;
        i += step_over(k, p, block.pages - i);
    }
    return std::nullopt;
}

void isolate(Kernel& k, BlockPages block) { retype(k, block, MigrateType::kIsolate); }

// Changing the type of a pageblock cuts free blocks to its size: they are freed anew, to merge.
void unisolate(Kernel& k, BlockPages block) {
    retype(k, block, MigrateType::kMovable);
    for (u64 i = 0; i < block.pages;) {
        const Pfn p = block.start + i;
        const Page page = load_page(k, p);
        platform::charge(Work::kBuddyOps, 0);
        if (!is_free_head(page)) {
            i += 1;
            continue;
        }
        const u32 order = free_order(geometry(k), page);
        unlink_block(k, zone_of(k, p), p, order, MigrateType::kMovable);
        free_block(k, p, order);
        i += Order{order}.pages();
    }
}

Result<u64> migrate_all(Kernel& k, BlockPages block, Pfn& stuck) {
    u64 moved = 0;
    for (u64 i = 0; i < block.pages;) {
        const Pfn p = block.start + i;
        const PhysAddr at = geometry(k).phys_of(p);
        const u64 step = step_over(k, p, block.pages - i);
        platform::charge(Work::kBuddyOps, 1);
        i += step;
        if (is_free(k, p)) continue;
        stuck = p;
        if (!is_migratable(k, at)) return fail(Errno::kEBUSY);
        if (const auto to = migrate(k, at, kAllocMovable); !to) return fail(to.error());
        ++moved;
    }
    return moved;
}

void take_all(Kernel& k, BlockPages block) {
    Zone& z = zone_of(k, block.start);
    for (u64 i = 0; i < block.pages;) {
        const Pfn p = block.start + i;
        const Page page = load_page(k, p);
        BATON_ASSERT(is_free_head(page));
        const u32 order = free_order(geometry(k), page);
        unlink_block(k, z, p, order, MigrateType::kIsolate);
        platform::charge(Work::kBuddyOps, 1);
        i += Order{order}.pages();
    }
}

}  // namespace baton::mm::internal
