// SPDX-License-Identifier: GPL-2.0-only
// The chunk list (specs/kho.md §2.2): capacity, order, what an entry says, failure.
#include "model/kho/bitmaps.hpp"
#include "model/kho/chunks.hpp"

#include "model/bits.hpp"
#include "tests/catch.hpp"
#include "tests/model/kho/kho_machine.hpp"

using namespace baton;
using test::KhoMachine;

namespace {

struct Chunk {
    u32 order;
    std::vector<kho::ChunkEntry> entries;
};

std::vector<Chunk> read_list(const Kernel& k) {
    std::vector<Chunk> list;
    for (PhysAddr at = k.kho.first_chunk; at.value != 0; at = ram::load<kho::ChunkHeader>(at).next) {
        CHECK(is_aligned(at, geometry(k).page_size()));
        const auto header = ram::load<kho::ChunkHeader>(at);
        Chunk c{header.order, {}};
        for (u64 i = 0; i < header.num_elms; ++i) c.entries.push_back(ram::load<kho::ChunkEntry>(at + 16 + i * 16));
        list.push_back(c);
    }
    return list;
}

/// One block of `order` in each of the first `count` bitmaps.
void touch_bitmaps(Kernel& k, u32 order, u64 count) {
    const u64 bits = kho::bitmaps::bitmap_bytes(k) * 8;
    for (u64 i = 0; i < count; ++i) REQUIRE(kho::tracker::set(k, {(i * bits + i % bits) << order}, {order}));
}

}  // namespace

TEST_CASE("kho serialise: a chunk holds 255 bitmaps, the next one starts another") {
    CHECK(kho::chunk_entries_max(4096) == 255);
    CHECK(kho::chunk_entries_max(16384) == 1023);
    CHECK(kho::chunk_entries_max(65536) == 4095);
    for (const Generation generation : test::kBothGenerations) {
        for (const u64 count : {0u, 1u, 254u, 255u, 256u, 511u}) {
            CAPTURE(count);
            KhoMachine m({}, test::small_ram(), generation);
            m.boot();
            Kernel& k = m.kernel();
            touch_bitmaps(k, 0, count);
            REQUIRE(kho::chunks::serialise(k));
            const auto list = read_list(k);
            REQUIRE(list.size() == div_round_up(count, 255));
            u64 index = 0;
            const u64 window = kho::bitmaps::bitmap_bytes(k) * 8 * 4096;
            for (const Chunk& c : list) {
                CHECK(c.order == 0);
                CHECK(c.entries.size() == std::min<u64>(255, count - index));
                for (const auto& e : c.entries) CHECK(e.phys_start == PhysAddr{index++ * window});
            }
            CHECK(index == count);
            CHECK(m.site_count(Site::kKhoSerialiseChunk) == list.size());
            CHECK(m.site_count(Site::kKhoSerialiseBitmap) == count);
        }
    }
}

TEST_CASE("kho serialise: orders ascend and never share a chunk; bitmaps are named, not copied") {
    KhoMachine m;
    m.boot();
    Kernel& k = m.kernel();
    REQUIRE(kho::tracker::set(k, {0x100200}, {9}));
    REQUIRE(kho::tracker::set(k, {0x100001}, {0}));
    REQUIRE(kho::tracker::set(k, {0x40000}, {18}));
    REQUIRE(kho::chunks::serialise(k));
    const auto list = read_list(k);
    REQUIRE(list.size() == 3);
    const u32 orders[] = {0, 9, 18};
    const PhysAddr starts[] = {{0x100000000}, {0}, {0}};
    for (u64 i = 0; i < 3; ++i) {
        CHECK(list[i].order == orders[i]);
        REQUIRE(list[i].entries.size() == 1);
        CHECK(list[i].entries[0].phys_start == starts[i]);
        const auto map = kho::bitmaps::next_bitmap(k, {orders[i]}, 0);
        REQUIRE(map);
        CHECK(list[i].entries[0].bitmap == map->bits);
    }
}

TEST_CASE("kho serialise: freeing the list, whole or half made, gives its pages back") {
    for (const Generation generation : test::kBothGenerations) {
        KhoMachine m({}, {{0}, 96 * kMiB}, generation);
        m.boot();
        Kernel& k = m.kernel();
        for (u32 order = 0; order < 6; ++order) touch_bitmaps(k, order, 3);
        const u64 before = m.free_pages();
        REQUIRE(kho::chunks::serialise(k));
        CHECK(m.free_pages() == before - 6);
        kho::chunks::free_list(k);
        CHECK(m.free_pages() == before);
        CHECK(k.kho.first_chunk.value == 0);
        auto taken = m.exhaust_memory();
        for (int i = 0; i < 4; ++i) {
            mm::free_pages(k, taken.back(), {0});
            taken.pop_back();
        }
        const u64 left = m.free_pages();
        CHECK(kho::chunks::serialise(k).error() == Errno::kENOMEM);
        CHECK(read_list(k).size() == 4);
        kho::chunks::free_list(k);
        CHECK(m.free_pages() == left);
        CHECK(m.warnings == 0);
    }
}

TEST_CASE("kho serialise: the layouts that cross a kexec") {
    CHECK(sizeof(kho::ChunkHeader) == 16);
    CHECK(sizeof(kho::ChunkEntry) == 16);
    KhoMachine m;
    const PhysAddr at{32 * kMiB};
    ram::store(at, kho::ScratchArea{{0x1122334455667788}, 0x1000});
    const u8 area[16] = {0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 0x00, 0x10};
    CHECK(ram::equal(at, area, sizeof area));
    ram::store(at, kho::ChunkHeader{{0x8000}, 9, 255});
    const u8 header[16] = {0x00, 0x80, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 255, 0, 0, 0};
    CHECK(ram::equal(at, header, sizeof header));
    ram::store(at, kho::SetupDataKho{{0x1000}, 0x1000, {0x2000}, 48});
    const u8 setup[32] = {0, 0x10, 0, 0, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0, 0, 0x20, 0, 0, 0, 0, 0, 0, 48};
    CHECK(ram::equal(at, setup, sizeof setup));
}

TEST_CASE("kho serialise: memblock's flags have the values of the specification") {
    CHECK(kMemblockHotplug == 1);
    CHECK(kMemblockMirror == 2);
    CHECK(kMemblockNomap == 4);
    CHECK(kMemblockDriverManaged == 8);
    CHECK(kMemblockReservedNoinit == 0x10);
    CHECK(kMemblockReservedKern == 0x20);
    CHECK(kMemblockKhoScratch == 0x40);
}
