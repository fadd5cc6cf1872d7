// SPDX-License-Identifier: GPL-2.0-only
// Areas of vmalloc memory across a kexec (specs/kho.md §2.5, §3.2, §3.10): chunks, page lists, errors, known bugs.
#include "model/kho/vmalloc.hpp"

#include <vector>

#include "model/kho/tracker.hpp"
#include "tests/catch.hpp"
#include "tests/model/kho/kho_machine.hpp"

using namespace baton;
using test::BlockSet;
using test::KhoMachine;

namespace {

constexpr Generation kWithVmalloc[] = {Generation::k6_18, Generation::k7_0, Generation::k7_1_v2, Generation::k7_1};

BlockSet preserved(const Kernel& k) {
    BlockSet set;
    kho::tracker::for_each_block(k, [&](const kho::Block& b) { set.insert({b.order.value, b.phys.value}); });
    return set;
}

std::vector<PhysAddr> pages_of(const Kernel& k, u32 slot) {
    const VmArea* area = vm::find(k, slot);
    std::vector<PhysAddr> pages;
    if (area == nullptr) return pages;
    vm::PageCursor cursor(k, *area);
    for (u64 i = 0; i < area->pages; ++i) pages.push_back(cursor.next());
    return pages;
}

/// An area of so many runs; one of none has no pages.
u32 make_area(Kernel& k, u64 runs, u32 order) {
    const u32 flags = kVmAlloc | (order != 0 ? u32{kVmAllowHuge} : 0);
    const auto slot = runs != 0 ? vm::alloc(k, runs << order, {order}, flags) : vm::create(k, {order}, flags);
    if (!slot) throw std::runtime_error("no area");
    return *slot;
}

std::vector<PhysAddr> chunks_of(const kho::VmallocDescriptor& d) {
    std::vector<PhysAddr> chunks;
    for (PhysAddr at = d.first; at.value != 0; at = ram::load<PhysAddr>(at)) chunks.push_back(at);
    return chunks;
}

/// A preserved area, with its descriptor kept by the test in place of a blob.
struct Area : KhoMachine {
    Area(Generation generation, u64 runs, u32 order, PhysRange ram = test::small_ram())
        : KhoMachine(GeometryId::kX86_64, ram, generation) {
        boot();
        slot = make_area(kernel(), runs, order);
        before = preserved(kernel());
        pages = pages_of(kernel(), slot);
        if (!kho::preserve_vmalloc(kernel(), slot, descriptor)) throw std::runtime_error("not preserved");
    }
    baton::Result<u32> next() {
        finalise();
        kexec();
        return kho::restore_vmalloc(kernel(), descriptor);
    }
    u32 slot = 0;
    BlockSet before;
    std::vector<PhysAddr> pages;
    kho::VmallocDescriptor descriptor{};
};

}  // namespace

TEST_CASE("kho vmalloc: descriptor and chunks have the layout of the specification") {
    CHECK(kho::vmalloc_entries_max(4096) == 511);
    CHECK(kho::vmalloc_entries_max(16384) == 2047);
    CHECK(kho::vmalloc_entries_max(65536) == 8191);
    Area m(Generation::k6_18, 3, 1);
    const PhysAddr at{200 * kMiB};
    ram::store(at, m.descriptor);
    CHECK(ram::load<u64>(at) == m.descriptor.first.value);
    CHECK(ram::load<u32>(at + 8) == 6);
    CHECK(ram::load<u16>(at + 12) == 3);
    CHECK(ram::load<u16>(at + 14) == 1);
    CHECK(ram::load<u64>(m.descriptor.first) == 0);
    for (u64 i = 0; i < 3; ++i) CHECK(ram::load<PhysAddr>(m.descriptor.first + 8 + i * 8) == m.pages[i * 2]);
    CHECK(ram::load<u64>(m.descriptor.first + 8 + 3 * 8) == 0);
}

TEST_CASE("kho vmalloc: any number of runs is preserved, taken back, and restored in its order") {
    for (const Generation generation : kWithVmalloc) {
        for (const u64 runs : {0u, 1u, 510u, 511u, 512u, 1022u}) {
            for (const u32 order : {0u, 2u}) {
                CAPTURE(rules_for(generation).release, runs, order);
                Area m(generation, runs, order);
                Kernel& k = m.kernel();
                // A chunk that is full links the next at once: exact multiples leave an empty one.
                const auto chunks = chunks_of(m.descriptor);
                REQUIRE(chunks.size() == runs / 511 + 1);
                BlockSet expected = m.before;
                for (const PhysAddr chunk : chunks) expected.insert({0, chunk.value});
                for (u64 i = 0; i < runs; ++i) expected.insert({order, m.pages[i << order].value});
                CHECK(preserved(k) == expected);
                CHECK(m.site_count(Site::kKhoVmallocChunk) == chunks.size());
                const u64 free_before = m.free_pages();
                REQUIRE(kho::unpreserve_vmalloc(k, m.descriptor));
                CHECK(preserved(k) == m.before);
                CHECK(m.free_pages() == free_before + chunks.size());
                REQUIRE(kho::preserve_vmalloc(k, m.slot, m.descriptor));
                const auto slot = m.next();
                REQUIRE(slot);
                CHECK(pages_of(k, *slot) == m.pages);
                CHECK(vm::find(k, *slot)->order == order);
                for (const PhysAddr page : m.pages) REQUIRE(mm::page_refcount(*mm::page_of(k, page).get()) == 1);
                const u64 index_pages = div_round_up(m.pages.size(), 511);
                const u64 free_after = m.free_pages();
                REQUIRE(vm::free(k, *slot));
                CHECK(m.free_pages() == free_after + m.pages.size() + index_pages);
                // The chunks were freed by restore: a page of theirs is nobody's.
                for (const PhysAddr chunk : chunks_of(m.descriptor)) {
                    CHECK(mm::page_owner(k, chunk) == Owner::kFree);
                    break;
                }
                CHECK(m.warnings == 0);
            }
        }
    }
}

TEST_CASE("kho vmalloc: what is no area, or another kind of one, is refused and leaves nothing") {
    KhoMachine m;
    m.boot();
    Kernel& k = m.kernel();
    kho::VmallocDescriptor d{};
    CHECK(kho::preserve_vmalloc(k, 0, d).error() == Errno::kEINVAL);
    CHECK(kho::preserve_vmalloc(k, kVmAreasMax, d).error() == Errno::kEINVAL);
    for (const u32 flags : {u32{kVmMap}, u32{kVmAlloc | kVmUserMap}, u32{kVmAllowHuge}, 0u}) {
        const auto slot = vm::alloc(k, 4, {0}, flags);
        REQUIRE(slot);
        CHECK(kho::preserve_vmalloc(k, *slot, d).error() == Errno::kEOPNOTSUPP);
        REQUIRE(vm::free(k, *slot));
    }
    // A list whose pages are not runs of its order.
    const auto odd = vm::create(k, {1}, kVmAlloc | kVmAllowHuge);
    REQUIRE(odd);
    REQUIRE(vm::append(k, *odd, {64 * kMiB + 4096}));
    REQUIRE(vm::append(k, *odd, {64 * kMiB + 8192}));
    CHECK(kho::preserve_vmalloc(k, *odd, d).error() == Errno::kEINVAL);
    CHECK(k.kho.tracker.blocks == 0);
    vm::forget(k, *odd);
    const u32 slot = make_area(k, 2, 0);
    REQUIRE(kho::finalise(k));
    CHECK(kho::preserve_vmalloc(k, slot, d).error() == Errno::kEBUSY);
    CHECK(kho::unpreserve_vmalloc(k, d).error() == Errno::kEBUSY);
    {
        KhoMachine early({}, test::small_ram(), Generation::k6_16);
        early.boot();
        const u32 area = make_area(early.kernel(), 2, 0);
        CHECK(kho::preserve_vmalloc(early.kernel(), area, d).error() == Errno::kEOPNOTSUPP);
        CHECK(kho::restore_vmalloc(early.kernel(), d).error() == Errno::kEOPNOTSUPP);
    }
}

TEST_CASE("kho vmalloc: out of memory anywhere undoes everything") {
    for (const Generation generation : kWithVmalloc) {
        KhoMachine m({}, {{0}, 96 * kMiB}, generation);
        m.boot("kho=on kho_scratch=8M,8M,8M");
        Kernel& k = m.kernel();
        const u32 slot = make_area(k, 512, 0);
        const BlockSet before = preserved(k);
        auto taken = m.exhaust_memory();
        kho::VmallocDescriptor d{};
        u64 failures = 0;
        while (!kho::preserve_vmalloc(k, slot, d)) {
            REQUIRE(++failures < 100);
            CHECK(preserved(k) == before);
            mm::free_pages(k, taken.back(), {0});
            taken.pop_back();
        }
        CHECK(failures >= 2);
        CHECK(chunks_of(d).size() == 2);
        CHECK(m.warnings == 0);
    }
}

TEST_CASE("kho vmalloc: restoring what the descriptor does not mean is an error") {
    struct Case {
        const char* what;
        Errno error;
        void (*change)(kho::VmallocDescriptor&);
    };
    const Case cases[] = {
        {"unknown flag", Errno::kEINVAL, [](auto& d) { d.flags |= 4; }},
        {"impossible order", Errno::kEINVAL, [](auto& d) { d.order = 60; }},
        {"fewer pages", Errno::kEINVAL, [](auto& d) { d.total_pages -= 4; }},
        {"more pages", Errno::kEINVAL, [](auto& d) { d.total_pages += 4; }},
        {"smaller runs", Errno::kEINVAL, [](auto& d) { d.order = 0; }},
        {"a chunk that is none", Errno::kEINVAL, [](auto& d) { d.first = PhysAddr{100 * kMiB}; }},
        {"a chunk at an odd address", Errno::kEINVAL, [](auto& d) { d.first = d.first + 8; }},
    };
    for (const Case& c : cases) {
        CAPTURE(c.what);
        Area m(Generation::k6_18, 520, 2);
        c.change(m.descriptor);
        const auto slot = m.next();
        REQUIRE_FALSE(slot);
        CHECK(slot.error() == c.error);
        for (u32 i = 0; i < kVmAreasMax; ++i) CHECK(vm::find(m.kernel(), i) == nullptr);
    }
}

TEST_CASE("kho vmalloc: a list of chunks that bites its tail ends; a chunk outside memory kills the kernel") {
    {
        Area m(Generation::k7_1, 520, 0);
        ram::store(chunks_of(m.descriptor)[1], m.descriptor.first);
        CHECK(m.next().error() == Errno::kEINVAL);
    }
    Area m(Generation::k7_1, 3, 0);
    m.descriptor.first = {kTiB};
    m.finalise();
    m.kexec();
    const auto fault = m.run([&] { (void)kho::restore_vmalloc(m.kernel(), m.descriptor); });
    CHECK(fault.kind == sim::Fault::Kind::kBadAccess);
}

TEST_CASE("kho vmalloc: with B10 unpreserving leaves the runs of an order preserved") {
    for (const u32 order : {0u, 2u}) {
        Area m(Generation::k6_18, 5, order);
        m.set_defect(Defect::kB10);
        REQUIRE(kho::unpreserve_vmalloc(m.kernel(), m.descriptor));
        CHECK((preserved(m.kernel()) == m.before) == (order == 0));
        CHECK(m.warnings == (order == 0 ? 0u : 5u));
    }
}

TEST_CASE("kho vmalloc: with B11 every page of a run is its first") {
    Area m(Generation::k6_18, 3, 2);
    m.set_defect(Defect::kB11);
    const auto slot = m.next();
    REQUIRE(slot);
    const auto pages = pages_of(m.kernel(), *slot);
    REQUIRE(pages.size() == 12);
    for (u64 i = 0; i < 12; ++i) CHECK(pages[i] == m.pages[i & ~u64{3}]);
}

TEST_CASE("kho vmalloc: with B09 a full chunk is read on into the next page") {
    for (const u64 runs : {510u, 511u}) {
        Area m(Generation::k6_18, runs, 0);
        m.set_defect(Defect::kB09);
        ram::store(m.descriptor.first + 4096, u64{77});  // whatever lies there
        const auto slot = m.next();
        CHECK(slot.has_value() == (runs == 510));
    }
}

TEST_CASE("kho vmalloc: with B13 a chunk that could not be had is no error, and the next kernel finds nothing") {
    for (const bool defect : {false, true}) {
        KhoMachine m({}, {{0}, 96 * kMiB}, Generation::k6_18);
        m.boot("kho=on kho_scratch=8M,8M,8M");
        Kernel& k = m.kernel();
        m.set_defect(Defect::kB13, defect);
        const u32 slot = make_area(k, 512, 0);
        kho::VmallocDescriptor d{};
        REQUIRE(kho::preserve_vmalloc(k, slot, d));  // so that all bitmaps are there
        REQUIRE(kho::unpreserve_vmalloc(k, d));
        const auto taken = m.exhaust_memory();
        mm::free_pages(k, taken[0], {0});
        const Status preserved_it = kho::preserve_vmalloc(k, slot, d);
        CHECK(preserved_it.has_value() == defect);
        CHECK(k.kho.tracker.blocks == 0);
        m.give_back({taken.begin() + 1, taken.end()});
        REQUIRE(kho::finalise(k));
        m.kexec("kho=on");
        CHECK_FALSE(kho::restore_vmalloc(k, d));
    }
}

TEST_CASE("kho vmalloc: an area with a name is found by it, dropped by it, and saved under it again") {
    for (const Generation generation : kWithVmalloc) {
        KhoMachine m({}, test::small_ram(), generation);
        m.boot();
        Kernel& k = m.kernel();
        const u32 slot = make_area(k, 20, 1);
        const auto pages = pages_of(k, slot);
        const BlockSet before = preserved(k);
        const u64 free_before = m.free_pages();
        REQUIRE(kho::vmalloc_blob::save(k, slot, "ring"));
        CHECK(kho::vmalloc_blob::save(k, slot, "ring").error() == Errno::kEEXIST);
        CHECK(kho::vmalloc_blob::drop(k, "other").error() == Errno::kENOENT);
        REQUIRE(kho::vmalloc_blob::drop(k, "ring"));
        CHECK(kho::vmalloc_blob::drop(k, "ring").error() == Errno::kENOENT);
        CHECK(preserved(k) == before);
        CHECK(free_before - m.free_pages() < 16);  // tracker pages stay
        REQUIRE(kho::vmalloc_blob::save(k, slot, "ring"));
        m.finalise();
        m.kexec();
        CHECK(kho::vmalloc_blob::load(k, "other").error() == Errno::kENOENT);
        const auto restored = kho::vmalloc_blob::load(k, "ring");
        REQUIRE(restored);
        CHECK(pages_of(k, *restored) == pages);
        CHECK(kho::vmalloc_blob::load(k, "ring").error() == Errno::kEINVAL);
    }
}
