// SPDX-License-Identifier: GPL-2.0-only
// Scratch: sizes (specs/kho.md §3.1 vectors), places, unwinding, release.
#include "model/kho/scratch.hpp"

#include "model/bits.hpp"
#include "tests/catch.hpp"
#include "tests/model/kho/kho_machine.hpp"

using namespace baton;
using test::KhoMachine;

namespace {

constexpr u64 tenths_of_mib(u64 tenths) { return tenths * kMiB / 10; }

}  // namespace

TEST_CASE("kho scratch: default sizes are the specification's vectors") {
    KhoMachine m;
    m.kernel().kho.scale_percent = 200;
    const auto even = kho::scratch_sizes(m.kernel(), 100 * kMiB, 160 * kMiB);
    CHECK(even.low == 200 * kMiB);
    CHECK(even.global == 120 * kMiB);
    const auto odd = kho::scratch_sizes(m.kernel(), tenths_of_mib(333), tenths_of_mib(901));
    CHECK(odd.low == 68 * kMiB);
    CHECK(odd.global == 114 * kMiB);
    CHECK(kho::node_scratch_size(m.kernel(), 33 * kMiB + 1) == 68 * kMiB);
}

TEST_CASE("kho scratch: with all reserved memory low the global area is empty (B39), or keeps one unit") {
    KhoMachine m;
    m.kernel().kho.scale_percent = 200;
    const u64 kern = 80 * kMiB + 5000;
    m.set_defect(Defect::kB39);
    const auto wrapped = kho::scratch_sizes(m.kernel(), kern, kern);
    CHECK(wrapped.low == 162 * kMiB);
    CHECK(wrapped.global == 0);
    m.set_defect(Defect::kB39, false);
    const auto clamped = kho::scratch_sizes(m.kernel(), kern, kern);
    CHECK(clamped.low == 162 * kMiB);
    CHECK(clamped.global == 2 * kMiB);
}

TEST_CASE("kho scratch: explicit sizes are used as given, the CMA alignment rounds the estimate") {
    KhoMachine m;
    KhoState& kho = m.kernel().kho;
    m.kernel().config.cma_align = 4 * kMiB;
    kho.explicit_low = 17 * kMiB;
    kho.explicit_global = 5 * kMiB;
    kho.explicit_node = kMiB;
    const auto sizes = kho::scratch_sizes(m.kernel(), kGiB, kGiB);
    CHECK(sizes.low == 17 * kMiB);
    CHECK(sizes.global == 5 * kMiB);
    CHECK(kho::node_scratch_size(m.kernel(), kGiB) == kMiB);
    kho.scale_percent = 100;
    CHECK(kho::scratch_sizes(m.kernel(), 5 * kMiB, 5 * kMiB).low == 8 * kMiB);
}

TEST_CASE("kho scratch: the floor lifts only the estimate of the low area") {
    KhoMachine m;
    m.kernel().kho.scale_percent = 200;
    m.kernel().image_size = 3 * kMiB;
    CHECK(kho::scratch_sizes(m.kernel(), 4096, 4096).low == 2 * kMiB);
    m.set_options(kOptionScratchFloor);
    CHECK(kho::scratch_sizes(m.kernel(), 4096, 4096).low == 4 * kMiB);
    CHECK(kho::scratch_sizes(m.kernel(), 20 * kMiB, 20 * kMiB).low == 40 * kMiB);
    m.kernel().kho.scale_percent = 0;
    m.kernel().kho.explicit_low = kMiB;
    CHECK(kho::scratch_sizes(m.kernel(), 4096, 4096).low == kMiB);
}

TEST_CASE("kho scratch: areas are aligned, disjoint, reserved, in array order from the top") {
    for (const GeometryId id : {GeometryId::kX86_64, GeometryId::kAArch64_4K}) {
        const PhysAddr start{id == GeometryId::kX86_64 ? 0 : kGiB};
        KhoMachine m(id, {start, 512 * kMiB});
        m.kernel().config.cma_align = 4 * kMiB;
        Kernel& k = m.kernel();
        kho::parse_early_options(k, "kho=on kho_scratch=16M,64M,32M");
        REQUIRE(memblock::add(k.memblock, m.ram()));
        REQUIRE(memblock::reserve_kern(k.memblock, {k.image, k.image_size}));
        k.memblock.can_resize = 1;
        mm::init_memmap(k);
        const u64 reserved = k.memblock.reserved.total_size;
        kho::memory_init(k);
        REQUIRE(k.kho.scratch_count == 3);
        CHECK(is_aligned(k.kho.scratch, 4096));
        CHECK(k.memblock.reserved.total_size == reserved + 48 + 112 * kMiB);
        const u64 sizes[] = {16 * kMiB, 64 * kMiB, 32 * kMiB};
        for (u64 i = 0; i < 3; ++i) {
            const kho::ScratchArea area = kho::scratch_area(k, i);
            CHECK(area.size == sizes[i]);
            CHECK(is_aligned(area.addr, 4 * kMiB));
            CHECK(m.ram().contains(PhysRange{area.addr, area.size}));
            CHECK(kho::in_scratch(k, {area.addr + area.size - 1, 1}));
            if (i != 0) CHECK(area.addr + area.size == kho::scratch_area(k, i - 1).addr);
        }
        CHECK_FALSE(kho::in_scratch(k, {kho::scratch_area(k, 2).addr - 1, 1}));
        CHECK(m.site_count(Site::kKhoScratchReserve) == 3);
    }
}

TEST_CASE("kho scratch: the low area stays below the DMA limit, the global one does not") {
    KhoMachine m({}, {{0}, 6 * kGiB});
    m.boot("kho=on kho_scratch=64M,64M,64M");
    const Kernel& k = m.kernel();
    CHECK(kho::scratch_area(k, 0).addr == PhysAddr{4 * kGiB - 64 * kMiB});
    CHECK(kho::scratch_area(k, 1).addr > PhysAddr{4 * kGiB});
}

TEST_CASE("kho scratch: one area a node with memory, each on its node") {
    KhoMachine m({}, {{0}, 512 * kMiB});
    Kernel& k = m.kernel();
    kho::parse_early_options(k, "kho=on kho_scratch=8M,8M,8M");
    REQUIRE(memblock::add(k.memblock, {{0}, 512 * kMiB}));
    numa::Layout layout;
    layout.add({{{0}, 256 * kMiB}, {0}});
    layout.add({{{256 * kMiB}, 128 * kMiB}, {3}});
    layout.add({{{384 * kMiB}, 128 * kMiB}, {1}});
    numa::adopt(k, layout);
    REQUIRE(memblock::reserve_kern(k.memblock, {k.image, k.image_size}));
    k.memblock.can_resize = 1;
    mm::init_memmap(k);
    kho::memory_init(k);
    REQUIRE(k.kho.scratch_count == 5);
    const u64 node_starts[] = {0, 384 * kMiB, 256 * kMiB};  // nodes 0, 1, 3
    const u64 node_sizes[] = {256 * kMiB, 128 * kMiB, 128 * kMiB};
    for (u64 i = 0; i < 3; ++i) {
        const kho::ScratchArea area = kho::scratch_area(k, 2 + i);
        CHECK(PhysRange{{node_starts[i]}, node_sizes[i]}.contains(PhysRange{area.addr, area.size}));
    }
}

TEST_CASE("kho scratch: the default with all memory low leaves a legal empty global area under B39") {
    KhoMachine m;
    m.set_defect(Defect::kB39);
    m.boot("kho=on");
    REQUIRE(m.kernel().kho.enabled == 1);
    REQUIRE(m.kernel().kho.scratch_count == 3);
    CHECK(kho::scratch_area(m.kernel(), 0).size != 0);
    CHECK(kho::scratch_area(m.kernel(), 1).size == 0);
    REQUIRE(kho::finalise(m.kernel()));
    m.kexec("kho=on");
    CHECK(m.kernel().kho.is_kho_boot == 1);
}

TEST_CASE("kho scratch: an area that does not fit takes the others back and disables KHO") {
    for (const char* sizes : {"400M,16M,16M", "16M,400M,16M", "16M,16M,400M"}) {
        CAPTURE(sizes);
        KhoMachine m;
        Kernel& k = m.kernel();
        kho::parse_early_options(k, std::string("kho=on kho_scratch=") + sizes);
        REQUIRE(memblock::add(k.memblock, m.ram()));
        REQUIRE(memblock::reserve_kern(k.memblock, {k.image, k.image_size}));
        k.memblock.can_resize = 1;
        mm::init_memmap(k);
        const u64 reserved = k.memblock.reserved.total_size;
        kho::memory_init(k);
        CHECK(k.kho.enabled == 0);
        CHECK(k.kho.scratch_count == 0);
        CHECK(k.memblock.reserved.total_size == reserved);
        CHECK(m.logged(Log::kKhoScratchFailed));
        CHECK(m.logged(Log::kKhoDisabled));
        mm::free_all(k);
        kho::init(k);
        CHECK(k.kho.fdt.value == 0);
        CHECK(kho::preserve_folio(k, {16 * kMiB}).error() == Errno::kEOPNOTSUPP);
    }
}

TEST_CASE("kho scratch: the initcall gives the areas to CMA, all of their pages") {
    mm::MemoryCounts plain{};
    {
        KhoMachine m;
        m.boot("kho=off");
        plain = mm::counts(m.kernel());
    }
    KhoMachine m;
    m.boot();
    const auto counts = mm::counts(m.kernel());
    CHECK(counts.cma_free_pages == 64 * kMiB / 4096);
    // What a kernel without KHO has; the array may cost a page, or share one. The root FDT took a page since.
    CHECK(counts.managed_pages <= plain.managed_pages);
    CHECK(counts.managed_pages + 1 >= plain.managed_pages);
    CHECK(counts.managed_pages - counts.free_pages == plain.managed_pages - plain.free_pages + 1);
    for (u64 i = 0; i < 3; ++i)
        CHECK(mm::pageblock_type(m.kernel(), kho::scratch_area(m.kernel(), i).addr) == MigrateType::kCma);
    CHECK(m.logged(Log::kKhoEnabled));
}

TEST_CASE("kho scratch: giving the areas up makes them ordinary free memory") {
    KhoMachine m;
    Kernel& k = m.kernel();
    kho::parse_early_options(k, KhoMachine::kCommandLine);
    REQUIRE(memblock::add(k.memblock, m.ram()));
    REQUIRE(memblock::reserve_kern(k.memblock, {k.image, k.image_size}));
    k.memblock.can_resize = 1;
    mm::init_memmap(k);
    kho::memory_init(k);
    mm::free_all(k);
    const auto before = mm::counts(k);
    kho::give_up_scratch(k);
    const auto after = mm::counts(k);
    CHECK(after.free_pages == before.free_pages + 64 * kMiB / 4096);
    CHECK(after.managed_pages == before.managed_pages + 64 * kMiB / 4096);
    CHECK(after.cma_free_pages == 0);
    CHECK(k.kho.scratch_count == 0);
    CHECK(m.warnings == 0);
}
