// SPDX-License-Identifier: GPL-2.0-only
// KFENCE's pool: whose turn it is, where objects lie, and what is no object.
#include "model/mm/fence_pool.hpp"

#include <set>

#include "model/kernel.hpp"
#include "tests/catch.hpp"
#include "tests/support/page_rig.hpp"

namespace baton::test {
namespace {

struct Fenced {
    PageRig rig;
    Kernel& k = rig.k;
    explicit Fenced(const TestGeometry& t, std::string_view line = "kfence.sample=1") : rig(t.id, t.ram) {
        k.config.options |= kOptionKfence;
        rig.init();
        mm::fence::init(k, line);
        rig.free_all();
    }
    PhysAddr take(u64 bytes, u32 flags = 0) { return *mm::small_alloc(k, bytes, flags, AllocSite::kKhoNode); }
};

TEST_CASE("fence pool: every object has a page of its own between guard pages, and begins or ends with it") {
    for (const TestGeometry& t : kTestGeometries) {
        INFO(geometry_of(t.id).name);
        Fenced f(t);
        const u64 page = f.rig.page();
        std::set<u64> pages;
        for (u64 i = 0; i < kFenceObjects; ++i) {
            const PhysAddr a = f.take(100);
            REQUIRE(mm::fence::holds(f.k, a));
            const u64 nth = (a - f.k.fence.pool) / page;
            CHECK(nth >= 2);
            CHECK(nth % 2 == 0);
            CHECK(pages.insert(nth).second);
            const u64 offset = a.value % page;
            CHECK((offset == 0 || offset == page - 104));
        }
        CHECK_FALSE(mm::fence::holds(f.k, f.take(100)));  // the pool is empty: the ordinary allocator serves
        CHECK(f.rig.audit() == "");
    }
}

TEST_CASE("fence pool: a freed object is served again, anything else is refused with a warning") {
    Fenced f(kTestGeometries[0]);
    const PhysAddr a = f.take(512, kAllocZero);
    CHECK(ram::load<u64>(a) == 0);
    mm::small_free(f.k, a);
    CHECK(f.k.fence.in_use == 0);
    CHECK(f.take(512) == a);
    CHECK_FALSE(mm::fence::give(f.k, a + 8));
    CHECK_FALSE(mm::fence::give(f.k, f.k.fence.pool));
    CHECK(mm::fence::give(f.k, a));
    CHECK_FALSE(mm::fence::give(f.k, a));  // twice
}

TEST_CASE("fence pool: every nth allocation is its turn, and only of those that may come from it") {
    Fenced f(kTestGeometries[1], "kfence.sample=3");
    std::vector<bool> fenced;
    for (int i = 0; i < 9; ++i) fenced.push_back(mm::fence::holds(f.k, f.take(64)));
    CHECK(fenced == std::vector<bool>{false, false, true, false, false, true, false, false, true});
    for (int i = 0; i < 9; ++i) CHECK_FALSE(mm::fence::holds(f.k, f.take(64, kAllocUnfenced)));
    for (int i = 0; i < 9; ++i) CHECK_FALSE(mm::fence::holds(f.k, f.take(64, kAllocDma)));
    Fenced never(kTestGeometries[1], "kfence.sample=0");
    for (int i = 0; i < 200; ++i) CHECK_FALSE(mm::fence::holds(never.k, never.take(64)));
    Fenced bad(kTestGeometries[1], "kfence.sample=often");
    CHECK(bad.k.fence.sample == kFenceSampleDefault);
}

TEST_CASE("fence pool: a kernel without the option, or without memory, has none") {
    PageRig rig(kTestGeometries[0].id, kTestGeometries[0].ram);
    rig.init();
    mm::fence::init(rig.k, "kfence.sample=1");
    CHECK(rig.k.fence.pool == PhysAddr{0});

    PageRig refused(kTestGeometries[0].id, kTestGeometries[0].ram);
    refused.k.config.options |= kOptionKfence;
    mm::parse_early_options(refused.k, "fail_alloc=kfence.pool");
    refused.init();
    mm::fence::init(refused.k, "kfence.sample=1");
    refused.free_all();
    CHECK(refused.k.fence.pool == PhysAddr{0});
    CHECK_FALSE(mm::fence::holds(refused.k, *mm::small_alloc(refused.k, 64, 0, AllocSite::kKhoNode)));
}

}  // namespace
}  // namespace baton::test
