// SPDX-License-Identifier: GPL-2.0-only
// The entry list and the source-page allocator: the invariants of specs/kexec.md §13 on random segments, among them
// destinations that cover most of free memory, so that pages are exchanged and kept for later.
#include "model/kexec/entry_list.hpp"

#include <algorithm>
#include <random>
#include <set>

#include "tests/catch.hpp"
#include "tests/model/kexec/list_bench.hpp"
#include "tests/model/kexec/list_executor.hpp"

using namespace baton;
using namespace baton::kexec;
using namespace baton::test;

namespace {

void check_list(Bench& b, const ParsedList& list) {
    std::set<u64> destinations;
    std::set<u64> sources;
    std::vector<u64> expected;
    for (u32 i = 0; i < b.image.segment_count; ++i)
        for (u64 o = 0; o < b.image.segments[i].memsz; o += b.page)
            expected.push_back(b.image.segments[i].mem.value + o);
    REQUIRE(list.copies.size() == expected.size());
    for (u64 i = 0; i < expected.size(); ++i) {
        REQUIRE(list.copies[i].destination == expected[i]);
        REQUIRE(destinations.insert(expected[i]).second);
        REQUIRE(sources.insert(list.copies[i].source).second);
    }
    for (const PageCopy& c : list.copies) REQUIRE((c.source == c.destination || !destinations.contains(c.source)));
    std::set<u64> others(list.list_pages.begin(), list.list_pages.end());
    REQUIRE(others.size() == list.list_pages.size());
    for (u64 link = b.image.control_pages; link != 0;) {
        const PhysAddr control = geometry(b.k).phys_of({(link >> 1) - 1});
        REQUIRE(others.insert(control.value).second);
        link = mm::page_of(b.k, control).get()->next;
    }
    for (const u64 other : others) REQUIRE((!destinations.contains(other) && !sources.contains(other)));
    CHECK(b.image.source_pages == list.copies.size() + list.list_pages.size());
}

void check_execution(Bench& b, const ParsedList& list, const std::vector<std::vector<u8>>& contents, bool swap) {
    Relocated after(b.m, list, b.page, swap);
    for (u32 i = 0; i < b.image.segment_count; ++i) {
        const KexecSegment& s = b.image.segments[i];
        std::vector<u8> expected = contents[i];
        expected.resize(s.memsz);
        REQUIRE(std::memcmp(after.at(s.mem.value), expected.data(), s.memsz) == 0);
    }
    std::set<u64> touched;
    for (const PageCopy& c : list.copies) {
        touched.insert(c.destination);
        if (!swap || c.source == c.destination) continue;
        touched.insert(c.source);
        REQUIRE(std::memcmp(after.at(c.source), b.m.bytes({c.destination}), b.page) == 0);
    }
    for (u64 p = b.m.ram().start.value; p < b.m.ram().end().value; p += b.page)
        if (!touched.contains(p)) REQUIRE(std::memcmp(after.at(p), b.m.bytes({p}), b.page) == 0);
}

}  // namespace

TEST_CASE("entry list: an image with nothing appended is one DONE in head") {
    Bench b;
    terminate(b.image);
    CHECK(b.image.head == kEntryDone);
    EntryWalker w(b.image, b.page);
    CHECK_FALSE(w.next());
    free_list(b.k, b.image);
    CHECK(b.image.head == 0);
}

TEST_CASE("entry list: 511 words a page, the last slot is a link or DONE, the next slot is 0") {
    Bench b;
    for (u64 i = 0; i < 511; ++i) {
        REQUIRE(append(b.k, b.image, (1000 + i) << 12 | kEntryDestination));
        REQUIRE(ram::load<u64>(b.image.entry) == 0);
    }
    CHECK(b.image.source_pages == 1);
    const PhysAddr first{b.image.head & ~u64{0xfff}};
    CHECK((b.image.head & 0xfff) == kEntryIndirection);
    CHECK(b.image.entry == first + 511 * 8);
    CHECK(b.image.last_entry == b.image.entry);
    CHECK(ram::load<u64>(first) == (1000u << 12 | kEntryDestination));

    SECTION("DONE goes to the last slot without another page") {
        terminate(b.image);
        CHECK(ram::load<u64>(first + 511 * 8) == kEntryDone);
        CHECK(b.image.source_pages == 1);
    }
    SECTION("one more word links to a new page") {
        REQUIRE(append(b.k, b.image, 7u << 12 | kEntryDestination));
        CHECK(b.image.source_pages == 2);
        const u64 link = ram::load<u64>(first + 511 * 8);
        CHECK((link & 0xfff) == kEntryIndirection);
        CHECK(ram::load<u64>(PhysAddr{link & ~u64{0xfff}}) == (7u << 12 | kEntryDestination));
        terminate(b.image);
        u64 words = 0;
        for (EntryWalker w(b.image, b.page); w.next();) ++words;
        CHECK(words == 2 + 512);
    }
    b.release();
    CHECK(mm::counts(b.k).free_pages == b.free_before);
}

TEST_CASE("entry list: every destination page gets its content once, and no copy can hurt another (random segments)") {
    const GeometryId ids[] = {GeometryId::kX86_64, GeometryId::kAArch64_4K, GeometryId::kAArch64_16K};
    u64 in_place = 0;
    u64 exchanged = 0;
    for (u64 seed = 0; seed < 24; ++seed) {
        std::mt19937_64 random(seed);
        const GeometryId id = ids[seed % 3];
        Bench b(id, id == GeometryId::kAArch64_16K ? 64 * kMiB : 16 * kMiB);
        const u32 count = 1 + static_cast<u32>(random() % kFilesMax);
        const auto contents = random_segments(b, random, count, 1600 / count);
        // Take most of what is no destination away: what is left to choose from lies inside the destinations.
        std::vector<PhysAddr> hoard;
        if (seed % 2 == 1) {
            u64 kept = 0;
            std::vector<PhysAddr> give_back;
            while (const auto p = mm::alloc_pages(b.k, {0}, 0, AllocSite::kUser)) {
                const bool wanted = is_destination(b.image, {*p, b.page}) || kept++ < 1700;
                (wanted ? give_back : hoard).push_back(*p);
            }
            std::shuffle(give_back.begin(), give_back.end(), random);
            for (const PhysAddr p : give_back) mm::free_pages(b.k, p, {0});
        }
        const u64 free_before = mm::counts(b.k).free_pages;
        REQUIRE(alloc_control(b.k, b.image));
        const u64 copied_before = b.m.charged(Work::kPagesCopied);
        REQUIRE(copy_segments(b.k, b.image));
        terminate(b.image);
        const ParsedList list = parse_list(b.m, b.image.head, b.page);
        check_list(b, list);
        check_execution(b, list, contents, false);
        check_execution(b, list, contents, true);
        CHECK(b.m.site_count(Site::kLoadPage) == list.copies.size());
        in_place += static_cast<u64>(
            std::count_if(list.copies.begin(), list.copies.end(), [](auto c) { return c.source == c.destination; }));
        u64 full_pages = 0;
        for (const auto& c : contents) full_pages += c.size() / b.page;
        exchanged += b.m.charged(Work::kPagesCopied) - copied_before - full_pages;
        b.release();
        CHECK(mm::counts(b.k).free_pages == free_before);
        CHECK(b.m.warnings == 0);
        for (const PhysAddr p : hoard) mm::free_pages(b.k, p, {0});
    }
    CHECK(in_place > 100);
    CHECK(exchanged > 100);
}

TEST_CASE("entry list: a source page is never some other page's destination, even when nothing else is free") {
    Bench b;
    const auto a = mm::alloc_pages(b.k, {1}, 0, AllocSite::kUser);  // two neighbours: destinations 0 and 1
    REQUIRE(a);
    std::vector<PhysAddr> hoard;
    while (const auto p = mm::alloc_pages(b.k, {0}, 0, AllocSite::kUser)) hoard.push_back(*p);
    b.add(a->value, 2 * b.page);
    const auto give = [&b](PhysAddr p) { mm::free_pages(b.k, p, {0}); };

    // Only the second destination is free: the first page waits for memory, and the second is kept for later.
    mm::free_run(b.k, *a, 2);
    const auto first = mm::alloc_pages(b.k, {0}, 0, AllocSite::kUser);
    REQUIRE(first);
    const PhysAddr free_page = *first == *a ? *a + b.page : *a;
    const PhysAddr taken = *first;
    CHECK(alloc_source_page(b.k, b.image, taken).error() == Errno::kENOMEM);
    CHECK(b.image.dest_pages.count == 1);
    // Asked for by name, it is its own source; nothing is allocated.
    CHECK(*alloc_source_page(b.k, b.image, free_page) == free_page);
    CHECK(b.image.dest_pages.count == 0);
    give(taken);
    release_page(b.k, free_page, Owner::kImageSource);
    for (const PhysAddr p : hoard) give(p);
    CHECK(mm::counts(b.k).free_pages == b.free_before);
}

TEST_CASE("entry list: a free page that an earlier copy needs takes the content over and gives the old page") {
    Bench b;
    const auto destination = mm::alloc_pages(b.k, {0}, 0, AllocSite::kUser);
    REQUIRE(destination);
    b.add(destination->value, b.page);
    REQUIRE(append(b.k, b.image, destination->value | kEntryDestination));
    const auto old = alloc_source_page(b.k, b.image, *destination);
    REQUIRE(old);
    REQUIRE(*old != *destination);
    REQUIRE(append(b.k, b.image, old->value | kEntrySource));
    std::memset(ram::write<u8>(*old, b.page), 0x5a, b.page);

    mm::free_pages(b.k, *destination, {0});  // last in, first out: the next page handed out
    const auto next = alloc_source_page(b.k, b.image, kNoDestination);
    REQUIRE(next);
    CHECK(*next == *old);
    terminate(b.image);
    const ParsedList list = parse_list(b.m, b.image.head, b.page);
    REQUIRE(list.copies.size() == 1);
    CHECK(list.copies[0].source == destination->value);
    CHECK(*ram::read<u8>(*destination + 17) == 0x5a);
    release_page(b.k, *next, Owner::kImageSource);
    b.release();
    CHECK(mm::counts(b.k).free_pages == b.free_before);
}

TEST_CASE("entry list: pages above the address limit are set aside, not used") {
    Bench b;
    b.image.address_limit = 8 * kMiB - 1;
    std::vector<PhysAddr> hoard;  // leave a little below the limit, so that the limit matters
    u64 below = 0;
    while (const auto p = mm::alloc_pages(b.k, {0}, 0, AllocSite::kUser)) hoard.push_back(*p);
    for (auto& p : hoard)
        if (p.value > b.image.address_limit || below++ < 40) mm::free_pages(b.k, p, {0}), p = kNoDestination;
    const u64 free_before = mm::counts(b.k).free_pages;
    for (int i = 0; i < 20; ++i) {
        const auto source = alloc_source_page(b.k, b.image, kNoDestination);
        REQUIRE(source);
        CHECK(source->value <= b.image.address_limit);
        REQUIRE(append(b.k, b.image, source->value | kEntrySource));
    }
    for (int i = 0; i < 10; ++i) CHECK(alloc_control_page(b.k, b.image)->value <= b.image.address_limit);
    while (alloc_control_page(b.k, b.image)) continue;  // rejects go back even when there is none left
    b.release();
    CHECK(mm::counts(b.k).free_pages == free_before);
    for (const PhysAddr p : hoard)
        if (p != kNoDestination) mm::free_pages(b.k, p, {0});
}

TEST_CASE("entry list: chains give back what was put in, the last first") {
    Bench b;
    u64 chain = 0;
    std::vector<PhysAddr> pages;
    for (int i = 0; i < 3; ++i) {
        pages.push_back(*take_page(b.k, AllocSite::kUser));
        chain_push(b.k, chain, pages.back());
    }
    for (int i = 2; i >= 0; --i) CHECK(*chain_pop(b.k, chain) == pages[static_cast<u64>(i)]);
    CHECK_FALSE(chain_pop(b.k, chain));
    for (const PhysAddr p : pages) release_page(b.k, p, Owner::kKernel);
    CHECK(mm::counts(b.k).free_pages == b.free_before);
}

TEST_CASE("entry list: freeing an overwritten list warns and leaks, and frees nothing twice") {
    Bench b;
    const auto source = alloc_source_page(b.k, b.image, kNoDestination);
    REQUIRE(append(b.k, b.image, source->value | kEntrySource));
    const PhysAddr list_page{b.image.head & ~u64{0xfff}};
    ram::store<u64>(list_page, 0x123456789000 | kEntrySource);  // no such page
    ram::store<u64>(list_page + 8, source->value | kEntrySource);
    ram::store<u64>(list_page + 16, source->value | kEntrySource);  // a second time
    ram::store<u64>(list_page + 24, kEntryDone);
    free_list(b.k, b.image);
    CHECK(b.m.warnings == 2);
    CHECK(mm::counts(b.k).free_pages == b.free_before);
}
