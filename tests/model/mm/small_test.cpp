// SPDX-License-Identifier: GPL-2.0-only
// Small objects: classes, alignment, reuse, and pages given back.
#include <algorithm>
#include <random>

#include "model/bits.hpp"
#include "tests/catch.hpp"
#include "tests/support/page_rig.hpp"

namespace baton::test {
namespace {

TEST_CASE("small objects: sizes round up to a class, and are aligned to it") {
    for (const TestGeometry& t : kTestGeometries) {
        INFO(geometry_of(t.id).name);
        PageRig rig(t.id, t.ram);
        rig.boot();
        const u64 classes[][2] = {{1, 32},   {32, 32},   {33, 64},     {64, 64},
                                  {65, 128}, {512, 512}, {1025, 2048}, {2048, 2048}};
        for (const auto& [bytes, size] : classes) {
            const PhysAddr a = *mm::small_alloc(rig.k, bytes, 0, AllocSite::kUser);
            const PhysAddr b = *mm::small_alloc(rig.k, bytes, 0, AllocSite::kUser);
            CHECK(is_aligned(a, size));
            CHECK((b - a) % size == 0);
            CHECK(std::max(a, b) - std::min(a, b) >= size);
        }
        CHECK(mm::small_alloc(rig.k, 0, 0, AllocSite::kUser).error() == Errno::kEINVAL);
        CHECK(mm::small_alloc(rig.k, 2049, 0, AllocSite::kUser).error() == Errno::kEINVAL);
    }
}

TEST_CASE("small objects: cleared on request, with garbage otherwise") {
    PageRig rig(GeometryId::kX86_64, {{0}, 64 * kMiB});
    rig.boot();
    const PhysAddr a = *mm::small_alloc(rig.k, 64, 0, AllocSite::kUser);
    const PhysAddr keep = *mm::small_alloc(rig.k, 64, 0, AllocSite::kUser);
    std::memset(ram::write<u8>(a, 64), 0xee, 64);
    mm::small_free(rig.k, a);
    REQUIRE(*mm::small_alloc(rig.k, 64, 0, AllocSite::kUser) == a);  // last in, first out
    CHECK(*ram::read<u8>(a + 63) == 0xee);
    mm::small_free(rig.k, a);
    REQUIRE(*mm::small_alloc(rig.k, 50, kAllocZero, AllocSite::kUser) == a);
    for (u64 i = 0; i < 64; ++i) REQUIRE(*ram::read<u8>(a + i) == 0);
    CHECK(keep != a);
}

TEST_CASE("small objects: random use never overlaps, and everything goes back") {
    for (const TestGeometry& t : kTestGeometries) {
        INFO(geometry_of(t.id).name);
        PageRig rig(t.id, t.ram);
        rig.boot();
        const u64 fresh = mm::counts(rig.k).free_pages;
        std::mt19937_64 random(5);
        std::map<u64, u64> live;  // address → bytes
        for (u64 i = 0; i < 10000; ++i) {
            if (live.empty() || random() % 5 < 3) {
                const u64 limit = random() % 2 == 0 ? 100 : 2048;
                const u64 bytes = 1 + random() % limit;
                const auto a = mm::small_alloc(rig.k, bytes, 0, AllocSite::kUser);
                REQUIRE(a.has_value());
                const auto next = live.lower_bound(a->value);
                if (next != live.end()) REQUIRE(a->value + bytes <= next->first);
                if (next != live.begin()) REQUIRE(std::prev(next)->first + std::prev(next)->second <= a->value);
                live[a->value] = bytes;
                std::memset(ram::write<u8>(*a, bytes), static_cast<int>(bytes & 0xff), bytes);
            } else {
                auto victim = live.lower_bound(random() % t.ram.end().value);
                if (victim == live.end()) victim = live.begin();
                for (u64 b = 0; b < victim->second; ++b)
                    if (*ram::read<u8>({victim->first + b}) != (victim->second & 0xff)) FAIL("object was overwritten");
                mm::small_free(rig.k, {victim->first});
                live.erase(victim);
            }
        }
        u64 objects = 0;
        for (const u64 n : rig.k.small.objects) objects += n;
        CHECK(objects == live.size());
        CHECK(mm::counts(rig.k).free_pages == fresh - rig.k.small.pages);
        for (const auto& [a, bytes] : live) mm::small_free(rig.k, {a});
        CHECK(rig.k.small.pages == 0);
        CHECK(mm::counts(rig.k).free_pages == fresh);
        CHECK(rig.audit() == "");
        CHECK(rig.machine.wrong_owners == 0);
    }
}

TEST_CASE("small objects: freeing what is none is caught") {
    PageRig rig(GeometryId::kX86_64, {{0}, 64 * kMiB});
    rig.boot();
    const PhysAddr page = *mm::alloc_pages(rig.k, {0}, 0, AllocSite::kUser);
    CHECK(rig.machine.run([&] { mm::small_free(rig.k, page); }).kind == sim::Fault::Kind::kAssert);
    const PhysAddr object = *mm::small_alloc(rig.k, 128, 0, AllocSite::kUser);
    CHECK(rig.machine.run([&] { mm::small_free(rig.k, object + 32); }).kind == sim::Fault::Kind::kAssert);
    // A page of small objects is not a page to free, whatever stands in its link.
    mm::free_pages(rig.k, PhysAddr{object.value & ~u64{4095}}, {0});
    CHECK(rig.machine.logged(Log::kBadPageState));
    CHECK((rig.state(object) & (kPageFree | kPageTail)) == 0);
}

TEST_CASE("small objects: no memory is ENOMEM") {
    PageRig rig(GeometryId::kX86_64, {{0}, 16 * kMiB});
    rig.boot();
    while (mm::alloc_pages(rig.k, {0}, 0, AllocSite::kUser)) {
    }
    CHECK(mm::small_alloc(rig.k, 64, 0, AllocSite::kUser).error() == Errno::kENOMEM);
}

}  // namespace
}  // namespace baton::test
