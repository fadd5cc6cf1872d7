// SPDX-License-Identifier: GPL-2.0-only
// The radix tree (specs/kho.md §2.3): keys, shape, what lies in RAM, and trees that something wrote over.
#include "model/kho/radix.hpp"

#include "model/kho/fdt.hpp"
#include "tests/catch.hpp"
#include "tests/model/kho/kho_machine.hpp"

using namespace baton;
using test::BlockSet;
using test::KhoMachine;
namespace radix = kho::radix;

namespace {

struct Vector {
    u32 page_shift;
    u64 phys;
    u32 order;
    u64 key;
    std::vector<u64> indexes;  // of the tables, from the root down
    u64 bit;
};

const Vector kVectors[] = {
    {12, 0x0, 0, 0x10000000000000, {2, 0, 0, 0, 0}, 0},
    {12, 0x100000000, 0, 0x10000000100000, {2, 0, 0, 0, 32}, 0},
    {12, 0x123456000, 0, 0x10000000123456, {2, 0, 0, 0, 36}, 13398},
    {12, 0x3ffffffff000, 0, 0x100003ffffffff, {2, 0, 1, 511, 511}, 32767},
    {12, 0x100200000, 9, 0x80000000801, {0, 2, 0, 0, 0}, 2049},
    {12, 0x40000000, 18, 0x400000001, {0, 0, 2, 0, 0}, 1},
    {14, 0x100000000, 0, 0x4000000040000, {1, 0, 0, 2}, 0},
    {14, 0x3fffffffc000, 0, 0x40000ffffffff, {1, 0, 15, 2047}, 131071},
    {14, 0x100000000, 11, 0x8000000080, {0, 1, 0, 0}, 128},
    {16, 0x100000000, 0, 0x1000000010000, {8, 0, 0}, 65536},
};

/// A handover of one run [64 MiB, +16 pages) in a radix tree, about to be kexec'ed.
class Broken : public KhoMachine {
public:
    Broken() : KhoMachine(GeometryId::kX86_64, test::small_ram(), Generation::k7_1_v2) {
        boot();
        if (!kho::preserve_pages(kernel(), {64 * kMiB}, 16)) throw std::runtime_error("preserve failed");
        calls_max = 300'000;
        root = kernel().kho.tracker.radix_root;
    }
    /// The slot that leads down from `level` on the way to the root FDT's bit.
    PhysAddr slot(u32 level) {
        const radix::Shape s = radix::shape_of(kernel());
        const u64 key = radix::key_of(s, geometry(kernel()).pfn_of(kernel().kho.fdt), {0});
        PhysAddr node = root;
        for (u32 l = s.depth - 1; l > level; --l) node = ram::load<PhysAddr>(node + radix::table_index(s, key, l) * 8);
        return node + radix::table_index(s, key, level) * 8;
    }
    sim::Fault next() {
        return run([this] { kexec(); });
    }
    PhysAddr root;
};

}  // namespace

TEST_CASE("kho radix: keys, indexes and bits of the specification's vectors, and back") {
    for (const Vector& v : kVectors) {
        CAPTURE(v.page_shift, v.phys, v.order);
        const radix::Shape s = radix::shape_for(v.page_shift);
        const Pfn pfn{v.phys >> v.page_shift};
        const u64 key = radix::key_of(s, pfn, {v.order});
        CHECK(key == v.key);
        REQUIRE(v.indexes.size() == s.depth - 1);
        for (u32 i = 0; i < v.indexes.size(); ++i) CHECK(radix::table_index(s, key, s.depth - 1 - i) == v.indexes[i]);
        CHECK(radix::leaf_bit(s, key) == v.bit);
        const auto block = radix::block_of(s, key);
        REQUIRE(block);
        CHECK(*block == kho::Block{{v.phys}, {v.order}});
    }
}

TEST_CASE("kho radix: depth is 6, 5 and 4 for 4K, 16K and 64K pages; without the marker 16K has one too few (B25)") {
    CHECK(radix::shape_for(12).depth == 6);
    CHECK(radix::shape_for(14).depth == 5);
    CHECK(radix::shape_for(16).depth == 4);
    CHECK(radix::shape_for(12, 0).depth == 6);
    CHECK(radix::shape_for(14, 0).depth == 4);
    CHECK(radix::shape_for(16, 0).depth == 4);
    // What is stored of the key then, and what it is taken for.
    const radix::Shape s = radix::shape_for(14, 0);
    const u64 key = radix::key_of(s, {0x100000000 >> 14}, {0});
    u64 stored = 0;
    for (u32 level = s.depth - 1; level != 0; --level)
        stored = stored << s.table_bits | radix::table_index(s, key, level);
    stored = stored << s.leaf_bits | radix::leaf_bit(s, key);
    CHECK(stored == 0x40000);
    const auto block = radix::block_of(s, stored);
    REQUIRE(block);
    CHECK(block->order.value == 32);
}

TEST_CASE("kho radix: every order has blocks of its own, smaller orders larger keys; no other key is a block's") {
    for (const u32 page_shift : {12u, 14u, 16u}) {
        const radix::Shape s = radix::shape_for(page_shift);
        u64 last = ~u64{0};
        for (u32 order = 0; order <= s.width; ++order) {
            const u64 key = radix::key_of(s, {0}, {order});
            CHECK(key < last);
            CHECK(radix::block_of(s, key) == kho::Block{{0}, {order}});
            last = key;
        }
        CHECK_FALSE(radix::block_of(s, 0));
        CHECK_FALSE(radix::block_of(s, u64{1} << (s.width + 1)));
        CHECK_FALSE(radix::block_of(s, ~u64{0}));
    }
}

TEST_CASE("kho radix: a block is a bit of a page at the end of a path of pages, none of them in scratch") {
    for (const GeometryId id : {GeometryId::kX86_64, GeometryId::kAArch64_16K, GeometryId::kAArch64_64K}) {
        const u64 start = id == GeometryId::kX86_64 ? 0 : kGiB;
        KhoMachine m(id, {{start}, id == GeometryId::kX86_64 ? kGiB : 8 * kGiB}, Generation::k7_1_v2);
        m.kernel().config.cma_align = 2 * kMiB;
        m.boot("kho=on kho_scratch=64M,128M,64M");
        Kernel& k = m.kernel();
        const radix::Shape s = radix::shape_of(k);
        const Pfn pfn{(start + 512 * kMiB) >> s.page_shift};
        REQUIRE(kho::tracker::set(k, pfn, {3}));
        PhysAddr node = k.kho.tracker.radix_root;
        for (u32 level = s.depth - 1;; --level) {
            CHECK(is_aligned(node, geometry(k).page_size()));
            CHECK_FALSE(kho::in_scratch(k, {node, geometry(k).page_size()}));
            const u64 key = radix::key_of(s, pfn, {3});
            if (level == 0) {
                CHECK((ram::load<u8>(node + radix::leaf_bit(s, key) / 8) >> radix::leaf_bit(s, key) % 8 & 1) == 1);
                break;
            }
            node = ram::load<PhysAddr>(node + radix::table_index(s, key, level) * 8);
            REQUIRE(node.value != 0);
        }
        m.kexec("kho=on");
        CHECK(k.kho.is_kho_boot == 1);
        CHECK(memblock::is_reserved(k.memblock, geometry(k).phys_of(pfn)));
    }
}

TEST_CASE("kho radix: a kernel that checks refuses a node inside scratch") {
    KhoMachine m({}, test::small_ram(), Generation::k7_1_v2);
    m.set_options(kOptionKhoDebug);
    m.boot();
    Kernel& k = m.kernel();
    // All memory is taken; the next page to be had lies in an area that was scratch's all along.
    const auto taken = m.exhaust_memory();
    ram::store(k.kho.scratch, kho::ScratchArea{taken.back(), 4096});
    mm::free_pages(k, taken.back(), {0});
    CHECK(kho::tracker::set(k, {u64{1} << 35}, {0}).error() == Errno::kEINVAL);
    CHECK(m.logged(Log::kKhoScratchOverlap));
    CHECK(m.free_pages() >= 1);
}

TEST_CASE("kho radix: running out of memory within a path leaves no part of it") {
    KhoMachine m({}, test::small_ram(), Generation::k7_1_v2);
    m.boot();
    Kernel& k = m.kernel();
    auto taken = m.exhaust_memory();
    for (u32 pages = 0; pages < 5; ++pages) {
        CAPTURE(pages);
        for (u32 i = 0; i < pages; ++i) mm::free_pages(k, taken[i], {0});
        const u64 before = m.free_pages();
        CHECK(kho::tracker::set(k, {u64{1} << 44}, {40}).has_value() == (pages == 5));
        CHECK(m.free_pages() == before);
        CHECK(kho::tracker::clear(k, {u64{1} << 44}, {40}) == kho::tracker::Cleared::kNoBitmap);
        for (u32 i = 0; i < pages; ++i) REQUIRE(mm::alloc_pages(k, {0}, 0, AllocSite::kUser));
    }
}

TEST_CASE("kho radix: links out of memory kill the next kernel, not the host") {
    for (u32 level = 1; level < 6; ++level) {
        for (const u64 bad : {u64{kTiB}, 256 * kMiB - 8, ~u64{0}}) {
            CAPTURE(level, bad);
            Broken m;
            ram::store(m.slot(level), PhysAddr{bad});
            CHECK(m.next().kind == sim::Fault::Kind::kBadAccess);
        }
    }
}

TEST_CASE("kho radix: a tree that leads back to its root ends: depth is the page size's, not the tree's") {
    Broken m;
    ram::store(m.slot(1), m.root);
    // The root, read as a bitmap, names blocks that nobody preserved.
    CHECK(m.next().kind != sim::Fault::Kind::kHang);
    CHECK(m.site_count(Site::kKhoDeserialiseNode) < 100);
}

TEST_CASE("kho radix: a tree wide open is a hang") {
    Broken m;
    // Six pages that stand for 2^45 leaves, all of them empty.
    const PhysAddr pages{96 * kMiB};
    for (u64 level = 1; level < 5; ++level)
        for (u64 i = 0; i < 512; ++i) ram::store(pages + level * 4096 + i * 8, pages + (level - 1) * 4096);
    for (u64 i = 0; i < 512; ++i) ram::store(m.root + i * 8, pages + 4 * 4096);
    CHECK(m.next().kind == sim::Fault::Kind::kHang);
}

TEST_CASE("kho radix: a key that no block has makes the next kernel forget the handover, but keep its scratch") {
    Broken m;
    // A second way to the same leaves, through the root's last slot: their markers lie beyond order 0's.
    const PhysAddr path = ram::load<PhysAddr>(m.slot(5));
    ram::store(m.root + 511 * 8, path);
    REQUIRE(m.next().kind == sim::Fault::Kind::kNone);
    Kernel& k = m.kernel();
    CHECK(m.logged(Log::kKhoRadixBadKey));
    CHECK(k.kho.is_kho_boot == 0);
    CHECK(kho::retrieve_subtree(k, "memblock").error() == Errno::kENOENT);
    CHECK(k.kho.scratch_count == 3);
    CHECK(k.kho.enabled == 1);
    // What came before the bad key stays reserved.
    CHECK(memblock::is_reserved(k.memblock, {64 * kMiB}));
    CHECK(m.warnings == 0);
}

TEST_CASE("kho radix: v1 and v2 reject each other, v2 and v3 as well (§10.1)") {
    for (const Generation from : test::kAllGenerations) {
        for (const Generation to : test::kAllGenerations) {
            CAPTURE(rules_for(from).release, rules_for(to).release);
            KhoMachine m({}, test::small_ram(), from);
            m.boot();
            m.finalise();
            const KhoIncoming incoming = m.hand_over();
            m.reset_kernel(to);
            m.boot(KhoMachine::kCommandLine, &incoming);
            const bool same = std::string_view(rules_for(from).compatible) == rules_for(to).compatible;
            CHECK(m.kernel().kho.is_kho_boot == (same ? 1u : 0u));
            CHECK(m.logged(Log::kKhoRejectCompatible) == !same);
            CHECK(m.kernel().kho.scratch_count == 3);
        }
    }
}
