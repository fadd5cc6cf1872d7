// SPDX-License-Identifier: GPL-2.0-only
// Entries bit by bit, and mapping against a naive model that knows single pages only.
#include "model/mm/paging/paging.hpp"

#include <map>
#include <random>

#include "model/mm/paging/entry.hpp"
#include "tests/catch.hpp"
#include "tests/support/bare_machine.hpp"

using namespace baton;
using namespace baton::paging;
using baton::test::BareMachine;

namespace {

constexpr GeometryId kAll[] = {GeometryId::kX86_64, GeometryId::kAArch64_4K, GeometryId::kAArch64_16K,
                               GeometryId::kAArch64_64K};

/// Hands out table pages from the start of RAM, at most `pages_left` of them.
struct TablePool {
    explicit TablePool(GeometryId id, u64 pages = 1u << 20) : g(geometry_of(id)), pages_left(pages) {}
    const Geometry& g;
    u64 pages_left;
    PhysAddr next{0};
    TableSource source() {
        return {[](void* context) -> Result<PhysAddr> {
                    auto& pool = *static_cast<TablePool*>(context);
                    if (pool.pages_left == 0) return fail(Errno::kENOMEM);
                    --pool.pages_left;
                    const PhysAddr page = pool.next;
                    pool.next += pool.g.page_size();
                    ram::zero(page, pool.g.page_size());
                    return page;
                },
                this};
    }
    PhysAddr root() { return *source().page(this); }
};

u64 raw_entry(const Geometry& g, PhysAddr root, VirtAddr va, u32 level) {
    PhysAddr table = root;
    for (u32 l = g.levels - 1;; --l) {
        const u64 raw = ram::load<u64>(table + entry_index(g, l, va) * 8);
        if (l == level) return raw;
        table = {raw & 0x0000fffffffff000 & ~(g.page_size() - 1)};
    }
}

u64 raw_of_single(GeometryId id, u32 flags, u64 size) {
    BareMachine m(id, {{0}, 64 * kMiB});
    TablePool pool(id);
    const PhysAddr root = pool.root();
    const VirtAddr va{pool.g.direct_map_base};
    REQUIRE(map(pool.g, root, va, {0x40000000}, size, flags, kGiB, pool.source()));
    u32 level = 0;
    while (level_bytes(pool.g, level) < size) ++level;
    return raw_entry(pool.g, root, va, level);
}

}  // namespace

TEST_CASE("paging: x86-64 entries are those of kexec.md §7.1") {
    constexpr GeometryId id = GeometryId::kX86_64;
    CHECK(raw_of_single(id, kMapWrite | kMapExecute | kMapGlobal, 4 * kKiB) == 0x40000163);
    CHECK(raw_of_single(id, kMapWrite | kMapExecute | kMapGlobal, 2 * kMiB) == 0x400001e3);
    CHECK(raw_of_single(id, kMapWrite | kMapExecute | kMapGlobal, kGiB) == 0x400001e3);
    CHECK(raw_of_single(id, kMapWrite | kMapGlobal, 2 * kMiB) == 0x80000000400001e3);
    CHECK(raw_of_single(id, kMapExecute | kMapGlobal, 4 * kKiB) == 0x40000161);
    CHECK(raw_of_single(id, 0, 4 * kKiB) == 0x8000000040000061);

    BareMachine m(id, {{0}, 64 * kMiB});
    TablePool pool(id);
    const PhysAddr root = pool.root();
    REQUIRE(map(pool.g, root, {0}, {0}, 4096, kMapWrite, kGiB, pool.source()));
    for (u32 level = 1; level < 4; ++level) CHECK((raw_entry(pool.g, root, {0}, level) & 0xfff) == 0x63);
}

TEST_CASE("paging: AArch64 descriptors: AF, inner shareable, attribute 0, UXN, PXN and read-only as asked") {
    constexpr GeometryId id = GeometryId::kAArch64_4K;
    CHECK(raw_of_single(id, kMapWrite | kMapGlobal, 4 * kKiB) == 0x0060000040000703);
    CHECK(raw_of_single(id, kMapWrite | kMapGlobal, 2 * kMiB) == 0x0060000040000701);
    CHECK(raw_of_single(id, kMapWrite | kMapGlobal, kGiB) == 0x0060000040000701);
    CHECK(raw_of_single(id, kMapExecute | kMapGlobal, 4 * kKiB) == 0x0040000040000783);
    CHECK(raw_of_single(id, kMapWrite, 4 * kKiB) == 0x0060000040000f03);
    CHECK(raw_of_single(GeometryId::kAArch64_16K, kMapWrite | kMapGlobal, 32 * kMiB) == 0x0060000040000701);
    CHECK(raw_of_single(GeometryId::kAArch64_64K, kMapWrite | kMapGlobal, 512 * kMiB) == 0x0060000040000701);
    CHECK(raw_of_single(GeometryId::kAArch64_64K, kMapWrite | kMapGlobal, 64 * kKiB) == 0x0060000040000703);
}

TEST_CASE("paging: leaves are as large as alignment, the format and leaf_max allow") {
    struct Case {
        GeometryId id;
        u64 va, pa, size, leaf_max, expected;
    };
    const Case cases[] = {
        {GeometryId::kX86_64, 0, 0, 2 * kGiB, kGiB, kGiB},
        {GeometryId::kX86_64, 0, 0, 2 * kGiB, 2 * kMiB, 2 * kMiB},
        {GeometryId::kX86_64, 0, 0, 2 * kGiB, 4 * kKiB, 4 * kKiB},
        {GeometryId::kX86_64, 0, 2 * kMiB, kGiB, kGiB, 2 * kMiB},
        {GeometryId::kX86_64, 0, 4 * kKiB, 2 * kMiB, kGiB, 4 * kKiB},
        {GeometryId::kX86_64, 0, 0, kGiB - 2 * kMiB, kGiB, 2 * kMiB},
        {GeometryId::kAArch64_4K, 0, kGiB, kGiB, kGiB, kGiB},
        {GeometryId::kAArch64_16K, 0, kGiB, kGiB, kGiB, 32 * kMiB},
        {GeometryId::kAArch64_64K, 0, kGiB, kGiB, kGiB, 512 * kMiB},
        {GeometryId::kAArch64_64K, 0, kGiB, 256 * kMiB, kGiB, 64 * kKiB},
    };
    for (const Case& c : cases) {
        BareMachine m(c.id, {{0}, 64 * kMiB});
        TablePool pool(c.id);
        const PhysAddr root = pool.root();
        REQUIRE(
            map(pool.g, root, {pool.g.direct_map_base + c.va}, {c.pa}, c.size, kMapWrite, c.leaf_max, pool.source()));
        const Translation t = walk(pool.g, root, {pool.g.direct_map_base + c.va + c.size - 1});
        CHECK(t.leaf_bytes == c.expected);
        CHECK(t.address.value == c.pa + c.size - 1);
        CHECK(walk(pool.g, root, {pool.g.direct_map_base + c.va + c.size}).leaf_bytes == 0);
    }
}

TEST_CASE("paging: random mappings agree page by page with a model in which the first mapping wins") {
    for (const GeometryId id : kAll) {
        std::mt19937_64 random(static_cast<u64>(id) + 7);
        const auto pick = [&random](u64 n) { return random() % n; };
        BareMachine m(id, {{0}, 128 * kMiB});
        TablePool pool(id);
        const Geometry& g = pool.g;
        const PhysAddr root = pool.root();
        const u64 page = g.page_size();
        const u64 block = level_bytes(g, 1);
        const u64 half = shl(1, g.va_bits - 1);
        const u64 bases[] = {half / 2, g.direct_map_base, g.kernel_text_base, half - 8 * block};
        struct Mapped {
            u64 pa;
            u32 flags;
        };
        std::map<u64, Mapped> model;
        const u64 entries_before = m.charged(Work::kTableEntries);
        for (int round = 0; round < 60; ++round) {
            const u64 unit = pick(3) == 0 ? block : page;
            const u64 limit = unit == block ? 3 : 700;
            const VirtAddr va{bases[pick(4)] + align_down(pick(4 * block), unit)};
            const PhysAddr pa{align_down(pick(kTiB), unit)};
            const u64 size = (1 + pick(limit)) * unit;
            const auto flags = static_cast<u32>(pick(8));
            REQUIRE(map(g, root, va, pa, size, flags, pick(2) == 0 ? kGiB : page, pool.source()));
            for (u64 o = 0; o < size; o += page) model.try_emplace(va.value + o, Mapped{pa.value + o, flags});
        }
        CHECK(m.charged(Work::kTableEntries) > entries_before);
        for (const auto& [va, expected] : model) {
            const u64 inside = pick(page);
            const Translation t = walk(g, root, {va + inside});
            REQUIRE(t.leaf_bytes != 0);
            REQUIRE(t.address.value == expected.pa + inside);
            REQUIRE(t.flags == expected.flags);
        }
        for (int probe = 0; probe < 5000; ++probe) {
            const u64 va = bases[pick(4)] + align_down(pick(8 * block), page);
            REQUIRE((walk(g, root, {va}).leaf_bytes != 0) == model.contains(va));
        }
    }
}

TEST_CASE("paging: misaligned and impossible ranges are EINVAL and write nothing") {
    BareMachine m(GeometryId::kX86_64, {{0}, 64 * kMiB});
    TablePool pool(GeometryId::kX86_64);
    const PhysRange ranges[] = {{{1}, 4096}, {{0}, 4095}, {{~u64{0xfff}}, 8192}, {{0x0000fffffffff000}, 8192}};
    const PhysAddr root = pool.root();
    for (const PhysRange& r : ranges)
        CHECK(map(pool.g, root, {r.start.value}, {0}, r.size, 0, kGiB, pool.source()).error() == Errno::kEINVAL);
    CHECK(map(pool.g, root, {0}, {512}, 4096, 0, kGiB, pool.source()).error() == Errno::kEINVAL);
    CHECK(map(pool.g, root, {0}, {0}, 0, 0, kGiB, pool.source()));
    CHECK(m.charged(Work::kTableEntries) == 0);
}

TEST_CASE("paging: running out of table pages keeps what was mapped") {
    BareMachine m(GeometryId::kX86_64, {{0}, 64 * kMiB});
    TablePool pool(GeometryId::kX86_64, 5);  // root, three levels, and one more leaf table
    const PhysAddr root = pool.root();
    CHECK(map(pool.g, root, {0}, {4096}, 6 * kMiB, kMapWrite, kGiB, pool.source()).error() == Errno::kENOMEM);
    CHECK(walk(pool.g, root, {4 * kMiB - 1}).address.value == 4 * kMiB + 4095);
    CHECK(walk(pool.g, root, {4 * kMiB}).leaf_bytes == 0);
}

TEST_CASE("paging: a table outside RAM ends the kernel, not the simulator") {
    BareMachine m(GeometryId::kAArch64_4K, {{0}, 64 * kMiB});
    TablePool pool(GeometryId::kAArch64_4K);
    const PhysAddr root = pool.root();
    ram::store<u64>(root, 0x7ffffffff000 | 3);
    const sim::Fault fault = m.run([&] { walk(pool.g, root, {0}); });
    CHECK(fault.kind == sim::Fault::Kind::kBadAccess);
    CHECK(fault.args[0] == 0x7ffffffff000);
}

TEST_CASE("paging: a writable copy has the same leaves, none of them read-only") {
    for (const GeometryId id : {GeometryId::kAArch64_4K, GeometryId::kAArch64_16K, GeometryId::kAArch64_64K}) {
        BareMachine m(id, {{0}, 64 * kMiB});
        TablePool pool(id);
        const Geometry& g = pool.g;
        const PhysAddr root = pool.root();
        const PhysAddr copy = pool.root();
        const u64 block = level_bytes(g, 1);
        const VirtAddr base{g.direct_map_base};
        REQUIRE(map(g, root, base, {0}, g.page_size(), kMapExecute | kMapGlobal, kGiB, pool.source()));
        REQUIRE(map(g, root, base + block, {block}, block, kMapGlobal, kGiB, pool.source()));
        REQUIRE(map(g, root, {g.kernel_text_base}, {0}, g.page_size(), kMapExecute, kGiB, pool.source()));
        REQUIRE(copy_writable(g, copy, root, base, shl(1, g.va_bits - 1), pool.source()));
        CHECK(walk(g, copy, base).flags == (kMapWrite | kMapExecute | kMapGlobal));
        CHECK(walk(g, copy, base + g.page_size()).leaf_bytes == 0);
        CHECK(walk(g, copy, base + (block + 5)).address.value == block + 5);
        CHECK(walk(g, copy, base + block).flags == (kMapWrite | kMapGlobal));
        CHECK(walk(g, copy, base + block).leaf_bytes == block);
        CHECK(walk(g, copy, {g.kernel_text_base}).leaf_bytes == 0);
        CHECK(walk(g, root, base + block).flags == kMapGlobal);
    }
}
