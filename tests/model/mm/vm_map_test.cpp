// SPDX-License-Identifier: GPL-2.0-only
// vmalloc areas in the kernel's address space (specs/boot.md §3): every page where the list says; huge leaves, guards,
// addresses that are used again, access through them.
#include "model/mm/vm_map.hpp"

#include "model/kho/vmalloc.hpp"
#include "model/mm/paging/entry.hpp"
#include "model/mm/paging/paging.hpp"
#include "tests/catch.hpp"
#include "tests/model/kho/kho_machine.hpp"
#include "tests/support/page_rig.hpp"

namespace baton::test {
namespace {

struct MapRig : PageRig {
    explicit MapRig(const TestGeometry& t) : PageRig(t.id, t.ram) {
        boot();
        k.page_table = *mm::alloc_pages(k, {0}, kAllocZero, AllocSite::kUser);
    }
    paging::Translation at(u64 page) const { return paging::walk(g, k.page_table, vm::address_of(k, page)); }
    const VmArea& area(u32 slot) const { return *vm::find(k, slot); }
    u32 make(u64 pages, u32 order) {
        const u32 flags = kVmAlloc | (order != 0 ? u32{kVmAllowHuge} : 0);
        const auto slot = vm::alloc(k, pages, {order}, flags);
        REQUIRE(slot);
        return *slot;
    }
    /// Every page of an area is where its list says, and the pages around it are nowhere.
    bool is_right(u32 slot, u64 leaf) const {
        const VmArea& a = area(slot);
        vm::PageCursor cursor(k, a);
        for (u64 i = 0; i < a.pages; ++i) {
            const paging::Translation t = at(a.start + i);
            if (t.address != cursor.next() || t.leaf_bytes != leaf) return false;
            if (t.flags != (paging::kMapWrite | paging::kMapGlobal)) return false;
        }
        return at(a.start + a.pages).leaf_bytes == 0;
    }
};

TEST_CASE("vmalloc: an area is mapped page by page, data, with a guard behind it, and gone when freed") {
    for (const TestGeometry& t : kTestGeometries) {
        INFO(geometry_of(t.id).name);
        MapRig rig(t);
        const u64 free = mm::counts(rig.k).free_pages;
        const u32 a = rig.make(700, 0);
        const u32 b = rig.make(12, 2);
        CHECK(rig.area(a).start == 0);
        CHECK(rig.area(b).start == 701);
        CHECK(rig.is_right(a, rig.page()));
        CHECK(rig.is_right(b, rig.page()));
        REQUIRE(vm::free(rig.k, a));
        for (u64 i = 0; i < 700; ++i) REQUIRE(rig.at(i).leaf_bytes == 0);
        CHECK(rig.is_right(b, rig.page()));
        // First fit: what fits goes to the front, what does not goes behind.
        const u32 c = rig.make(699, 0);
        const u32 d = rig.make(2, 0);
        CHECK(rig.area(c).start == 0);
        CHECK(rig.area(d).start == 714);
        CHECK(rig.is_right(c, rig.page()));
        CHECK(rig.is_right(d, rig.page()));
        for (const u32 slot : {b, c, d}) REQUIRE(vm::free(rig.k, slot));
        // What is missing is tables, which stay for the next area.
        const u64 tables = free - mm::counts(rig.k).free_pages;
        CHECK(tables > 0);
        CHECK(tables <= rig.g.levels + 1);
        const u32 e = rig.make(700, 0);
        REQUIRE(vm::free(rig.k, e));
        CHECK(free - mm::counts(rig.k).free_pages == tables);
        CHECK(rig.machine.warnings == 0);
        CHECK(rig.machine.wrong_owners == 0);
    }
}

TEST_CASE("vmalloc: runs of a PMD's size are mapped by huge leaves, also where pages were mapped before") {
    for (const TestGeometry& t : kTestGeometries) {
        INFO(geometry_of(t.id).name);
        MapRig rig(t);
        const u32 pmd_order = paging::index_bits(rig.g);
        const u64 pmd = rig.g.bytes_of({pmd_order});
        const u32 small = rig.make(100, 0);
        REQUIRE(vm::free(rig.k, small));
        const u64 free = mm::counts(rig.k).free_pages;
        const auto huge = vm::alloc(rig.k, Order{pmd_order}.pages(), {pmd_order}, kVmAlloc | kVmAllowHuge);
        if (!huge && rig.g.page_shift == 16) continue;  // 512 MiB in one block may not be there
        REQUIRE(huge);
        CHECK(rig.area(*huge).start == 0);
        CHECK(rig.is_right(*huge, pmd));
        // The empty table made room for the leaf, the list of pages takes index pages.
        const u64 index_pages = div_round_up(Order{pmd_order}.pages(), rig.page() / 8 - 1);
        CHECK(mm::counts(rig.k).free_pages == free - Order{pmd_order}.pages() - index_pages + 1);
        const u32 behind = rig.make(3, 0);
        CHECK(rig.area(behind).start == Order{pmd_order}.pages() + 1);
        CHECK(rig.is_right(behind, rig.page()));
        REQUIRE(vm::free(rig.k, *huge));
        CHECK(rig.at(0).leaf_bytes == 0);
        CHECK(rig.is_right(behind, rig.page()));
        // Without the flag the same run is pages.
        const auto plain = vm::alloc(rig.k, Order{pmd_order}.pages(), {pmd_order}, kVmAlloc);
        REQUIRE(plain);
        CHECK(rig.is_right(*plain, rig.page()));
        CHECK(rig.machine.warnings == 0);
        CHECK(rig.machine.wrong_owners == 0);
    }
}

TEST_CASE("vmalloc: words go through the mapping, and the sum of an area is that of its pages in order") {
    for (const TestGeometry& t : kTestGeometries) {
        MapRig rig(t);
        const u32 slot = rig.make(6, 1);
        const u64 words = rig.page() / 8;
        for (u64 i = 0; i < 6 * words; ++i) vm::store_word(rig.k, rig.area(slot), i, i * 0x9e3779b97f4a7c15);
        u64 wanted = 0;
        vm::PageCursor cursor(rig.k, rig.area(slot));
        for (u64 page = 0; page < 6; ++page) {
            const PhysAddr at = cursor.next();
            for (u64 i = 0; i < words; ++i) {
                REQUIRE(ram::load<u64>(at + i * 8) == (page * words + i) * 0x9e3779b97f4a7c15);
                wanted = vm::add_to_sum(wanted, ram::load<u64>(at + i * 8));
            }
        }
        CHECK(vm::load_word(rig.k, rig.area(slot), 5 * words + 3) == (5 * words + 3) * 0x9e3779b97f4a7c15);
        CHECK(*vm::sum(rig.k, rig.area(slot).start, 6) == wanted);
        CHECK(vm::sum(rig.k, ~u64{0}, 2).error() == Errno::kEINVAL);
        REQUIRE(vm::free(rig.k, slot));
        const sim::Fault f = rig.machine.run([&] { (void)vm::sum(rig.k, 0, 6); });
        CHECK(f.kind == sim::Fault::Kind::kBadAccess);
        CHECK(f.args[0] == vm::base(rig.k).value);
    }
}

TEST_CASE("vmalloc: without memory for tables there is no area, and only tables are kept") {
    u64 left = 0;
    for (bool had = false; !had; ++left) {
        CAPTURE(left);
        MapRig rig({GeometryId::kX86_64, {{0}, 64 * kMiB}});
        Kernel& k = rig.k;
        std::vector<PhysAddr> taken;
        while (const auto page = mm::alloc_pages(k, {0}, 0, AllocSite::kUser)) taken.push_back(*page);
        for (u64 i = 0; i < left; ++i) mm::free_pages(k, taken[i], {0});
        const auto slot = vm::alloc(k, 4, {0}, kVmAlloc);
        had = slot.has_value();
        if (!had) {
            CHECK(slot.error() == Errno::kENOMEM);
            CHECK(vm::find(k, 0) == nullptr);
            CHECK(rig.at(0).leaf_bytes == 0);
            CHECK(left - mm::counts(k).free_pages == (left > 5 ? left - 5 : 0));
        }
        CHECK(rig.machine.warnings == 0);
        CHECK(rig.machine.wrong_owners == 0);
    }
    CHECK(left == 4 + 1 + 3 + 1);  // four pages, an index page and three tables are enough
}

TEST_CASE("vmalloc: a restored area is mapped, and B11 maps the head of a run for all its pages") {
    for (const bool defect : {false, true}) {
        KhoMachine m;
        m.boot();
        Kernel& k = m.kernel();
        const auto slot = vm::alloc(k, 8, {2}, kVmAlloc | kVmAllowHuge);
        REQUIRE(slot);
        for (u64 i = 0; i < 8; ++i) vm::store_word(k, *vm::find(k, *slot), i * 512, 100 + i);
        const u64 sum = *vm::sum(k, vm::find(k, *slot)->start, 8);
        kho::VmallocDescriptor d{};
        REQUIRE(kho::preserve_vmalloc(k, *slot, d));
        m.finalise();
        m.kexec();
        m.set_defect(Defect::kB11, defect);
        const auto back = kho::restore_vmalloc(k, d);
        REQUIRE(back);
        const VmArea& area = *vm::find(k, *back);
        for (u64 i = 0; i < 8; ++i) CHECK(vm::load_word(k, area, i * 512) == 100 + (defect ? i / 4 * 4 : i));
        CHECK((*vm::sum(k, area.start, 8) == sum) == !defect);
    }
}

}  // namespace
}  // namespace baton::test
