// SPDX-License-Identifier: GPL-2.0-only
// Deferred struct pages (specs/memblock.md §5; specs/kho.md B03, B34): the same machine in the end, later; and what is
// said about pages before they are initialised.
#include "model/mm/deferred.hpp"

#include "model/mm/page_internal.hpp"
#include "sim/random.hpp"
#include "tests/catch.hpp"
#include "tests/support/page_rig.hpp"

namespace baton::test {
namespace {

using mm::internal::pages_per_section;

std::vector<PhysRange> some_ranges(PhysRange ram, u64 seed) {
    sim::Random r(seed, 0);
    std::vector<PhysRange> out;
    for (u32 i = 0; i < 20; ++i) {
        const u64 size = 1 + r.bounded(3 * kMiB);
        out.push_back({ram.start + 8 * kMiB + r.bounded(ram.size - 16 * kMiB), size});
    }
    return out;
}

/// Sections of all geometries are smaller than a quarter of this.
PhysRange large_ram(GeometryId id) {
    const u64 bytes = 5 * geometry_of(id).section_bytes();
    return id == GeometryId::kX86_64 ? PhysRange{{0x1000}, bytes} : PhysRange{{kGiB}, bytes};
}

void set_options(Kernel& k, u32 options, u64 defects = 0) {
    k.config.options = options;
    k.config.defects[0] = defects;
}

u64 struct_pages(const PageRig& rig) { return rig.machine.charged(Work::kStructPages); }

}  // namespace

TEST_CASE("deferred: free memory, counters and the work are the same in the end, and less before") {
    for (const TestGeometry& t : kTestGeometries) {
        INFO(geometry_of(t.id).name);
        const PhysRange ram = large_ram(t.id);
        const auto reserved = some_ranges(ram, 5);
        PageRig at_once(t.id, ram, reserved);
        at_once.boot();
        PageRig late(t.id, ram, reserved);
        set_options(late.k, kOptionDeferredInit);
        late.init();
        const u64 section = pages_per_section(late.g);
        const Zone& z = [&]() -> const Zone& {
            for (const Zone& zone : late.k.pages.zones)
                if (zone.first_deferred != zone.end) return zone;
            FAIL("no zone has anything deferred");
            return late.k.pages.zones[0];
        }();
        CHECK(z.first_deferred.value % section == 0);
        CHECK(z.first_deferred - z.start >= section);
        CHECK(z.first_deferred - z.start < 2 * section);
        late.free_all();
        CHECK(late.audit() == "");
        const mm::MemoryCounts before = mm::counts(late.k);
        const mm::MemoryCounts wanted = mm::counts(at_once.k);
        CHECK(before.free_pages < wanted.free_pages - section);
        CHECK(before.managed_pages == before.free_pages);
        const u64 paid_before = struct_pages(late);
        CHECK(paid_before < struct_pages(at_once) - section);

        mm::init_deferred(late.k);
        CHECK(late.machine.site_count(Site::kBootDeferred) == 1);
        std::map<u64, u32> blocks, blocks_at_once;
        CHECK(late.audit(&blocks) == "");
        CHECK(at_once.audit(&blocks_at_once) == "");
        CHECK(blocks == blocks_at_once);
        CHECK(mm::counts(late.k).free_pages == wanted.free_pages);
        CHECK(mm::counts(late.k).managed_pages == wanted.managed_pages);
        CHECK(late.machine.wrong_owners == 0);
        // Free ranges are initialised once, in whole pages; holes of the last section never are.
        CHECK(struct_pages(late) <= struct_pages(at_once));
        CHECK(struct_pages(late) + section > struct_pages(at_once));
        // Once is enough.
        mm::init_deferred(late.k);
        CHECK(mm::counts(late.k).free_pages == wanted.free_pages);
    }
}

TEST_CASE("deferred: nothing happens without the option") {
    PageRig rig(GeometryId::kX86_64, large_ram(GeometryId::kX86_64));
    rig.boot();
    const mm::MemoryCounts before = mm::counts(rig.k);
    const u64 paid = struct_pages(rig);
    mm::init_deferred(rig.k);
    mm::init_preserved(rig.k, rig.machine.ram());
    mm::init_scratch(rig.k, rig.machine.ram());
    CHECK(mm::counts(rig.k).free_pages == before.free_pages);
    CHECK(struct_pages(rig) == paid);
    CHECK(rig.machine.site_count(Site::kBootDeferred) == 0);
}

TEST_CASE("deferred: a stamp in the deferred part is wiped, unless KHO can live with it") {
    for (const TestGeometry& t : kTestGeometries) {
        INFO(geometry_of(t.id).name);
        for (const u32 support : {0u, u32{kOptionKhoDeferred}}) {
            const PhysRange ram = large_ram(t.id);
            PageRig rig(t.id, ram);
            set_options(rig.k, kOptionDeferredInit | support);
            const u64 section = rig.g.section_bytes();
            const PhysAddr early{align_up(ram.start.value, section) + 40 * kMiB};
            const PhysAddr late{align_up(ram.start.value, section) + 3 * section + 40 * kMiB};
            for (const PhysAddr a : {early, late})
                memblock::reserve(rig.k.memblock, {a, 4 * rig.page()}, kNoNode, kMemblockReservedNoinit).value();
            rig.init();
            const u64 paid = struct_pages(rig);
            for (const PhysAddr a : {early, late}) {
                mm::init_preserved(rig.k, {a, 4 * rig.page()});
                mm::page_of(rig.k, a)->private_data = 0x1234;
            }
            CHECK(struct_pages(rig) - paid == (support != 0 ? 4u : 0u));
            rig.free_all();
            mm::init_deferred(rig.k);
            CHECK(mm::page_of(rig.k, early)->private_data == 0x1234);
            CHECK(mm::page_of(rig.k, late)->private_data == (support != 0 ? 0x1234u : 0u));
            CHECK((rig.state(late) & kPageFree) == 0);
        }
    }
}

TEST_CASE("deferred: scratch stays CMA, unless it was forgotten (B34)") {
    const u64 b34 = u64{1} << static_cast<u32>(Defect::kB34);
    struct Case {
        u32 options;
        u64 defects;
        MigrateType expected;
    };
    for (const Case& c : {Case{kOptionDeferredInit | kOptionKhoDeferred, 0, MigrateType::kCma},
                          Case{kOptionDeferredInit | kOptionKhoDeferred, b34, MigrateType::kMovable},
                          Case{kOptionDeferredInit, 0, MigrateType::kMovable}, Case{0, b34, MigrateType::kCma}}) {
        PageRig rig(GeometryId::kX86_64, large_ram(GeometryId::kX86_64));
        set_options(rig.k, c.options, c.defects);
        rig.init();
        const PhysRange scratch{{400 * kMiB}, 16 * kMiB};
        const u64 paid = struct_pages(rig);
        mm::init_scratch(rig.k, scratch);
        const bool first = c.options != 0 && c.expected == MigrateType::kCma;
        CHECK(struct_pages(rig) - paid == (first ? 4096u : 0u));
        mm::set_cma(rig.k, scratch, false);
        rig.free_all();
        mm::init_deferred(rig.k);
        CHECK(rig.audit() == "");
        CHECK(mm::pageblock_type(rig.k, scratch.start) == c.expected);
        CHECK(mm::pageblock_type(rig.k, scratch.end() - 1) == c.expected);
        CHECK(mm::counts(rig.k).cma_free_pages == (c.expected == MigrateType::kCma ? 4096u : 0u));
    }
}

}  // namespace baton::test
