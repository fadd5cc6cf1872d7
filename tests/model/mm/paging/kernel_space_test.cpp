// SPDX-License-Identifier: GPL-2.0-only
// The kernel's own address space on all geometries: what is mapped, with which rights, and that nothing is W and X.
#include <vector>

#include "model/kernel.hpp"
#include "model/mm/paging/entry.hpp"
#include "model/mm/paging/paging.hpp"
#include "model/port.hpp"
#include "tests/catch.hpp"
#include "tests/support/bare_machine.hpp"

using namespace baton;
using namespace baton::paging;
using baton::test::BareMachine;

namespace {

constexpr GeometryId kAll[] = {GeometryId::kX86_64, GeometryId::kAArch64_4K, GeometryId::kAArch64_16K,
                               GeometryId::kAArch64_64K};
constexpr u64 kTextOffset = 0x10000;
constexpr u64 kTextSize = 0x8123;
constexpr u64 kRelocateOffset = 0x20000;
constexpr u64 kRelocateSize = 0x400;

u64 ram_start(GeometryId id) { return id == GeometryId::kX86_64 ? 0 : kGiB; }

void set_up(BareMachine& m) {
    Kernel& k = m.kernel();
    k.header.text_offset = kTextOffset;
    k.header.text_size = kTextSize;
    k.header.kernel_offset = kKernelOffset;
    k.header.relocate_offset = kRelocateOffset;
    k.header.relocate_size = kRelocateSize;
    if (k.memblock.memory.total_size == 0) REQUIRE(memblock::add(k.memblock, m.ram()));
    REQUIRE(memblock::reserve_kern(k.memblock, {k.image, k.image_size}));
    init_kernel_space(k);
}

/// Every mapped leaf of the tree, by probing each leaf-sized step of the two areas.
template <class F>
void for_each_leaf(const Kernel& k, VirtAddr from, u64 size, F f) {
    const Geometry& g = geometry(k);
    for (u64 o = 0; o < size;) {
        const Translation t = walk(g, k.page_table, from + o);
        if (t.leaf_bytes != 0) f(from + o, t);
        o += t.leaf_bytes != 0 ? t.leaf_bytes : g.page_size();
    }
}

}  // namespace

TEST_CASE("kernel space: the direct map covers all RAM and nothing else, writable and never executable") {
    for (const GeometryId id : kAll) {
        BareMachine m(id, {{ram_start(id)}, 256 * kMiB});
        set_up(m);
        const Kernel& k = m.kernel();
        CHECK(m.root == k.page_table);
        const VirtAddr first = direct_map_va(k, m.ram().start);
        CHECK(first.value == geometry(k).direct_map_base);
        u64 covered = 0;
        for_each_leaf(k, first, 512 * kMiB, [&](VirtAddr va, const Translation& t) {
            REQUIRE(va == direct_map_va(k, t.address));
            REQUIRE(t.flags == (kMapWrite | kMapGlobal));
            REQUIRE(m.ram().contains({t.address, t.leaf_bytes}));
            covered += t.leaf_bytes;
        });
        CHECK(covered == 256 * kMiB);
    }
}

TEST_CASE("kernel space: image text is read-only and executable, the rest writable and not") {
    for (const GeometryId id : kAll) {
        BareMachine m(id, {{ram_start(id)}, 256 * kMiB});
        set_up(m);
        const Kernel& k = m.kernel();
        const Geometry& g = geometry(k);
        const u64 text_start = align_down(kTextOffset, g.page_size());
        const u64 text_end = align_up(kTextOffset + kTextSize, g.page_size());
        u64 covered = 0;
        for_each_leaf(k, {g.kernel_text_base}, 2 * kMiB, [&](VirtAddr va, const Translation& t) {
            const u64 offset = va - VirtAddr{g.kernel_text_base};
            REQUIRE(t.address == k.image + offset);
            const bool text = offset >= text_start && offset < text_end;
            const bool relocate = g.isa == Isa::kX86_64 && offset == kRelocateOffset;  // entered where it is
            REQUIRE(t.flags == (kMapGlobal | (text || relocate ? kMapExecute : kMapWrite)));
            covered += t.leaf_bytes;
        });
        const u64 stack = align_down(kBootStackOffset, g.page_size());
        CHECK(covered == k.image_size - (stack - kKernelOffset));  // the Kernel object is the stack's guard
    }
}

TEST_CASE("kernel space: the port window is mapped on every granule, records cached, registers not, never executable") {
    for (const GeometryId id : kAll) {
        BareMachine m(id, {{ram_start(id)}, 256 * kMiB});
        set_up(m);
        const Kernel& k = m.kernel();
        const Geometry& g = geometry(k);
        const PortMap& port = port_map(g.isa);
        u64 covered = 0;
        for_each_leaf(k, {window_va(g.isa)}, port.window_bytes, [&](VirtAddr va, const Translation& t) {
            const u64 offset = va - VirtAddr{window_va(g.isa)};
            REQUIRE(t.address == port.window + offset);
            const bool registers = offset >= port.doorbell - port.window;
            REQUIRE(t.flags == (kMapWrite | kMapGlobal | (registers ? u32{kMapDevice} : 0u)));
            covered += t.leaf_bytes;
        });
        CHECK(covered == port.window_bytes);
        CHECK(walk(g, k.page_table, VirtAddr{window_va(g.isa)} + port.window_bytes).leaf_bytes == 0);
    }
}

TEST_CASE("kernel space: tables come from memblock and every entry is charged") {
    BareMachine m(GeometryId::kX86_64, {{0}, 256 * kMiB});
    set_up(m);
    const Kernel& k = m.kernel();
    u64 entries = 0;
    std::vector<std::pair<PhysAddr, u32>> tables{{k.page_table, 3}};
    u64 pages = 0;
    while (!tables.empty()) {
        const auto [table, level] = tables.back();
        tables.pop_back();
        ++pages;
        CHECK(memblock::is_reserved(k.memblock, table));
        for (u64 i = 0; i < 512; ++i) {
            const u64 raw = ram::load<u64>(table + i * 8);
            if (raw == 0) continue;
            ++entries;
            CHECK((raw & 0x60) == 0x60);  // accessed and dirty are preset (D35)
            if (level > 0 && !(raw & 0x80)) tables.push_back({{raw & 0x000ffffffffff000}, level - 1});
        }
    }
    CHECK(m.charged(Work::kTableEntries) == entries);
    // Three branches: the direct map in 2 MiB leaves, 128 pages of image less the 12 of the Kernel object, and the port
    // window in 2 MiB leaves.
    CHECK(entries == 3 + (1 + 128) + (1 + 1 + 116) + (1 + 16));
    CHECK(pages == 8);
}

TEST_CASE("kernel space: regions that differ in flags or node only do not cut leaves; NOMAP and holes are left out") {
    BareMachine m(GeometryId::kAArch64_4K, {{kGiB}, 512 * kMiB});
    Kernel& k = m.kernel();
    Memblock& mb = k.memblock;
    REQUIRE(memblock::add(mb, {{kGiB}, 256 * kMiB}, NodeId{0}));
    REQUIRE(memblock::add(mb, {{kGiB + 256 * kMiB}, 64 * kMiB}, NodeId{1}));
    REQUIRE(memblock::add(mb, {{kGiB + 384 * kMiB}, 64 * kMiB + 100}));
    REQUIRE(memblock::set_memory_flag(mb, {{kGiB + 0x3000}, 0x5000}, kMemblockKhoScratch, true));
    REQUIRE(memblock::set_memory_flag(mb, {{kGiB + 128 * kMiB}, 4 * kMiB}, kMemblockNomap, true));

    std::vector<PhysRange> runs;
    u64 cursor = 0;
    for (PhysRange r; next_mapped(k, cursor, r);) runs.push_back(r);
    CHECK(runs == std::vector<PhysRange>{
                      {{kGiB}, 128 * kMiB}, {{kGiB + 132 * kMiB}, 188 * kMiB}, {{kGiB + 384 * kMiB}, 64 * kMiB}});
    set_up(m);
    CHECK(walk(geometry(k), k.page_table, direct_map_va(k, {kGiB + 0x4000})).leaf_bytes == 2 * kMiB);
    CHECK(walk(geometry(k), k.page_table, direct_map_va(k, {kGiB + 130 * kMiB})).leaf_bytes == 0);
    CHECK(walk(geometry(k), k.page_table, direct_map_va(k, {kGiB + 330 * kMiB})).leaf_bytes == 0);
}

TEST_CASE("kernel space: text that reaches into the Kernel object is an assert, not a mapping") {
    BareMachine m(GeometryId::kX86_64, {{0}, 64 * kMiB});
    Kernel& k = m.kernel();
    k.header.text_size = kKernelOffset + 1;
    k.header.kernel_offset = kKernelOffset;
    REQUIRE(memblock::add(k.memblock, m.ram()));
    CHECK(m.run([&] { init_kernel_space(k); }).kind == sim::Fault::Kind::kAssert);
}
