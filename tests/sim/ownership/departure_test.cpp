// SPDX-License-Identifier: GPL-2.0-only
// What RAM says when a kernel is left is what it claimed, and every single word or owner that is changed is found.
#include "sim/ownership/departure.hpp"

#include <algorithm>

#include "model/kernel.hpp"
#include "sim/ownership/read_list.hpp"
#include "tests/catch.hpp"
#include "tests/support/machines.hpp"

namespace baton::test {
namespace {

using namespace sim;

const GeometryId kAll[] = {GeometryId::kX86_64, GeometryId::kAArch64_4K, GeometryId::kAArch64_16K};

/// A kernel that has finalised and loaded its successor.
class Ready {
public:
    explicit Ready(GeometryId g) : box({.geometry = g, .ram_bytes = 256 * kMiB, .seed = 7}) {
        box.ask(Op::kFinalise);
        box.load_next();
        const Kimage& image = box->kernel()->kexec.image;
        jump = {.head = image.head,
                .start = image.start,
                .control_page = image.control_code_page,
                .root = image.root,
                .idmap_root = image.idmap_root,
                .swap_page = image.swap_page,
                .page_size = page()};
        owners.restore(box->ownership().snapshot());
    }
    u64 page() { return box->geometry().page_size(); }
    PhysAddr root() { return box->kernel()->page_table; }
    std::vector<ClaimFault> compare() {
        return compare_departure({box->memory(), owners, box->geometry(), jump, root()});
    }
    EntryList list() { return read_entry_list(box->memory(), box->geometry().isa, page(), jump.head); }
    u64 load(PhysAddr a) { return box->memory().load<u64>(a).value(); }
    void store(PhysAddr a, u64 value) { REQUIRE(box->memory().store<u64>(a, value)); }
    /// The first word from `a` on that has this flag alone.
    PhysAddr entry(PhysAddr a, u64 flag) {
        while ((load(a) & 0xf) != flag) a += 8;
        return a;
    }
    PhysAddr somebody(Owner owner) {
        for (const OwnedRun& run : owners.runs())
            if (run.owner == owner && run.range.size >= page()) return {run.range.start.value & ~(page() - 1)};
        FAIL("nobody is " << name(owner));
        return {};
    }
    /// The first entry of a table that leads to another.
    PhysAddr leads_on(PhysAddr table) {
        const u64 mask = box->geometry().isa == Isa::kX86_64 ? 0x81 : 3;
        const u64 is = box->geometry().isa == Isa::kX86_64 ? 1 : 3;
        while ((load(table) & mask) != is) table += 8;
        return table;
    }

    Box box;
    platform::Jump jump;
    OwnershipMap owners;
};

bool has(const std::vector<ClaimFault>& faults, Reading reading, PhysAddr at, Owner recorded) {
    return std::ranges::any_of(faults, [&](const ClaimFault& f) {
        return f.reading == reading && f.range.contains(at) && f.recorded == recorded;
    });
}

}  // namespace

TEST_CASE("departure: a kernel that is right has nothing to answer for") {
    for (const GeometryId g : kAll) {
        CAPTURE(geometry_of(g).name);
        Ready r(g);
        for (const ClaimFault& f : r.compare()) UNSCOPED_INFO(to_text(f));
        CHECK(r.compare().empty());
        const EntryList list = r.list();
        CHECK(list.copies.size() > 16);
        CHECK(list.pages.size() * r.page() / 8 >= list.copies.size());
    }
}

TEST_CASE("departure: one word of the entry list") {
    for (const GeometryId g : kAll) {
        CAPTURE(geometry_of(g).name);
        Ready r(g);
        const EntryList list = r.list();
        const PhysAddr source = r.entry(list.pages.front(), 8);
        const PhysAddr was{r.load(source) & ~(r.page() - 1)};
        const PhysAddr user = r.somebody(Owner::kFree);
        r.store(source, user.value | 8);
        CHECK(has(r.compare(), Reading::kListReads, user, Owner::kFree));
        CHECK(has(r.compare(), Reading::kNotRead, was, Owner::kImageSource));
        r.store(source, was.value | 8);
        CHECK(r.compare().empty());

        const PhysAddr destination = r.entry(list.pages.front(), 1);
        const u64 to = r.load(destination);
        const PhysAddr kept = r.somebody(Owner::kPreserved);
        r.store(destination, kept.value | 1);
        CHECK(has(r.compare(), Reading::kListWrites, kept, Owner::kPreserved));
        r.store(destination, to);
        CHECK(r.compare().empty());

        // The list ends before its time, or bites its tail: the rest of it is nobody's.
        for (const u64 end : {u64{4}, list.pages.front().value | 2}) {
            r.store(source, end);
            CHECK(has(r.compare(), Reading::kNotRead, was, Owner::kImageSource));
            CHECK(has(r.compare(), Reading::kNotRead, list.copies.back().from, Owner::kImageSource));
        }
    }
}

TEST_CASE("departure: what is no list, and no tree, comes to an end") {
    const std::vector<PhysRange> ram = {{{0}, 64 * kMiB}};
    PhysicalMemory memory(ram);
    for (const Isa isa : {Isa::kX86_64, Isa::kAArch64}) {
        const EntryList zeroes = read_entry_list(memory, isa, 4096, 16 * kMiB | 2);
        CHECK(zeroes.copies.empty());
        CHECK(zeroes.pages.size() <= kListWordsMax / 512 + 1);
        CHECK(read_entry_list(memory, isa, 4096, u64{1} << 50 | 2).pages.empty());
        CHECK(read_entry_list(memory, isa, 4096, 4).pages.empty());
        REQUIRE(memory.store<u64>({8 * kMiB}, 8 * kMiB | 3));  // a table that leads to itself
        CHECK(table_pages(memory, isa, 12, 4, {8 * kMiB}) == std::vector<PhysAddr>{{8 * kMiB}});
        CHECK(table_pages(memory, isa, 12, 0, {8 * kMiB}).empty());
        CHECK(table_pages(memory, isa, 12, 4, {u64{1} << 50}).empty());
    }
}

TEST_CASE("departure: one owner") {
    for (const GeometryId g : kAll) {
        CAPTURE(geometry_of(g).name);
        Ready r(g);
        const EntryList list = r.list();
        const auto with = [&](PhysAddr at, Owner owner) {
            const OwnershipMap::State before = r.owners.snapshot();
            r.owners.set({at, 1}, owner);
            const auto faults = r.compare();
            r.owners.restore(before);
            return faults;
        };
        CHECK(has(with(list.copies[9].from, Owner::kFree), Reading::kListReads, list.copies[9].from, Owner::kFree));
        CHECK(has(with(list.pages[0], Owner::kKernel), Reading::kListPage, list.pages[0], Owner::kKernel));
        CHECK(has(with(list.copies[9].to, Owner::kControl), Reading::kListWrites, list.copies[9].to, Owner::kControl));
        const PhysAddr control = r.jump.control_page;
        CHECK(has(with(control, Owner::kFree), Reading::kControlPage, control, Owner::kFree));
        const PhysAddr swap = r.jump.swap_page;
        CHECK(has(with(swap, Owner::kUser), Reading::kSwapPage, swap, Owner::kUser));
        CHECK(has(with(r.jump.root, Owner::kKernel), Reading::kKexecTable, r.jump.root, Owner::kKernel));
        CHECK(has(with(r.root(), Owner::kKernel), Reading::kKernelTable, r.root(), Owner::kKernel));
        const PhysAddr other = r.somebody(Owner::kKernelImage);
        CHECK(has(with(other, Owner::kImageSource), Reading::kNotRead, other, Owner::kImageSource));
        CHECK(has(with(other, Owner::kImageList), Reading::kNotListed, other, Owner::kImageList));
        CHECK(has(with(other, Owner::kControl), Reading::kNotUsed, other, Owner::kControl));
        CHECK(has(with(other, Owner::kPageTables), Reading::kNotWalked, other, Owner::kPageTables));
        CHECK(with(other, Owner::kUser).empty());
    }
}

TEST_CASE("departure: one page-table entry") {
    for (const GeometryId g : kAll) {
        CAPTURE(geometry_of(g).name);
        Ready r(g);
        const PhysAddr elsewhere = r.somebody(Owner::kKernelImage);
        const PhysAddr entries[] = {r.leads_on(r.root()), r.leads_on(r.jump.root)};
        for (const bool kexec : {false, true}) {
            CAPTURE(kexec);
            const u64 was = r.load(entries[kexec]);
            const u64 address = 0xffffffff'ffff & ~(r.page() - 1);
            r.store(entries[kexec], (was & ~address) | elsewhere.value);
            const auto faults = r.compare();
            const PhysAddr old{was & address};
            CHECK(has(faults, kexec ? Reading::kKexecTable : Reading::kKernelTable, elsewhere, Owner::kKernelImage));
            CHECK(has(faults, kexec ? Reading::kNotUsed : Reading::kNotWalked, old, r.owners.at(old)));
            r.store(entries[kexec], was);
            CHECK(r.compare().empty());
        }
    }
}

TEST_CASE("departure: what is handed over") {
    for (const GeometryId g : kAll) {
        CAPTURE(geometry_of(g).name);
        Ready r(g);
        REQUIRE(r.box->command(Op::kExec).kind == Outcome::Kind::kBooted);
        CHECK(r.box->claim_faults().count() == 0);
        const Handover seen = r.box->handover()->handover;
        const auto compare = [&](const Handover& h) { return compare_handover(r.owners, r.box->geometry(), h); };
        CHECK(compare(seen).empty());
        REQUIRE(seen.blocks.size() >= 2);

        Handover other = seen;
        const PhysAddr block = other.blocks[0].phys;
        const PhysAddr user = r.somebody(Owner::kKernelImage);
        other.blocks[0] = {user, {0}};
        CHECK(has(compare(other), Reading::kTrackerBlock, user, Owner::kKernelImage));
        CHECK(has(compare(other), Reading::kNotHandedOver, block, Owner::kPreserved));
        other = seen;
        other.tracker[0].phys = user;
        CHECK(has(compare(other), Reading::kTrackerPage, user, Owner::kKernelImage));
        other = seen;
        other.scratch[0] = {block, r.page()};
        CHECK(has(compare(other), Reading::kScratchArea, block, Owner::kPreserved));
        CHECK(has(compare({}), Reading::kNotHandedOver, block, Owner::kPreserved));
    }
}

// The same machine twice: where its tracker lies is known from the first.
TEST_CASE("departure: one bit of the tracker") {
    for (const GeometryId g : kAll) {
        CAPTURE(geometry_of(g).name);
        Ready first(g);
        REQUIRE(first.box->command(Op::kExec).kind == Outcome::Kind::kBooted);
        const Handover& seen = first.box->handover()->handover;
        REQUIRE_FALSE(seen.bitmaps.empty());
        Ready second(g);
        std::vector<u8> bits(seen.bitmaps[0].bytes);
        REQUIRE(second.box->read(seen.bitmaps[0].phys, bits));
        const auto word = std::ranges::find_if(bits, [](u8 b) { return b != 0; });
        REQUIRE(word != bits.end());
        const u8 without = *word & static_cast<u8>(*word - 1);
        REQUIRE(second.box->host_write(seen.bitmaps[0].phys + static_cast<u64>(word - bits.begin()), {&without, 1}));
        (void)second.box->command(Op::kExec);
        const std::vector<ClaimFault>& faults = second.box->claim_faults().faults();
        REQUIRE_FALSE(faults.empty());
        CHECK(faults[0].reading == Reading::kNotHandedOver);
        CHECK(faults[0].recorded == Owner::kPreserved);
        CHECK(faults[0].site == Site::kKernelEntry);
    }
}

}  // namespace baton::test
