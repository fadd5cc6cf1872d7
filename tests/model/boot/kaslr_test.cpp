// SPDX-License-Identifier: GPL-2.0-only
// Where KASLR may put an image (specs/kexec.md §8.2; specs/kho.md §3.11), against a chooser that asks of every 2 MiB by
// itself; and what the choice does: copy, charge, enter.
#include "model/boot/x86_64/kaslr.hpp"

#include <algorithm>

#include "model/bits.hpp"
#include "sim/random.hpp"
#include "tests/catch.hpp"
#include "tests/model/boot/boot_data.hpp"

namespace baton::test {
namespace {

using namespace boot;
using kaslr::kSlotBytes;

inline constexpr PhysAddr kNodesAt{0xa00000};
inline constexpr u64 kRam = 2 * kGiB;

constexpr u64 bit(Defect d) { return u64{1} << static_cast<u32>(d); }

/// A zero page with what hangs on it, and the ranges that must survive.
struct Entry {
    BareMachine m{GeometryId::kX86_64, {{0}, kRam}};
    BootParams params = zero_page(kRam);
    kaslr::Entered entered{.image = {16 * kMiB}, .image_size = kImageSize, .zero_page = kZeroPageAt, .config = {}};
    std::vector<PhysRange> avoid;
    std::vector<PhysRange> candidates;
    PhysAddr last_node;
    PhysAddr next_node = kNodesAt;

    Entry() { entered.config.options = kOptionKaslr; }

    void command_line(std::string_view text, PhysAddr at = kCommandLineAt) {
        params.header.cmd_line_ptr = static_cast<u32>(at.value);
        poke(m, at, std::string(text).c_str(), text.size() + 1);
        avoid.push_back({at, text.size() + 1});
    }
    void initrd(PhysRange r) {
        params.header.ramdisk_image = static_cast<u32>(r.start.value);
        params.header.ramdisk_size = static_cast<u32>(r.size);
        avoid.push_back(r);
    }
    template <class T>
    void node(u32 type, const T& data, PhysAddr at) {
        poke(m, at, SetupData{.next = {}, .type = type, .len = sizeof(T)});
        poke(m, at + sizeof(SetupData), data);
        if (last_node.value == 0)
            params.header.setup_data = at.value;
        else
            poke(m, last_node, at);
        last_node = at;
        avoid.push_back({at, sizeof(SetupData) + sizeof(T)});
    }
    void scratch(const std::vector<PhysRange>& areas, PhysAddr array, PhysAddr node_at = kNodesAt) {
        for (std::size_t i = 0; i < areas.size(); ++i)
            poke(m, array + i * sizeof(kho::ScratchArea), kho::ScratchArea{areas[i].start, areas[i].size});
        const kho::SetupDataKho data{.fdt_addr = {0x5000000},
                                     .fdt_size = 0x1000,
                                     .scratch_addr = array,
                                     .scratch_size = areas.size() * sizeof(kho::ScratchArea)};
        node(kSetupKho, data, node_at);
        if (!areas.empty()) {
            candidates = areas;
            avoid.push_back({array, data.scratch_size});
        }
    }
    void e820(const std::vector<PhysRange>& ram) {
        params.e820_entries = 0;
        for (const PhysRange& r : ram) params.e820_table[params.e820_entries++] = {r.start.value, r.size, 1};
        candidates = ram;
    }

    kaslr::Slots find() {
        poke(m, kZeroPageAt, params);
        kaslr::Slots slots;
        REQUIRE(m.run([&] { kaslr::find_slots(entered, slots); }) == sim::Fault{});
        return slots;
    }
    /// Slot by slot.
    std::vector<u64> naive() {
        std::vector<PhysRange> all = avoid;
        all.push_back({entered.image, entered.image_size});
        all.push_back({kZeroPageAt, sizeof(BootParams)});
        const u64 bytes = align_up(entered.image_size, kSlotBytes);
        std::vector<u64> found;
        for (const PhysRange& c : candidates)
            for (u64 at = align_up(std::min(entered.image.value, 512 * kMiB), kSlotBytes); at < kRam;
                 at += kSlotBytes) {
                const PhysRange slot{{at}, bytes};
                const auto hit = [&](const PhysRange& r) { return r.overlaps(slot); };
                if (c.contains(slot) && std::none_of(all.begin(), all.end(), hit)) found.push_back(at);
            }
        return found;
    }
    std::vector<u64> listed(const kaslr::Slots& s) {
        std::vector<u64> found;
        for (u64 i = 0; i < s.total; ++i) found.push_back(kaslr::slot_at(s, i).value);
        return found;
    }
};

std::vector<PhysRange> disjoint_ranges(sim::Random& r, u64 count, u64 unit) {
    std::vector<PhysRange> out;
    u64 at = r.bounded(64) * kMiB;
    for (u64 i = 0; i < count && at < kRam - 256 * kMiB; ++i) {
        const u64 size = (1 + r.bounded(64 * kMiB / unit)) * unit;
        out.push_back({{at}, size});
        at += size + r.bounded(32 * kMiB / unit) * unit;
    }
    return out;
}

}  // namespace

TEST_CASE("kaslr: the slots are those that a search of every 2 MiB finds") {
    sim::Random r(11, 0);
    u64 slots = 0;
    u64 with_scratch = 0;
    for (u32 round = 0; round < 60; ++round) {
        CAPTURE(round);
        Entry e;
        e.entered.image = {(8 + r.bounded(400)) * kSlotBytes};
        e.entered.image_size = (1 + r.bounded(12)) * 512 * kKiB;
        e.e820(disjoint_ranges(r, 1 + r.bounded(20), r.bounded(2) != 0 ? 4096 : kMiB));
        e.command_line("quiet", {kMiB * (4 + r.bounded(1500))});
        if (r.bounded(2) != 0) e.initrd({{kMiB * (64 + r.bounded(1500)) + 4096}, 1 + r.bounded(40 * kMiB)});
        for (u64 n = r.bounded(6); n != 0; --n)
            e.node(kSetupRngSeed, std::array<u8, 32>{}, {kMiB * (4 + r.bounded(1500)) + n * 0x1000});
        if (r.bounded(2) != 0) {
            const PhysRange far{{kMiB * (4 + r.bounded(1500))}, 1 + r.bounded(8 * kMiB)};
            e.node(kSetupIndirect, SetupDataIndirect{.type = 3, .reserved = 0, .len = far.size, .addr = far.start},
                   {kMiB * (4 + r.bounded(1500)) + 0x8000});
            e.avoid.push_back(far);
        }
        if (r.bounded(2) != 0) {
            e.scratch(disjoint_ranges(r, r.bounded(5), 64 * kKiB), {kMiB * (4 + r.bounded(1500)) + 0x9000});
            ++with_scratch;
        }
        const auto found = e.find();
        REQUIRE_FALSE(found.full);
        REQUIRE(e.listed(found) == e.naive());
        slots += found.total;
    }
    CHECK(slots > 2000);
    CHECK(with_scratch > 15);
}

TEST_CASE("kaslr: a hundred areas are all that is kept") {
    Entry e;
    std::vector<PhysRange> ram;
    for (u64 i = 0; i < 120; ++i) ram.push_back({{(32 + 4 * i) * kMiB}, 2 * kMiB});
    e.e820(ram);
    const auto found = e.find();
    CHECK(found.full);
    CHECK(found.total == 100);
    CHECK(kaslr::slot_at(found, 99).value == (32 + 4 * 99) * kMiB);
}

TEST_CASE("kaslr: B65 takes all RAM, B70 forgets the array, and only that") {
    const auto slots = [](u64 defects, std::vector<PhysRange> areas) {
        Entry e;
        e.scratch(areas, {0x20000000});
        e.entered.config.defects[0] = defects;
        return e.listed(e.find());
    };
    const std::vector<PhysRange> areas{{{0x20000000}, 8 * kMiB}};
    CHECK(slots(0, areas) == std::vector<u64>{0x20200000, 0x20400000, 0x20600000});
    CHECK(slots(bit(Defect::kB70), areas) == std::vector<u64>{0x20000000, 0x20200000, 0x20400000, 0x20600000});
    const auto anywhere = slots(bit(Defect::kB65), areas);
    CHECK(anywhere.size() > 900);
    CHECK(std::ranges::count(anywhere, 0x20000000u) == 0);
    // An empty array limits nothing (specs/kho.md §3.11: at least one area).
    CHECK(slots(0, {}).size() > 900);
}

TEST_CASE("kaslr: a kernel without KHO does not look at its data") {
    Entry e;
    e.scratch({{{0x20000000}, 8 * kMiB}}, {0x20000000});
    e.entered.config.options |= kOptionDeferredInit;
    CHECK(e.find().total > 900);
    e.entered.config.options |= kOptionKhoDeferred;
    CHECK(e.find().total == 3);
}

TEST_CASE("kaslr: a list of setup_data that bites its tail is followed for ever") {
    BudgetMachine m(GeometryId::kX86_64, PhysRange{{0}, kRam});
    BootParams params = zero_page(kRam);
    params.header.setup_data = kNodesAt.value;
    poke(m, kZeroPageAt, params);
    poke(m, kNodesAt, SetupData{.next = kNodesAt, .type = kSetupRngSeed, .len = 0});
    const kaslr::Entered e{.image = {16 * kMiB}, .image_size = kImageSize, .zero_page = kZeroPageAt, .config = {}};
    kaslr::Slots slots;
    CHECK(m.run([&] { kaslr::find_slots(e, slots); }).kind == sim::Fault::Kind::kHang);
}

TEST_CASE("kaslr: the image's file is copied, paid by the page, and entered with what it was told") {
    Entry e;
    const PhysAddr image{16 * kMiB};
    ImageHeader header{};
    header.image_size = kImageSize;
    header.file_size = 10 * 4096 + 5;
    header.options = kOptionKaslr;
    poke(e.m, image, std::vector<u8>(header.file_size + 1, 0x5a).data(), header.file_size + 1);
    poke(e.m, kZeroPageAt, e.params);
    e.m.run([&] { randomise_x86_64(image, header, kZeroPageAt); });
    REQUIRE(e.m.entered);
    const PhysAddr to = e.m.entered->image;
    CHECK(e.m.entered->argument == kZeroPageAt.value);
    CHECK(e.m.entered->loaded == image);
    CHECK(is_aligned(to, kSlotBytes));
    CHECK(to > image);
    CHECK(e.m.bytes(to)[header.file_size - 1] == std::byte{0x5a});
    CHECK(e.m.bytes(to)[header.file_size] == std::byte{0});
    CHECK(e.m.charged(Work::kPagesCopied) == 11);
    CHECK(e.m.site_count(Site::kKaslrChoose) == 1);
    CHECK(e.m.site_count(Site::kKaslrCopy) == 1);
    CHECK(e.m.logged(Log::kKaslrMoves));
}

TEST_CASE("kaslr: nothing moves without the option, with nokaslr, or without a slot") {
    const PhysAddr image{16 * kMiB};
    const auto moves = [&](u32 options, std::string_view command_line, std::optional<PhysRange> ram, Log expected) {
        Entry e;
        ImageHeader header{};
        header.image_size = header.file_size = kImageSize;
        header.options = options;
        e.command_line(command_line);
        if (ram) e.e820({*ram});
        poke(e.m, kZeroPageAt, e.params);
        REQUIRE(e.m.run([&] { randomise_x86_64(image, header, kZeroPageAt); }) == sim::Fault{});
        CHECK((expected == Log::kCount || e.m.logged(expected)));
        return e.m.entered.has_value();
    };
    CHECK(moves(kOptionKaslr, "quiet nokaslrx", {}, Log::kKaslrMoves));
    CHECK(moves(kOptionKaslr, "nokaslr=1", {}, Log::kKaslrMoves));
    CHECK_FALSE(moves(kOptionKaslr, "quiet nokaslr", {}, Log::kKaslrOff));
    CHECK_FALSE(moves(kOptionScratchFloor, "", {}, Log::kCount));
    CHECK_FALSE(moves(kOptionKaslr, "", PhysRange{{0}, 18 * kMiB}, Log::kKaslrNoSlot));
}

}  // namespace baton::test
