// SPDX-License-Identifier: GPL-2.0-only
// From one kernel to the next in the same RAM: what was preserved is what is reserved, block for block (specs/kho.md
// §8).
#include <algorithm>

#include "model/kho/chunks.hpp"
#include "tests/catch.hpp"
#include "tests/model/kho/kho_machine.hpp"

using namespace baton;
using test::BlockSet;
using test::KhoMachine;

namespace {

struct Random {
    u64 state;
    u64 below(u64 n) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        return (state >> 24) % n;
    }
};

/// Preserves disjoint blocks of random orders, gaps between them, and says which.
BlockSet preserve_random(Kernel& k, Random& random, u64 start, u64 end, u32 order_max) {
    BlockSet set;
    for (u64 pfn = start >> 12;;) {
        const u32 order = static_cast<u32>(random.below(random.below(order_max + 1) + 1));
        pfn = ((pfn + random.below(600)) | ((u64{1} << order) - 1)) + 1;
        if ((pfn + (u64{1} << order)) << 12 > end) return set;
        REQUIRE(kho::preserve_pages(k, {pfn << 12}, u64{1} << order));
        set.insert({order, pfn << 12});
        pfn += u64{1} << order;
    }
}

/// What a kernel hands over on its own account.
void add_own(BlockSet& set, const Kernel& k) {
    set.insert({0, k.kho.fdt.value});
    if (k.rules().kexec_metadata) set.insert({0, k.kho.metadata_blob.value});
}

/// A chunk list comes by ascending order, a radix tree by descending order; both by ascending address within one.
bool in_order(const Kernel& k, std::pair<u32, u64> a, std::pair<u32, u64> b) {
    if (k.rules().tracker == TrackerKind::kBitmaps || a.first == b.first) return a < b;
    return a.first > b.first;
}

bool is_noinit(const Kernel& k, PhysAddr a) {
    const auto i = memblock::search(k.memblock.reserved, a);
    return i && (memblock::region(k.memblock.reserved, *i).flags & kMemblockReservedNoinit) != 0;
}

struct Arrival {
    BlockSet sites;  // blocks as they were reserved
    bool in_order = true;
    BlockSet queried;  // blocks as incoming_block tells them
};

Arrival kexec_and_watch(KhoMachine& m) {
    Arrival a;
    std::pair<u32, u64> last;
    m.on_site = [&](Site site, u64 phys, u64 order) {
        if (site != Site::kKhoDeserialiseBlock) return;
        const std::pair<u32, u64> block{static_cast<u32>(order), phys};
        a.in_order &= a.sites.empty() || in_order(m.kernel(), last, block);
        a.sites.insert(block);
        last = block;
    };
    m.before_free_all = [&] { a.queried = m.incoming_blocks(); };
    m.kexec();
    m.on_site = nullptr;
    m.before_free_all = nullptr;
    return a;
}

}  // namespace

TEST_CASE("kho round trip: any set of blocks of orders 0 to 18 arrives, in walk order, reserved and stamped") {
    for (const Generation generation : test::kAllGenerations) {
        for (u64 seed = 1; seed <= 4; ++seed) {
            CAPTURE(seed);
            KhoMachine m({}, {{0}, 6 * kGiB}, generation);
            m.boot("kho=on kho_scratch=64M,64M,64M");  // the memmap alone needs 96 MiB of it
            Kernel& k = m.kernel();
            Random random{seed};
            BlockSet model = preserve_random(k, random, 256 * kMiB, 3 * kGiB, 18);
            REQUIRE(model.size() > 3);
            m.finalise();
            add_own(model, k);
            const PhysAddr fdt = k.kho.fdt;
            const Arrival a = kexec_and_watch(m);
            REQUIRE(k.kho.is_kho_boot == 1);
            CHECK(a.sites == model);
            CHECK(a.queried == model);
            CHECK(a.in_order);
            for (const auto& [order, phys] : model) {
                const u64 last = phys + (u64{4096} << order) - 1;
                REQUIRE(memblock::is_reserved(k.memblock, {phys}));
                REQUIRE(memblock::is_reserved(k.memblock, {last}));
                REQUIRE(is_noinit(k, {phys}));
                if (PhysAddr{phys} == fdt) continue;
                const u64 magic = generation == Generation::k6_16 ? 0 : u64{kho::kPageMagic} << 32;
                REQUIRE(mm::page_of(k, {phys}).get()->private_data == (magic | order));
            }
            CHECK(m.warnings == 0);
        }
    }
}

TEST_CASE("kho round trip: thousands of small blocks over both ISAs and generations") {
    for (const GeometryId id : {GeometryId::kX86_64, GeometryId::kAArch64_4K}) {
        for (const Generation generation : test::kAllGenerations) {
            const u64 start = id == GeometryId::kX86_64 ? 0 : kGiB;
            KhoMachine m(id, {{start}, kGiB}, generation);
            m.boot();
            Kernel& k = m.kernel();
            Random random{9};
            BlockSet model = preserve_random(k, random, start + 128 * kMiB, start + 800 * kMiB, 4);
            CHECK(model.size() > 400);
            m.finalise();
            add_own(model, k);
            const Arrival a = kexec_and_watch(m);
            CHECK(a.sites == model);
            CHECK(m.logged(Log::kKhoRevived));
        }
    }
}

TEST_CASE("kho round trip: early allocations stay in scratch, preserved memory and its tracker are never written") {
    KhoMachine m({}, {{0}, kGiB});
    m.boot();
    Kernel& k = m.kernel();
    Random random{5};
    const BlockSet model = preserve_random(k, random, 128 * kMiB, 700 * kMiB, 9);
    for (const auto& [order, phys] : model) ram::store(PhysAddr{phys}, phys * 3);
    REQUIRE(kho::finalise(k));
    std::vector<PhysRange> scratch;
    for (u64 i = 0; i < 3; ++i) scratch.push_back({kho::scratch_area(k, i).addr, kho::scratch_area(k, i).size});
    const KhoIncoming incoming = m.hand_over();
    m.reset_kernel();
    m.before_free_all = [&] {
        for (u64 i = 0; i < k.memblock.reserved.cnt; ++i) {
            const MemblockRegion& r = memblock::region(k.memblock.reserved, i);
            if ((r.flags & kMemblockReservedKern) == 0 || PhysRange{r.base, r.size}.contains(k.image)) continue;
            u64 inside = 0;  // areas are neighbours: a reservation may lie in two
            for (const PhysRange& area : scratch) {
                const PhysAddr from = std::max(area.start, r.base);
                const PhysAddr to = std::min(area.end(), r.end());
                if (from < to) inside += to - from;
            }
            CHECK(inside == r.size);
        }
    };
    m.boot(KhoMachine::kCommandLine, &incoming);
    CHECK(k.memblock.scratch_only == 0);
    for (const auto& [order, phys] : model) REQUIRE(ram::load<u64>({phys}) == phys * 3);
    for (const PhysRange& area : scratch) CHECK(mm::pageblock_type(k, area.start) == MigrateType::kCma);
}

TEST_CASE("kho round trip: scratch and array are the same for the third kernel, preservation is not inherited") {
    for (const Generation generation : test::kAllGenerations) {
        KhoMachine m({}, test::small_ram(), generation);
        m.boot();
        Kernel& k = m.kernel();
        std::vector<kho::ScratchArea> areas;
        for (u64 i = 0; i < 3; ++i) areas.push_back(kho::scratch_area(k, i));
        REQUIRE(kho::preserve_pages(k, {64 * kMiB}, 16));
        for (int hop = 0; hop < 3; ++hop) {
            m.finalise();
            BlockSet expected;
            add_own(expected, k);
            const Arrival a = kexec_and_watch(m);
            REQUIRE(k.kho.scratch_count == 3);
            for (u64 i = 0; i < 3; ++i) {
                CHECK(kho::scratch_area(k, i).addr == areas[i].addr);
                CHECK(kho::scratch_area(k, i).size == areas[i].size);
            }
            if (hop == 0) expected.insert({4, 64 * kMiB});
            CHECK(a.sites == expected);
        }
    }
}

TEST_CASE("kho round trip: a kernel without kho=on still takes what it is handed, but hands nothing on") {
    KhoMachine m;
    m.boot();
    REQUIRE(kho::preserve_pages(m.kernel(), {64 * kMiB}, 4));
    REQUIRE(kho::finalise(m.kernel()));
    m.kexec("kho=off");
    CHECK(m.kernel().kho.is_kho_boot == 1);
    CHECK(memblock::is_reserved(m.kernel().memblock, {64 * kMiB}));
    CHECK(m.kernel().kho.fdt.value == 0);
    CHECK(kho::fill(m.kernel()).fdt.value == 0);
    CHECK(kho::finalise(m.kernel()).error() == Errno::kEOPNOTSUPP);
}

TEST_CASE("kho round trip: a 2 GiB block makes a kernel with B27 reserve everything above it") {
    for (const bool defect : {false, true}) {
        KhoMachine m({}, {{0}, 6 * kGiB});
        m.boot("kho=on kho_scratch=64M,64M,64M");
        Kernel& k = m.kernel();
        m.set_defect(Defect::kB27, defect);
        REQUIRE(kho::preserve_pages(k, {0x80000000 - kGiB}, u64{1} << 18));  // 1 GiB: order 18 is fine
        REQUIRE(kho::preserve_pages(k, {4 * kGiB - 2 * kGiB}, u64{1} << 19));
        // That block holds the low scratch area: legal to preserve, and the reader does not mind (§10.11).
        REQUIRE(kho::finalise(k));
        const KhoIncoming incoming = m.hand_over();
        m.reset_kernel();
        m.before_free_all = [&] {
            CHECK(memblock::is_reserved(k.memblock, {0x80000000 - kGiB}));
            CHECK_FALSE(memblock::is_reserved(k.memblock, {0x80000000 - kGiB - 4096}));
            CHECK(memblock::is_reserved(k.memblock, {5 * kGiB}) == defect);
        };
        m.boot("kho=on", &incoming);
    }
}

TEST_CASE("kho round trip: neither sites nor work depend on what RAM held before") {
    std::array<u64, kSiteCount> sites{};
    std::array<u64, kWorkCount> work{};
    for (const int filler : {0, 0xa5}) {
        KhoMachine m({}, test::small_ram(), Generation::k6_16);
        const PhysRange above{{16 * kMiB}, 240 * kMiB};
        std::memset(ram::write<u8>(above.start, above.size), filler, above.size);
        const std::string_view options = "kho=on kho_scratch=16M,32M,16M reserve_mem=1M:4096:oops";
        m.boot(options);
        Random random{2};
        preserve_random(m.kernel(), random, 64 * kMiB, 128 * kMiB, 6);
        REQUIRE(kho::add_subtree(m.kernel(), "mine", {{0x5000}, 0}));
        REQUIRE(kho::finalise(m.kernel()));
        m.kexec(options);
        if (filler == 0) {
            sites = m.sites;
            work = m.work;
        } else {
            CHECK(m.sites == sites);
            CHECK(m.work == work);
        }
    }
}
