// SPDX-License-Identifier: GPL-2.0-only
// Memory blocks offline, away and back (specs/kho.md B68), on every geometry.
#include "model/mm/hotplug.hpp"

#include "model/kexec/loader.hpp"
#include "model/mm/page_internal.hpp"
#include "model/mm/pin.hpp"
#include "tests/catch.hpp"
#include "tests/model/kho/kho_machine.hpp"
#include "tests/support/page_rig.hpp"

namespace baton::test {
namespace {

using namespace mm::internal;
inline constexpr u32 kUserMovable = kAllocUser | kAllocMovable;

/// Six blocks; the first has the image, the last the memmap and so no chance to go.
struct BlockRig : PageRig {
    explicit BlockRig(GeometryId id, u64 start = kGiB)
        : PageRig(id, {{start}, 6 * geometry_of(id).section_bytes()}), bytes(g.section_bytes()) {
        boot();
    }
    PhysAddr block(u64 i) const { return machine.ram().start + i * bytes; }
    PhysRange range(u64 i) const { return {block(i), bytes}; }
    u64 pages() const { return bytes >> g.page_shift; }
    /// A movable folio in block `i`, whatever it takes.
    PhysAddr folio_in(u64 i, u32 order) {
        for (;;) {
            const auto a =
                mm::alloc_pages(k, {order}, kUserMovable | (order != 0 ? u32{kAllocCompound} : 0), AllocSite::kUser);
            REQUIRE(a);
            if (range(i).contains(*a)) return *a;
            passed.push_back({*a, order});
        }
    }
    void give_back() {
        for (const auto& [a, order] : passed) mm::free_pages(k, a, {order});
        passed.clear();
    }
    u64 bytes;
    std::vector<std::pair<PhysAddr, u32>> passed;
};

constexpr GeometryId kAll[] = {GeometryId::kX86_64, GeometryId::kAArch64_4K, GeometryId::kAArch64_16K,
                               GeometryId::kAArch64_64K};

TEST_CASE("hotplug: a block goes offline, away, comes back and online, and memory is what it was") {
    for (const GeometryId id : kAll) {
        INFO(geometry_of(id).name);
        BlockRig rig(id);
        Kernel& k = rig.k;
        const mm::MemoryCounts before = mm::counts(k);
        const u64 memory = k.memblock.memory.total_size;
        REQUIRE(hotplug::offline(k, rig.block(2)));
        CHECK(mm::counts(k).free_pages == before.free_pages - rig.pages());
        CHECK(mm::counts(k).managed_pages == before.managed_pages - rig.pages());
        CHECK_FALSE(mm::page_of(k, rig.block(2)));
        CHECK_FALSE(mm::page_of(k, rig.block(2) + (rig.bytes - rig.page())));
        CHECK(mm::page_of(k, rig.block(3)));
        CHECK(rig.machine.owner_at(rig.block(2)) == Owner::kNobody);
        CHECK(hotplug::blocks(k).offline == 1);
        CHECK(k.memblock.memory.total_size == memory);
        CHECK(rig.audit() == "");
        REQUIRE(hotplug::offline(k, rig.block(2)));  // twice is once
        CHECK(mm::counts(k).managed_pages == before.managed_pages - rig.pages());

        REQUIRE(hotplug::remove(k, rig.block(2)));
        const u64 memmap = memmap_run_pages(rig.g);
        CHECK(k.memblock.memory.total_size == memory - rig.bytes);
        CHECK(mm::counts(k).free_pages == before.free_pages - rig.pages() + memmap);
        CHECK(hotplug::blocks(k).removed == 1);
        CHECK(hotplug::blocks(k).offline == 0);
        CHECK(hotplug::online(k, rig.block(2)).error() == Errno::kEINVAL);
        CHECK(hotplug::offline(k, rig.block(2)).error() == Errno::kEINVAL);
        CHECK(hotplug::remove(k, rig.block(2)).error() == Errno::kEINVAL);

        REQUIRE(hotplug::add(k, rig.block(2), false));
        CHECK(k.memblock.memory.total_size == memory);
        CHECK(k.memblock.memory.cnt == 1);
        CHECK(mm::counts(k).free_pages == before.free_pages - rig.pages());
        CHECK(hotplug::add(k, rig.block(2), false).error() == Errno::kEEXIST);
        CHECK_FALSE(mm::page_of(k, rig.block(2)));
        const u64 initialised = rig.machine.charged(Work::kStructPages);
        REQUIRE(hotplug::online(k, rig.block(2)));
        CHECK(rig.machine.charged(Work::kStructPages) == initialised + rig.pages());
        REQUIRE(hotplug::online(k, rig.block(2)));
        CHECK(mm::counts(k).free_pages == before.free_pages);
        // The old memmap is memory now, the new one was taken from it.
        CHECK(mm::counts(k).managed_pages == before.managed_pages + memmap);
        CHECK(rig.audit() == "");
        const PhysAddr back = rig.folio_in(2, 3);
        mm::free_pages(k, back, {3});
        rig.give_back();
        CHECK(mm::counts(k).free_pages == before.free_pages);
        // Once more: this time the memmap is the page allocator's own.
        REQUIRE(hotplug::offline(k, rig.block(2)));
        REQUIRE(hotplug::remove(k, rig.block(2)));
        CHECK(mm::counts(k).free_pages == before.free_pages - rig.pages() + memmap);
        CHECK(rig.audit() == "");
        CHECK(rig.machine.warnings == 0);
        CHECK(rig.machine.wrong_owners == 0);
    }
}

TEST_CASE("hotplug: folios move out of a block with their content, and a pinned one keeps it") {
    for (const GeometryId id : kAll) {
        INFO(geometry_of(id).name);
        BlockRig rig(id);
        Kernel& k = rig.k;
        const PhysAddr small = rig.folio_in(2, 0);
        const PhysAddr large = rig.folio_in(2, 4);
        ram::store(small + 8, u64{0x1111});
        ram::store(large + 15 * rig.page(), u64{0x2222});
        rig.give_back();
        std::map<u64, u64> moved;
        rig.machine.on_site = [&](Site site, u64 from, u64 to) {
            if (site == Site::kMmMigrate) moved[from] = to;
        };
        const u64 free = mm::counts(k).free_pages;
        REQUIRE(mm::pin(k, small));
        CHECK(hotplug::offline(k, rig.block(2)).error() == Errno::kEBUSY);
        CHECK(rig.machine.logged(Log::kBlockBusy));
        CHECK(hotplug::blocks(k).offline == 0);
        CHECK(mm::counts(k).free_pages == free);
        CHECK(rig.audit() == "");
        CHECK(mm::pageblock_type(k, small) == MigrateType::kMovable);
        CHECK_FALSE(moved.contains(small.value));
        REQUIRE(mm::unpin(k, small));
        REQUIRE(hotplug::offline(k, rig.block(2)));
        REQUIRE(moved.contains(small.value));
        REQUIRE(moved.contains(large.value));
        const PhysAddr small_now{moved[small.value]};
        const PhysAddr large_now{moved[large.value]};
        CHECK_FALSE(rig.range(2).contains(small_now));
        CHECK_FALSE(rig.range(2).contains(large_now));
        CHECK(ram::load<u64>(small_now + 8) == 0x1111);
        CHECK(ram::load<u64>(large_now + 15 * rig.page()) == 0x2222);
        CHECK(mm::folio_order(k, large_now).value == 4);
        CHECK(mm::counts(k).free_pages == free - rig.pages());
        CHECK(rig.audit() == "");
        mm::free_pages(k, small_now, {0});
        mm::free_pages(k, large_now, {4});
        CHECK(mm::counts(k).free_pages == free - rig.pages() + 17);
        CHECK(rig.machine.warnings == 0);
        CHECK(rig.machine.wrong_owners == 0);
    }
}

TEST_CASE("hotplug: what cannot move, and what is no block, is refused and changes nothing") {
    for (const GeometryId id : kAll) {
        INFO(geometry_of(id).name);
        BlockRig rig(id);
        Kernel& k = rig.k;
        const auto refused = [&](PhysAddr a) {
            const mm::MemoryCounts before = mm::counts(k);
            const auto done = hotplug::offline(k, a);
            CHECK(mm::counts(k).free_pages == before.free_pages);
            CHECK(mm::counts(k).managed_pages == before.managed_pages);
            CHECK(rig.audit() == "");
            return done ? Errno::kOk : done.error();
        };
        CHECK(refused(rig.block(0)) == Errno::kEBUSY);  // the image
        CHECK(refused(rig.block(5)) == Errno::kEBUSY);  // the memmap
        CHECK(refused(rig.block(1) + rig.page()) == Errno::kEINVAL);
        CHECK(refused(rig.block(6)) == Errno::kEINVAL);
        CHECK(refused({kTiB}) == Errno::kEINVAL);
        CHECK(hotplug::online(k, rig.block(6)).error() == Errno::kEINVAL);
        CHECK(hotplug::online(k, rig.block(1)).has_value());
        CHECK(hotplug::remove(k, rig.block(1)).error() == Errno::kEBUSY);
        CHECK(hotplug::add(k, rig.block(1), false).error() == Errno::kEEXIST);
        CHECK(hotplug::add(k, rig.block(6), false).error() == Errno::kEINVAL);
        const PhysAddr movable = rig.folio_in(3, 0);
        const PhysAddr fixed = *mm::alloc_pages(k, {0}, kAllocUser, AllocSite::kUser);
        rig.give_back();
        const u64 i = (fixed - rig.machine.ram().start) / rig.bytes;
        CHECK(refused(rig.block(i)) == Errno::kEBUSY);
        mm::set_cma(k, {align_down(movable, rig.g.pageblock_bytes()), rig.g.pageblock_bytes()}, false);
        CHECK(refused(rig.block(3)) == Errno::kEBUSY);
        CHECK(mm::pageblock_type(k, movable) == MigrateType::kCma);
    }
}

TEST_CASE("hotplug: a block with a hole, or in two zones, is no whole one") {
    PageRig holed(GeometryId::kX86_64, {{0x1000}, 300 * kMiB});
    holed.boot();
    CHECK(hotplug::offline(holed.k, {0}).error() == Errno::kEINVAL);           // begins inside, two zones
    CHECK(hotplug::offline(holed.k, {256 * kMiB}).error() == Errno::kEINVAL);  // ends before
    REQUIRE(hotplug::offline(holed.k, {128 * kMiB}));
}

TEST_CASE("hotplug: with no memory to move to, a block stays and is whole again") {
    BlockRig rig(GeometryId::kAArch64_16K);
    Kernel& k = rig.k;
    std::vector<PhysAddr> pages;
    while (const auto a = mm::alloc_pages(k, {0}, kUserMovable, AllocSite::kUser)) pages.push_back(*a);
    u64 inside = 0;
    for (const PhysAddr a : pages) inside += rig.range(3).contains(a);
    REQUIRE(inside == rig.pages());
    CHECK(hotplug::offline(k, rig.block(3)).error() == Errno::kENOMEM);
    CHECK(rig.audit() == "");
    for (const PhysAddr a : pages) mm::free_pages(k, a, {0});
    REQUIRE(hotplug::offline(k, rig.block(3)));
    CHECK(rig.machine.warnings == 0);
    CHECK(rig.machine.wrong_owners == 0);
}

TEST_CASE("hotplug: placement knows what is gone, and what is a driver's") {
    BlockRig rig(GeometryId::kX86_64);
    Kernel& k = rig.k;
    const auto windows = [&] {
        PhysRange w[4] = {{rig.block(0), 3 * rig.bytes}, {rig.block(3), 3 * rig.bytes}};
        const u64 n = hotplug::cut_unusable(k, w, 2, 4);
        return std::vector<PhysRange>(w, w + n);
    };
    CHECK(windows().size() == 2);
    REQUIRE(hotplug::offline(k, rig.block(1)));
    CHECK(windows().size() == 2);  // only offline: still System RAM
    REQUIRE(hotplug::remove(k, rig.block(1)));
    const std::vector<PhysRange> cut{rig.range(0), rig.range(2), {rig.block(3), 3 * rig.bytes}};
    CHECK(windows() == cut);
    REQUIRE(hotplug::offline(k, rig.block(3)));
    REQUIRE(hotplug::remove(k, rig.block(3)));
    CHECK(windows() == std::vector<PhysRange>{rig.range(0), rig.range(2), {rig.block(4), 2 * rig.bytes}});
    REQUIRE(hotplug::add(k, rig.block(3), false));
    CHECK(windows() == cut);
    REQUIRE(hotplug::add(k, rig.block(1), true));
    CHECK(windows() == cut);
    const auto i = memblock::search(k.memblock.memory, rig.block(1));
    CHECK(memblock::region(k.memblock.memory, *i).flags == kMemblockDriverManaged);
    FreeRange free;
    for (memblock::FreeCursor c; memblock::next_free(k.memblock, c, free);)
        CHECK_FALSE(free.range.overlaps(rig.range(1)));
}

TEST_CASE("hotplug: preserved memory moves with B68, and holds its block without it") {
    for (const bool defect : {true, false}) {
        KhoMachine m(GeometryId::kX86_64, {{0}, kGiB});
        m.set_defect(Defect::kB68, defect);
        m.boot();
        Kernel& k = m.kernel();
        PhysAddr folio;
        const PhysRange block{{256 * kMiB}, 128 * kMiB};
        std::vector<PhysAddr> passed;
        while (!block.contains(folio)) {
            folio = *mm::alloc_pages(k, {9}, kUserMovable | kAllocCompound, AllocSite::kUser);
            passed.push_back(folio);
        }
        for (const PhysAddr a : passed)
            if (a != folio) mm::free_pages(k, a, {9});
        REQUIRE(kho::preserve_folio(k, folio));
        const auto done = hotplug::offline(k, block.start);
        CHECK(done.has_value() == defect);
        if (!defect) {
            CHECK(done.error() == Errno::kEBUSY);
            CHECK(m.site_count(Site::kMmMigrate) == 0);
        }
        CHECK(static_cast<bool>(mm::page_of(k, folio)) == !defect);
        REQUIRE(kho::unpreserve_pages(k, folio, 512));
        REQUIRE(hotplug::offline(k, block.start));
    }
}

}  // namespace
}  // namespace baton::test
