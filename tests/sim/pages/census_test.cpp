// SPDX-License-Identifier: GPL-2.0-only
// The page census finds every way a page can be wrong; each is made by changing bytes of a kernel that was right.
#include "sim/pages/census.hpp"

#include <cstring>

#include "model/kernel.hpp"
#include "tests/catch.hpp"
#include "tests/support/machines.hpp"

namespace baton::test {
namespace {

using sim::PageCensus;

class Counted {
public:
    explicit Counted(GeometryId id)
        : box({.geometry = id, .ram_bytes = geometry_of(id).page_shift == 16 ? 4 * kGiB : 256 * kMiB, .seed = 7},
              id == GeometryId::kAArch64_64K ? "kho=off" : kHandoverCommandLine) {}

    PageCensus census() {
        const auto taken = sim::take_census(box->memory(), *box->kernel(), box->ownership());
        REQUIRE(taken);
        return *taken;
    }
    std::string fault() {
        const PageCensus c = census();
        return c.faults.empty() ? "" : c.faults.front();
    }
    Kernel& kernel() {
        const PhysAddr at = box->kernel()->image + box->kernel()->header.kernel_offset;
        return *reinterpret_cast<Kernel*>(box->memory().claim({at, sizeof(Kernel)}));
    }
    /// The struct page of a page that somebody uses.
    Page& page(PhysAddr a) {
        const Geometry& g = geometry_of(static_cast<GeometryId>(kernel().config.geometry));
        const u64 index = (a.value >> g.section_shift) - kernel().pages.first_section;
        const PhysAddr section = kernel().pages.sections + index * sizeof(MemSection);
        const auto* s = reinterpret_cast<const MemSection*>(box->memory().bytes({section, sizeof(MemSection)}));
        const u64 in_section = (a.value & (g.section_bytes() - 1)) >> g.page_shift;
        return *reinterpret_cast<Page*>(box->memory().claim({s->memmap + in_section * sizeof(Page), sizeof(Page)}));
    }
    PhysAddr take(u64 order) { return {box.ask(Op::kAlloc, {static_cast<u64>(AllocKind::kFolio), order}).values[0]}; }

    Box box;
};

const GeometryId kAll[] = {GeometryId::kX86_64, GeometryId::kAArch64_4K, GeometryId::kAArch64_16K,
                           GeometryId::kAArch64_64K};

}  // namespace

TEST_CASE("census: a booted kernel accounts for every page, and so it does after commands") {
    for (const GeometryId id : kAll) {
        CAPTURE(geometry_of(id).name);
        Counted c(id);
        const PageCensus before = c.census();
        CHECK(before.faults.empty());
        CHECK(before.ram == before.free + before.in_use + before.reserved + before.preserved);
        CHECK(before.free == mm::counts(*c.box->kernel()).free_pages);
        const PhysAddr a = c.take(3);
        const PageCensus during = c.census();
        CHECK(during.faults.empty());
        CHECK(during.by_site[static_cast<u32>(AllocSite::kUser)] ==
              before.by_site[static_cast<u32>(AllocSite::kUser)] + 8);
        CHECK(during.free == before.free - 8);
        c.box.ask(Op::kFree, {static_cast<u64>(AllocKind::kFolio), a.value, 8});
        const PageCensus after = c.census();
        CHECK(after.faults.empty());
        CHECK(after.free == before.free);
        CHECK(after.by_site == before.by_site);
    }
}

TEST_CASE("census: counters that lie are found") {
    Counted c(GeometryId::kX86_64);
    Zone& z = c.kernel().pages.zones[1];
    ++z.free_pages;
    CHECK(c.fault().find("pages are free") != std::string::npos);
    --z.free_pages;
    ++z.managed_pages;
    CHECK(c.fault().find("manages") != std::string::npos);
    --z.managed_pages;
    ++z.cma_free_pages;
    CHECK(c.fault().find("of CMA are free") != std::string::npos);
    --z.cma_free_pages;
    ++z.untouched_sections;
    CHECK(c.fault().find("untouched sections") != std::string::npos);
    --z.untouched_sections;
    FreeArea& area = z.areas[10];
    for (u32 type = 0; type < kMigrateTypes; ++type)
        if (area.count[type] != 0) ++area.count[type];
    CHECK(c.fault().find("its count says") != std::string::npos);
}

TEST_CASE("census: a page that is two things, or nothing, is found") {
    Counted c(GeometryId::kAArch64_4K);
    const PhysAddr a = c.take(0);
    REQUIRE(c.fault().empty());
    Page& page = c.page(a);
    const Page right = page;

    page.refcount = 0;  // nothing is said of it, and memblock does not have it
    CHECK(c.fault().find("is lost") != std::string::npos);
    page = right;
    page.site = 0;
    CHECK(c.fault().find("does not say by whom") != std::string::npos);
    page.site = kAllocSiteCount + 1;
    CHECK(c.fault().find("does not say by whom") != std::string::npos);
    page = right;
    page.flags |= kPgBuddy;
    CHECK(c.fault().find("on no list") != std::string::npos);
    page = right;
    CHECK(c.fault().empty());

    c.box.ask(Op::kFree, {static_cast<u64>(AllocKind::kFolio), a.value, 1});
    REQUIRE(c.fault().empty());
    c.page(a).refcount = 2;
    CHECK(c.fault().find("free and in use") != std::string::npos);
}

TEST_CASE("census: a free list that was overwritten is found, whatever it holds") {
    Counted c(GeometryId::kX86_64);
    for (const u64 garbage : {u64{1}, u64{0x12345}, ~u64{0}, u64{1} << 40}) {
        Counted broken(GeometryId::kX86_64);
        for (u32 order = 0; order <= 10; ++order)
            for (u64& head : broken.kernel().pages.zones[1].areas[order].head)
                if (head != 0) head = garbage;
        CHECK_FALSE(broken.fault().empty());
    }
    MemblockType& reserved = c.kernel().memblock.reserved;
    const u64 cnt = reserved.cnt;
    reserved.cnt = ~u64{0};
    CHECK_FALSE(c.fault().empty());
    reserved.cnt = cnt - 1;
    CHECK(c.fault().find("is lost") != std::string::npos);
    reserved.cnt = cnt;
    CHECK(c.fault().empty());
    c.kernel().pages.section_count = ~u64{0};
    CHECK_FALSE(c.fault().empty());
}

TEST_CASE("census: damaged pointers and sizes end in a fault, not in the host") {
    for (const u64 garbage : {u64{8}, u64{3}, 256 * kMiB - 64, 256 * kMiB, ~u64{0} - 4095, u64{1} << 40}) {
        CAPTURE(garbage);
        Counted memmap(GeometryId::kX86_64);
        memmap.take(0);
        const PhysAddr table = memmap.kernel().pages.sections;
        auto* sections = reinterpret_cast<MemSection*>(memmap.box->memory().claim({table, 2 * sizeof(MemSection)}));
        sections[0].memmap = {garbage};
        sections[1].memmap = {garbage};
        CHECK_FALSE(memmap.fault().empty());

        Counted pageblocks(GeometryId::kX86_64);
        sections = reinterpret_cast<MemSection*>(
            pageblocks.box->memory().claim({pageblocks.kernel().pages.sections, 2 * sizeof(MemSection)}));
        sections[1].pageblocks = {garbage};
        CHECK_FALSE(pageblocks.fault().empty());

        Counted table_moved(GeometryId::kX86_64);
        table_moved.kernel().pages.sections = {garbage};
        CHECK_FALSE(table_moved.fault().empty());

        Counted regions(GeometryId::kX86_64);
        regions.kernel().memblock.memory_initial[1].size = garbage;
        CHECK_FALSE(regions.fault().empty());
    }
    Counted wrong(GeometryId::kX86_64);
    wrong.kernel().memblock.memory_initial[1].size = 0x7fff'ffff'ffff'0000;
    CHECK(wrong.fault().find("where it cannot be") != std::string::npos);
    Counted odd(GeometryId::kX86_64);
    odd.kernel().memblock.reserved.regions = PhysPtr<MemblockRegion>(PhysAddr{4097});
    CHECK_FALSE(odd.fault().empty());
}

TEST_CASE("census: what a kernel says of itself must be what the ownership map knows") {
    Counted c(GeometryId::kX86_64);
    const PhysAddr a = c.take(4);
    sim::OwnershipMap owners = c.box->ownership();
    owners.set({a, 4096}, Owner::kFree);
    CHECK(sim::take_census(c.box->memory(), *c.box->kernel(), owners)->faults.front().find("owned as free") !=
          std::string::npos);
    c.box.ask(Op::kFree, {static_cast<u64>(AllocKind::kFolio), a.value, 16});
    owners = c.box->ownership();
    owners.set({a + 4096, 1}, Owner::kUser);
    CHECK(sim::take_census(c.box->memory(), *c.box->kernel(), owners)->faults.front().find("but user owns it") !=
          std::string::npos);
}

TEST_CASE("census: before the page allocator is up there is nothing to count") {
    Counted c(GeometryId::kX86_64);
    c.kernel().pages.ready = 0;
    CHECK_FALSE(sim::take_census(c.box->memory(), *c.box->kernel(), c.box->ownership()));
}

}  // namespace baton::test
