// SPDX-License-Identifier: GPL-2.0-only
// The C++ twin of the relocation code, against a naive executor that shares nothing with it (specs/kexec.md §7.4,
// §11.4).
#include "sim/native/relocator.hpp"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <vector>

#include "model/kexec/kexec.hpp"
#include "sim/random.hpp"
#include "tests/catch.hpp"
#include "tests/support/bare_machine.hpp"

namespace baton::test {
namespace {

constexpr u64 kPage = 4096;

struct Copy {
    u64 source;
    u64 destination;
};

// A random list in RAM: runs of destinations, sources scattered, several list pages.
struct RandomList {
    RandomList(BareMachine& m, sim::Random& random) : machine(m) {
        const u64 first = (m.ram().start.value + 8 * kMiB) / kPage;
        std::vector<u64> pages(2000);
        std::iota(pages.begin(), pages.end(), first);
        for (u64 i = pages.size() - 1; i > 0; --i) std::swap(pages[i], pages[random.bounded(i + 1)]);
        next = pages;
        for (u64 i = 0; i < 2000; ++i)
            for (u64 b = 0; b < kPage; b += 512) {
                const u64 word = random.next();
                std::memcpy(m.bytes({(first + i) * kPage + b}), &word, 8);
            }
        const u64 segments = 1 + random.bounded(4);
        for (u64 s = 0; s < segments; ++s) {
            const u64 start = (first + 2000 + s * 400) * kPage;  // destinations lie apart from sources
            append(start | kEntryDestination);
            const u64 count = 1 + random.bounded(350);
            for (u64 i = 0; i < count; ++i) {
                const bool in_place = random.bounded(10) == 0;
                const u64 source = in_place ? start + i * kPage : take();
                append(source | kEntrySource);
                copies.push_back({source, start + i * kPage});
            }
        }
        append(kEntryDone);
    }
    u64 take() {
        const u64 page = next.back();
        next.pop_back();
        return page * kPage;
    }
    void append(u64 word) {
        if (slot == 0 || slot % kPage == kPage - 8) {
            const u64 page = take();
            ++words;
            if (slot == 0)
                head = page | kEntryIndirection;
            else
                put(slot, page | kEntryIndirection);
            slot = page;
        }
        put(slot, word);
        slot += 8;
        ++words;
    }
    void put(u64 at, u64 word) { std::memcpy(machine.bytes({at}), &word, 8); }

    BareMachine& machine;
    std::vector<u64> next;
    std::vector<Copy> copies;
    u64 head = 0;
    u64 slot = 0;
    u64 words = 0;
};

std::vector<u8> ram_of(BareMachine& m) {
    const auto* p = reinterpret_cast<const u8*>(m.bytes(m.ram().start));
    return {p, p + m.ram().size};
}

}  // namespace

TEST_CASE("relocator: random lists leave the RAM of a naive executor, and one site a page") {
    for (const bool x86 : {true, false}) {
        const PhysRange ram{{x86 ? 0 : u64{kGiB}}, 32 * kMiB};
        sim::Random random(7, x86);
        for (u32 round = 0; round < 60; ++round) {
            BareMachine m(x86 ? GeometryId::kX86_64 : GeometryId::kAArch64_4K, ram);
            RandomList list(m, random);
            const bool swap = x86 && round % 2 == 1;
            const u64 third = list.take();
            std::vector<u8> expected = ram_of(m);
            const auto at = [&](u64 a) { return expected.data() + (a - ram.start.value); };
            for (const Copy& c : list.copies) {
                if (swap) {
                    std::vector<u8> source(at(c.source), at(c.source) + kPage);
                    std::memcpy(at(third), source.data(), kPage);
                    std::memmove(at(c.source), at(c.destination), kPage);
                    std::memcpy(at(c.destination), source.data(), kPage);
                } else {
                    std::memmove(at(c.destination), at(c.source), kPage);
                }
            }
            const platform::Jump jump{.head = list.head,
                                      .start = {0x1234000},
                                      .swap_page = {third},
                                      .argument = 99,
                                      .page_size = kPage,
                                      .three_way_swap = swap};
            sim::Entry entry;
            const sim::Fault fault = m.run([&] { entry = sim::relocate(x86 ? Isa::kX86_64 : Isa::kAArch64, jump); });
            REQUIRE(fault.kind == sim::Fault::Kind::kNone);
            REQUIRE(entry.address.value == 0x1234000);
            REQUIRE(entry.argument == 99);
            REQUIRE(ram_of(m) == expected);
            REQUIRE(m.site_count(Site::kRelocatePage) == list.copies.size());
            REQUIRE(m.charged(Work::kEntriesWalked) == list.words - 1);  // `head` is not read from RAM
            REQUIRE(m.charged(swap ? Work::kPagesSwapped : Work::kPagesCopied) == list.copies.size());
        }
    }
}

TEST_CASE("relocator: swapping twice restores the RAM it began with") {
    BareMachine m(GeometryId::kX86_64, {{0}, 32 * kMiB});
    sim::Random random(11, 0);
    RandomList list(m, random);
    const platform::Jump jump{
        .head = list.head, .swap_page = {list.take()}, .page_size = kPage, .three_way_swap = true};
    std::vector<u8> before = ram_of(m);
    REQUIRE(m.run([&] { sim::relocate(Isa::kX86_64, jump); }).kind == sim::Fault::Kind::kNone);
    REQUIRE(ram_of(m) != before);
    REQUIRE(m.run([&] { sim::relocate(Isa::kX86_64, jump); }).kind == sim::Fault::Kind::kNone);
    std::vector<u8> after = ram_of(m);
    // The swap page itself keeps the last page that went through it.
    std::fill_n(before.begin() + static_cast<std::ptrdiff_t>(jump.swap_page.value), kPage, u8{0});
    std::fill_n(after.begin() + static_cast<std::ptrdiff_t>(jump.swap_page.value), kPage, u8{0});
    REQUIRE(after == before);
}

TEST_CASE("relocator: a word that leads outside RAM is a bad access, not a crash") {
    for (const u64 flag : {kEntrySource, kEntryIndirection, kEntryDestination}) {
        BareMachine m(GeometryId::kX86_64, {{0}, 32 * kMiB});
        sim::Random random(13, 0);
        RandomList list(m, random);
        const u64 first = list.head & ~(kPage - 1);
        list.put(first + 8, 0x7ffffff000 | flag);
        const platform::Jump jump{.head = list.head, .page_size = kPage};
        const sim::Fault fault = m.run([&] { sim::relocate(Isa::kX86_64, jump); });
        REQUIRE(fault.kind == sim::Fault::Kind::kBadAccess);
        REQUIRE(fault.args[0] == 0x7ffffff000);
    }
}

TEST_CASE("relocator: the ISAs read a word with several flags in their own order") {
    // DESTINATION and SOURCE in one word: x86-64 looks for DESTINATION first, AArch64 for SOURCE.
    for (const bool x86 : {true, false}) {
        BareMachine m(x86 ? GeometryId::kX86_64 : GeometryId::kAArch64_4K, {{0}, 32 * kMiB});
        const u64 list = 9 * kMiB;
        const u64 words[] = {(10 * kMiB) | kEntryDestination, (11 * kMiB) | kEntrySource | kEntryDestination,
                             kEntryDone};
        std::memcpy(m.bytes({list}), words, sizeof(words));
        *m.bytes({11 * kMiB}) = std::byte{0x5a};
        const platform::Jump jump{.head = list | kEntryIndirection, .page_size = kPage};
        REQUIRE(m.run([&] { sim::relocate(x86 ? Isa::kX86_64 : Isa::kAArch64, jump); }).kind ==
                sim::Fault::Kind::kNone);
        REQUIRE((*m.bytes({10 * kMiB}) == std::byte{0x5a}) == !x86);
    }
}

}  // namespace baton::test
