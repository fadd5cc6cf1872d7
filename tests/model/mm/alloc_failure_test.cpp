// SPDX-License-Identifier: GPL-2.0-only
// Memory that is refused because somebody asked for it, by site and by count.
#include "model/mm/alloc_failure.hpp"

#include <set>

#include "model/kernel.hpp"
#include "tests/catch.hpp"
#include "tests/support/page_rig.hpp"

namespace baton::test {
namespace {

struct Refusing {
    PageRig rig{GeometryId::kX86_64, {{0x1000}, 64 * kMiB}};
    Refusing() { rig.boot(); }
    void arm(u32 site, u64 nth, bool lasting = false) {
        rig.k.alloc_failure = {.site = site, .lasting = lasting ? 1u : 0u, .nth = nth, .seen = 0, .failed = 0};
    }
    bool page(AllocSite site) { return mm::alloc_pages(rig.k, {0}, 0, site).has_value(); }
};
constexpr u32 id(AllocSite s) { return static_cast<u32>(s) + 1; }

TEST_CASE("alloc failure: the nth allocation of a site fails, no other, and nothing is taken") {
    Refusing r;
    r.arm(id(AllocSite::kFileData), 2);
    const u64 before = mm::counts(r.rig.k).free_pages;
    CHECK(r.page(AllocSite::kFileData));
    CHECK(r.page(AllocSite::kUser));
    CHECK(mm::alloc_pages(r.rig.k, {3}, 0, AllocSite::kFileData).error() == Errno::kENOMEM);
    CHECK(r.page(AllocSite::kFileData));
    CHECK(mm::counts(r.rig.k).free_pages == before - 3);
    CHECK(r.rig.k.alloc_failure.seen == 3);
    CHECK(r.rig.k.alloc_failure.failed == 1);
    CHECK(r.rig.audit() == "");
}

TEST_CASE("alloc failure: any site counts all of them, and lasting means from there on") {
    Refusing r;
    r.arm(kAnySite, 4, true);
    CHECK(r.page(AllocSite::kFileData));
    CHECK(mm::small_alloc(r.rig.k, 64, 0, AllocSite::kKhoNode).has_value());  // the object, and its page
    CHECK_FALSE(r.page(AllocSite::kUser));
    CHECK_FALSE(mm::small_alloc(r.rig.k, 64, 0, AllocSite::kKhoNode).has_value());
    CHECK_FALSE(mm::alloc_run(r.rig.k, 3, 0, AllocSite::kVmPage).has_value());
    r.arm(0, 0);
    CHECK(r.page(AllocSite::kUser));
}

TEST_CASE("alloc failure: the command line names a site, and says what it does not understand") {
    struct Row {
        std::string_view line;
        u32 site;
        u64 nth;
        u32 lasting;
    };
    for (const Row& row : {
             Row{"kho=on fail_alloc=kexec.source", id(AllocSite::kKexecSource), 1, 0},
             Row{"fail_alloc=boot.memmap#7", id(AllocSite::kBootMemmap), 7, 0},
             Row{"fail_alloc=any#2+", kAnySite, 2, 1},
             Row{"fail_alloc=user fail_alloc=slab#3", id(AllocSite::kSlab), 3, 0},
             Row{"fail_alloc=restored", 0, 0, 0},  // nothing asks for those
             Row{"fail_alloc=", 0, 0, 0},
             Row{"fail_alloc=user#", 0, 0, 0},
             Row{"fail_alloc=user#0", 0, 0, 0},
             Row{"fail_alloc=user#3x", 0, 0, 0},
             Row{"fail_alloc=+", 0, 0, 0},
             Row{"fail_alloc=users", 0, 0, 0},
         }) {
        CAPTURE(row.line);
        Refusing r;
        mm::parse_early_options(r.rig.k, row.line);
        CHECK(r.rig.k.alloc_failure.site == row.site);
        CHECK(r.rig.k.alloc_failure.nth == row.nth);
        CHECK(r.rig.k.alloc_failure.lasting == row.lasting);
    }
}

TEST_CASE("alloc failure: sites have names of their own") {
    std::set<std::string_view> names;
    for (const AllocSiteInfo& row : kAllocSites) {
        CHECK(names.insert(row.name).second);
        CHECK_FALSE(row.meaning.empty());
    }
}

}  // namespace
}  // namespace baton::test
