// SPDX-License-Identifier: GPL-2.0-only
// The page allocator against a model that is one word a page: random allocations and frees of all kinds, on every
// geometry. What is given must have been free and fit the request; what is refused must not exist.
#include <random>

#include "model/mm/page_internal.hpp"
#include "tests/catch.hpp"
#include "tests/support/page_rig.hpp"

namespace baton::test {
namespace {

struct Live {
    PhysAddr at;
    u64 pages;
    u32 order;
    bool run;
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
    }

    PageRig rig;
    PhysRange cma;
    mm::MemoryCounts fresh;
    std::vector<Live> live;
    u64 refused = 0;

    void step(u64 keep_pages) {
        const u64 used = fresh.free_pages - mm::counts(rig.k).free_pages;
        if (!live.empty() && pick(100) < (used > keep_pages ? 70u : 25u))
            release(pick(live.size()));
        else
            allocate();
    }
    void release_all() {
        while (!live.empty()) release(pick(live.size()));
    }
    /// The model's free pages are the allocator's.
    bool agrees() const {
        std::map<u64, u32> blocks;
        if (rig.audit(&blocks) != "") return false;
        std::vector<bool> seen(free_.size());
        for (const auto& [pfn, order] : blocks)
            for (u64 i = 0; i < Order{order}.pages(); ++i) seen[pfn + i] = true;
        return seen == free_;
    }

private:
    u64 pick(u64 n) { return random_() % n; }

    void set(u64 pfn, u64 pages, bool free) {
        for (u64 i = 0; i < pages; ++i) free_[pfn + i] = free;
    }

    void allocate() {
        const u32 kinds[] = {0, kAllocMovable, kAllocMovable | kAllocUser, kAllocDma};
        u32 flags = kinds[pick(4)];
        const bool run = pick(3) == 0;
        const u32 order = static_cast<u32>(pick(2) == 0 ? pick(rig.g.max_order + 1) : pick(4));
        const u64 pages = run ? 1 + pick(Order{order}.pages()) : Order{order}.pages();
        if (!run && pick(2) == 0) flags |= kAllocCompound;
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
        live.push_back({*a, pages, order, run});
    }

    void release(u64 index) {
        const Live l = live[index];
        live[index] = live.back();
        live.pop_back();
        if (l.run)
            mm::free_run(rig.k, l.at, l.pages);
        else
            mm::free_pages(rig.k, l.at, {l.order});
        set(l.at.value >> rig.g.page_shift, l.pages, true);
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

TEST_CASE("page allocator: random use agrees with a model of single pages") {
    for (const TestGeometry& t : kTestGeometries) {
        Walker w(t, 11);
        const u64 total = w.fresh.free_pages;
        for (u64 i = 0; i < 10000; ++i) {
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
        w.release_all();
        CHECK(w.agrees());
        CHECK(mm::counts(w.rig.k).free_pages == w.fresh.free_pages);
        CHECK(mm::counts(w.rig.k).cma_free_pages == w.fresh.cma_free_pages);
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
