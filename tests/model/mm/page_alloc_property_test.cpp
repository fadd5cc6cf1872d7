// SPDX-License-Identifier: GPL-2.0-only
// The page allocator against a model that is one bit a page: random allocations and frees of all kinds, parts of runs
// given back, pins and migrations, on every geometry. What is given must have been free and fit the request; what is
// refused must not exist; the free blocks are the largest aligned ones that the free pages make.
#include <random>

#include "model/mm/migrate.hpp"

#include "model/mm/page_internal.hpp"
#include "model/mm/pin.hpp"
#include "tests/catch.hpp"
#include "tests/support/page_rig.hpp"

namespace baton::test {
namespace {

struct Live {
    PhysAddr at;
    u64 pages;
    u32 order;
    bool run;
    bool user;  // and movable
    bool compound;
    u32 pins = 0;
    bool mapped = true;
};

class Walker {
public:
    Walker(const TestGeometry& t, u64 seed, u8 filler = 0xa5) : rig(t.id, t.ram, {}, filler), random_(seed) {
        const u64 block = rig.g.pageblock_bytes();
        cma = {align_up(t.ram.start + t.ram.size / 2, block), block * 2};
        if (cma.end() > t.ram.end()) cma.size = cma.start + block > t.ram.end() ? 0 : block;
        rig.init();
        if (cma.size != 0) mm::set_cma(rig.k, cma, false);
        rig.free_all();
        std::map<u64, u32> blocks;
        REQUIRE(rig.audit(&blocks) == "");
        free_.resize((t.ram.end().value >> rig.g.page_shift) + 1);
        for (const auto& [pfn, order] : blocks) set(pfn, Order{order}.pages(), true);
        fresh = mm::counts(rig.k);
        fresh_lists = lists();
    }

    PageRig rig;
    PhysRange cma;
    mm::MemoryCounts fresh;
    std::vector<Live> live;
    u64 refused = 0;
    u64 pinned = 0;
    u64 migrated = 0;
    u64 trimmed = 0;
    /// Blocks a zone, an order, and whether they are CMA. A pageblock keeps the type that an allocation gave it, so
    /// types other than CMA count together; sections that are free as a whole count as their largest blocks.
    using Lists = std::map<std::tuple<u64, u32, bool>, u64>;
    Lists fresh_lists;

    void step(u64 keep_pages) {
        const u64 used = fresh.free_pages - mm::counts(rig.k).free_pages;
        const u64 what = pick(100);
        if (live.empty() || what >= (used > keep_pages ? 85u : 40u)) return allocate();
        const u64 index = pick(live.size());
        if (what < 5) return pin(index);
        if (what < 10) return migrate(index);
        if (what < 15) return trim(index);
        release(index);
    }
    void release_all() {
        while (!live.empty()) release(pick(live.size()));
    }
    /// The allocator's free blocks are those that the model's free pages make.
    bool agrees() const {
        std::map<u64, u32> blocks;
        if (rig.audit(&blocks) != "") return false;
        return blocks == blocks_of_model();
    }
    Lists lists() const {
        std::map<u64, u32> blocks;
        if (rig.audit(&blocks) != "") return {};
        Lists all;
        for (const auto& [pfn, order] : blocks) ++all[{zone_start(pfn), order, is_cma(pfn)}];
        return all;
    }

private:
    u64 pick(u64 n) { return random_() % n; }

    void set(u64 pfn, u64 pages, bool free) {
        for (u64 i = 0; i < pages; ++i) free_[pfn + i] = free;
    }
    u64 pfn_of(PhysAddr a) const { return a.value >> rig.g.page_shift; }
    bool is_cma(u64 pfn) const { return cma.contains(PhysAddr{pfn << rig.g.page_shift}); }
    u64 zone_start(u64 pfn) const {
        u64 start = 0;
        for (const Zone& z : rig.k.pages.zones)
            if (z.start != z.end && z.start.value <= pfn) start = z.start.value;
        return start;
    }

    /// The largest aligned blocks, of one zone and all CMA or none, lowest first.
    std::map<u64, u32> blocks_of_model() const {
        std::map<u64, u32> blocks;
        for (u64 pfn = 0; pfn < free_.size();) {
            if (!free_[pfn]) {
                ++pfn;
                continue;
            }
            u64 run = 1;
            while (pfn + run < free_.size() && free_[pfn + run] && is_cma(pfn + run) == is_cma(pfn) &&
                   zone_start(pfn + run) == zone_start(pfn) && run < u64{1} << rig.g.max_order)
                ++run;
            u32 order = 0;
            while (order < rig.g.max_order && pfn % (u64{2} << order) == 0 && u64{2} << order <= run) ++order;
            blocks[pfn] = order;
            pfn += u64{1} << order;
        }
        return blocks;
    }

    bool is_folio(const Live& l) const { return l.user && (!l.run || l.pages == 1) && (l.compound || l.pages == 1); }

    void pin(u64 index) {
        Live& l = live[index];
        if (!is_folio(l) || !l.mapped) return;
        const auto at = mm::pin(rig.k, l.at);
        if (!at) {
            REQUIRE((is_cma(pfn_of(l.at)) && (at.error() == Errno::kENOMEM || l.pins != 0)));
            return;
        }
        REQUIRE_FALSE(is_cma(pfn_of(*at)));
        follow(l, *at);
        ++l.pins;
        ++pinned;
        REQUIRE(mm::pin_count(rig.k, *at) == static_cast<i32>(l.pins));
    }

    void migrate(u64 index) {
        Live& l = live[index];
        REQUIRE(mm::is_migratable(rig.k, l.at) == (l.user && l.pins == 0));
        if (!is_folio(l) || l.pins != 0) return;
        const auto at = mm::migrate(rig.k, l.at, pick(2) == 0 ? 0u : u32{kAllocMovable});
        if (!at) return;
        follow(l, *at);
        ++migrated;
    }

    void follow(Live& l, PhysAddr to) {
        if (to == l.at) return;
        for (u64 i = 0; i < l.pages; ++i)
            if (!free_[pfn_of(to) + i]) FAIL("moved to pfn " << pfn_of(to) + i << ", which is not free");
        set(pfn_of(to), l.pages, false);
        set(pfn_of(l.at), l.pages, true);
        l.at = to;
    }

    /// A part of a run goes, at either end.
    void trim(u64 index) {
        Live& l = live[index];
        if (!l.run || l.pages < 2 || l.pins != 0) return;
        const u64 part = 1 + pick(l.pages - 1);
        const bool front = pick(2) == 0;
        const PhysAddr from = front ? l.at : l.at + ((l.pages - part) << rig.g.page_shift);
        mm::free_run(rig.k, from, part);
        set(pfn_of(from), part, true);
        if (front) l.at += part << rig.g.page_shift;
        l.pages -= part;
        ++trimmed;
    }

    void allocate() {
        const u32 kinds[] = {0, kAllocMovable, kAllocMovable | kAllocUser, kAllocDma};
        u32 flags = kinds[pick(4)];
        const bool run = pick(3) == 0;
        const u32 order = static_cast<u32>(pick(2) == 0 ? pick(rig.g.max_order + 1) : pick(4));
        const u64 pages = run ? 1 + pick(Order{order}.pages()) : Order{order}.pages();
        const bool compound = !run && pick(2) == 0;
        if (compound) flags |= kAllocCompound;
        const auto a = run ? mm::alloc_run(rig.k, pages, flags, AllocSite::kUser)
                           : mm::alloc_pages(rig.k, {order}, flags, AllocSite::kUser);
        const u32 needed = run ? static_cast<u32>(std::bit_width(pages - 1)) : order;
        if (!a) {
            ++refused;
            REQUIRE(a.error() == Errno::kENOMEM);
            REQUIRE_FALSE(exists(needed, flags));
            return;
        }
        const u64 pfn = a->value >> rig.g.page_shift;
        REQUIRE(is_aligned(pfn, Order{needed}.pages()));
        for (u64 i = 0; i < pages; ++i) {
            if (!free_[pfn + i]) FAIL("pfn " << pfn + i << " was given twice");
            if ((flags & kAllocMovable) == 0 && cma.contains(rig.g.phys_of({pfn + i}))) FAIL("CMA for the kernel");
        }
        set(pfn, pages, false);
        live.push_back({*a, pages, order, run, (flags & kAllocUser) != 0, compound});
    }

    void release(u64 index) {
        if (live[index].pins != 0) return release_pinned(index);
        const Live l = live[index];
        live[index] = live.back();
        live.pop_back();
        if (l.run)
            mm::free_run(rig.k, l.at, l.pages);
        else
            mm::free_pages(rig.k, l.at, {l.order});
        set(l.at.value >> rig.g.page_shift, l.pages, true);
    }

    /// Its mapping or one pin goes; it is free when the last of them is gone.
    void release_pinned(u64 index) {
        Live& l = live[index];
        if (l.mapped && pick(2) == 0) {
            mm::release_folio(rig.k, l.at);
            l.mapped = false;
            return;
        }
        REQUIRE(mm::unpin(rig.k, l.at));
        if (--l.pins != 0 || l.mapped) return;
        set(pfn_of(l.at), l.pages, true);
        live[index] = live.back();
        live.pop_back();
    }

    // An aligned block of free pages, all CMA or none.
    bool exists(u32 order, u32 flags) const {
        const u64 pages = Order{order}.pages();
        for (u64 p = 0; p + pages <= free_.size(); p += pages) {
            u64 usable = 0;
            u64 in_cma = 0;
            for (; usable < pages && free_[p + usable]; ++usable) in_cma += cma.contains(rig.g.phys_of({p + usable}));
            if (usable == pages && (in_cma == 0 || (in_cma == pages && (flags & kAllocMovable) != 0))) return true;
        }
        return false;
    }

    std::mt19937_64 random_;
    std::vector<bool> free_;
};

constexpr u64 kOperations = 100'000;

TEST_CASE("page allocator: random use agrees with a model of single pages") {
    for (const TestGeometry& t : kTestGeometries) {
        Walker w(t, 11);
        const u64 total = w.fresh.free_pages;
        for (u64 i = 0; i < kOperations; ++i) {
            INFO(w.rig.g.name << ", operation " << i);
            w.step(i % 3000 < 1500 ? total : total / 4);  // fill up, then drain, twice and more
            const u64 used = [&] {
                u64 sum = 0;
                for (const Live& l : w.live) sum += l.pages;
                return sum;
            }();
            const mm::MemoryCounts c = mm::counts(w.rig.k);
            REQUIRE(c.free_pages + used == w.fresh.free_pages);
            REQUIRE(c.managed_pages == w.fresh.managed_pages);
            if (i % 500 == 0) REQUIRE(w.agrees());
        }
        CHECK(w.refused > 20);
        CHECK(w.pinned > 20);
        CHECK(w.migrated > 20);
        CHECK(w.trimmed > 20);
        w.release_all();
        CHECK(w.agrees());
        CHECK(mm::counts(w.rig.k).free_pages == w.fresh.free_pages);
        CHECK(mm::counts(w.rig.k).cma_free_pages == w.fresh.cma_free_pages);
        CHECK(w.lists() == w.fresh_lists);
        CHECK(w.rig.machine.warnings == 0);
        CHECK(w.rig.machine.wrong_owners == 0);
    }
}

TEST_CASE("page allocator: the same operations give the same addresses and work, whatever RAM held before") {
    for (const TestGeometry& t : kTestGeometries) {
        std::vector<u64> results[2];
        for (u32 turn = 0; turn < 2; ++turn) {
            Walker w(t, 3, turn == 0 ? 0x00 : 0xa5);
            for (u64 i = 0; i < 500; ++i) w.step(~u64{0});
            for (const Live& l : w.live) results[turn].push_back(l.at.value);
            results[turn].insert(results[turn].end(), w.rig.machine.work.begin(), w.rig.machine.work.end());
        }
        CHECK(results[0] == results[1]);
    }
}

}  // namespace
}  // namespace baton::test
