// SPDX-License-Identifier: GPL-2.0-only
// The relocation code and its declared twin, sim/native/relocator.cpp, on random lists: equal RAM and equal schedule
// points (decision D7; specs/kexec.md §7.4, §7.5, §11.4).
#include <fmt/format.h>

#include <string>

#include "model/kexec/kexec.hpp"
#include "sim/native/relocator.hpp"
#include "sim/random.hpp"
#include "tests/catch.hpp"
#include "tests/firmware/machine_code.hpp"

namespace baton::test {
namespace {

inline constexpr u64 kList = kBenchFree;             // 2 MiB for list pages
inline constexpr u64 kPool = kBenchFree + 2 * kMiB;  // pages that are copied around
inline constexpr u64 kPoolBytes = 8 * kMiB;
inline constexpr u64 kSwap = kPool + kPoolBytes;
inline constexpr u64 kNext = kSwap + 0x10000;  // the next image: nothing is executed there
inline constexpr u64 kDeviceTree = 0x1234567890;

u64 random_page(const MachineCode& m, sim::Random& random) {
    return m.at(kPool).value + random.bounded(kPoolBytes / m.g.page_size()) * m.g.page_size();
}

// Words in any order with any combination of flags, DONE only at the end; list pages linked at random places.
u64 write_list(MachineCode& m, sim::Random& random) {
    for (u64 o = kPool; o < kPool + kPoolBytes; o += sizeof(u64)) {
        const u64 word = random.next();
        std::memcpy(m.native(o), &word, sizeof(word));
    }
    u64 at = kList;
    const auto put = [&](u64 word) {
        std::memcpy(m.native(at), &word, sizeof(word));
        at += sizeof(word);
    };
    put(random_page(m, random) | kEntryDestination);
    for (u32 pages = 0; pages < 4; ++pages) {
        for (u64 n = 20 + random.bounded(60); n > 0; --n) {
            const u64 flags[] = {
                kEntrySource, kEntrySource, kEntrySource, kEntryDestination, 0, kEntrySource | kEntryDestination};
            put(random_page(m, random) | flags[random.bounded(std::size(flags))]);
        }
        const u64 next = kList + (pages + 1) * 2 * m.g.page_size();
        put(m.at(next).value | kEntryIndirection);
        at = next;
    }
    put(kEntryDone);
    return m.at(kList).value | kEntryIndirection;
}

platform::Jump jump_for(MachineCode& m, sim::Random& random, bool swap) {
    return {.head = write_list(m, random),
            .start = m.at(kNext),
            .control_page = m.at(kBenchControl),
            .root = {},
            .idmap_root = {},
            .swap_page = m.at(kSwap),
            .argument = kDeviceTree,
            .page_size = m.g.page_size(),
            .three_way_swap = swap};
}

using Points = std::vector<std::string>;

Points run_twin(MachineCode& m, const platform::Jump& jump) {
    Points points;
    m.machine.on_site = [&](Site site, u64 a, u64 b) {
        points.push_back(fmt::format("{} {:#x} {:#x}", info(site).name, a, b));
    };
    REQUIRE(m.machine.run([&] { sim::relocate(m.g.isa, jump); }).kind == sim::Fault::Kind::kNone);
    points.push_back(fmt::format("words {}", m.machine.charged(Work::kEntriesWalked)));
    return points;
}

// Counts words, and lists the points that the labels stand for.
struct Watch {
    Watch(MachineCode& m, const platform::Jump& jump, std::function<std::pair<u64, u64>()> page) {
        const ImageHeader h = m.image.header();
        const auto label = [&](ImageLabel l) { return jump.control_page.value + h.labels[l]; };
        const auto say = [this](Site site, u64 a, u64 b) {
            points.push_back(fmt::format("{} {:#x} {:#x}", info(site).name, a, b));
        };
        m.on(label(kLabelRelocateStart), [=] { say(Site::kRelocateStart, jump.head, jump.start.value); });
        m.on(label(kLabelRelocateWord), [this] { ++words; });
        m.on(label(kLabelRelocatePage), [=] { say(Site::kRelocatePage, page().first, page().second); });
        m.on(label(kLabelRelocateDone), [=] { say(Site::kRelocateDone, 0, 0); });
    }
    Points all() const {
        Points p = points;
        p.push_back(fmt::format("words {}", words));
        return p;
    }
    Points points;
    u64 words = 0;
};

void copy_code(MachineCode& m) {
    const ImageHeader h = m.image.header();
    std::memcpy(m.native(kBenchControl), m.image.payload().data() + h.relocate_offset, h.relocate_size);
}

// specs/kexec.md §7.1 to §7.3.
Points run_x86(MachineCode& m, const platform::Jump& jump) {
    const u64 control = jump.control_page.value;
    const u64 routine = m.g.kernel_text_base + m.image.header().relocate_offset;
    m.set_long_mode(jump.root);
    m.set("rdi", jump.head);
    m.set("rsi", m.at(kBenchWords).value);
    m.set("rdx", jump.start.value);
    m.set("rcx", jump.three_way_swap);
    m.engine->set_pc(routine);
    Watch watch(m, jump, [&m] { return std::pair{m.get("rdx"), m.get("rax")}; });
    const sim::CpuStop stop = m.engine->run(jump.start.value);
    REQUIRE(stop.kind == sim::CpuStop::Kind::kUntil);
    // The contract of §7.5.
    CHECK(m.get("cr3") == jump.root.value);
    CHECK(m.get("cr4") == 0x20);
    CHECK((m.get("cr0") & 0x8005000f) == 0x80000003);
    CHECK(m.get("rsp") == control + 0xff8);
    for (const char* name :
         {"rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"}) {
        CAPTURE(name);
        CHECK(m.get(name) == 0);
    }
    u64 top = 1;
    std::memcpy(&top, m.guest(kBenchControl + 0xff8), sizeof(top));
    CHECK(top == 0);
    return watch.all();
}

platform::Jump prepare_x86(MachineCode& m, sim::Random& random, bool swap) {
    platform::Jump jump = jump_for(m, random, swap);
    copy_code(m);
    jump.root = m.table();
    const u32 all = paging::kMapWrite | paging::kMapExecute;
    m.map(m.g, jump.root, m.start.value, m.start, kBenchRam, all);
    m.map(m.g, jump.root, m.g.kernel_text_base + m.image.header().relocate_offset, jump.control_page, 4096, all);
    const u64 words[] = {jump.control_page.value, jump.control_page.value, jump.root.value, jump.swap_page.value};
    std::memcpy(m.native(kBenchWords), words, sizeof(words));
    return jump;
}

// specs/kexec.md §11.2; the arguments of firmware/aarch64/cpu.cpp.
platform::Jump prepare_arm(MachineCode& m, sim::Random& random) {
    platform::Jump jump = jump_for(m, random, false);
    copy_code(m);
    m.next_table = align_up(m.next_table, 64 * kKiB);
    jump.root = m.table();
    m.map(m.g, jump.root, m.g.direct_map_base, m.start, kBenchRam, paging::kMapWrite);
    jump.idmap_root = m.table();
    m.map(paging::idmap_geometry(m.g), jump.idmap_root, jump.control_page.value, jump.control_page, m.g.page_size(),
          paging::kMapExecute);
    const PhysAddr empty = m.table();
    const u64 offset = m.start.value - m.g.direct_map_base;
    const u64 arguments[] = {jump.start.value, 0, jump.argument, empty.value, jump.root.value, jump.head, offset};
    std::memcpy(m.native(kBenchWords), arguments, sizeof(arguments));
    return jump;
}

u64 tcr(const Geometry& g) {
    const u64 tg0 = g.page_shift == 12 ? 0 : g.page_shift == 14 ? 2 : 1;
    const u64 tg1 = g.page_shift == 12 ? 2 : g.page_shift == 14 ? 1 : 3;
    return 16 | tg0 << 14 | u64{64 - g.va_bits} << 16 | tg1 << 30 | u64{5} << 32;
}

Points run_arm(MachineCode& m, const platform::Jump& jump) {
    m.set("mair_el1", 0xff);
    m.set("tcr_el1", tcr(m.g));
    m.set("ttbr0_el1", jump.idmap_root.value);
    m.set("ttbr1_el1", jump.root.value);
    m.set("sctlr_el1", 0x30501805);
    m.set("pstate", 0x3c5);
    m.set("x0", m.g.direct_map_base + kBenchWords);
    m.engine->flush_tlb();
    m.engine->set_pc(jump.control_page.value);
    Watch watch(m, jump, [&m, &jump] {
        const u64 offset = m.get("x22");
        return std::pair{m.get("x13") + offset - jump.page_size, m.get("x12") + offset};
    });
    const sim::CpuStop stop = m.engine->run(jump.start.value);
    REQUIRE(stop.kind == sim::CpuStop::Kind::kUntil);
    // What the captures show at the entry of an Image (specs/boot.md §7; specs/kexec.md §11.5).
    CHECK(m.get("x0") == kDeviceTree);
    for (const char* name : {"x1", "x2", "x3", "x4", "x27"}) CHECK(m.get(name) == 0);
    CHECK(m.get("x16") == kEntryDone);
    CHECK(m.get("x17") == jump.root.value);
    CHECK(m.get("x26") == kDeviceTree);
    CHECK(m.get("x28") == jump.start.value);
    CHECK(m.get("sctlr_el1") == 0x30500800);
    return watch.all();
}

void play(GeometryId id, u64 round, bool swap) {
    CAPTURE(round, swap, std::string(geometry_of(id).name));
    MachineCode m(id);
    if (!m.has_code()) return;  // filler; tests/firmware/image_test.cpp says when that is right
    sim::Random random(round, static_cast<u64>(id));
    const bool x86 = m.g.isa == Isa::kX86_64;
    const platform::Jump jump = x86 ? prepare_x86(m, random, swap) : prepare_arm(m, random);
    m.split();
    const Points twin = run_twin(m, jump);
    const Points code = x86 ? run_x86(m, jump) : run_arm(m, jump);
    REQUIRE(code.size() > 40);
    REQUIRE(code == twin);
    REQUIRE(m.first_difference() == kBenchRam);
}

}  // namespace

TEST_CASE("relocate: the code copies random lists as its twin does, on every ISA and page size") {
    for (const Geometry& g : kGeometries)
        for (u64 round = 0; round < 12; ++round) play(g.id, round, false);
}

TEST_CASE("relocate: x86-64 exchanges pages as its twin does") {
    for (u64 round = 0; round < 12; ++round) play(GeometryId::kX86_64, round, true);
}

TEST_CASE("relocate: a list that is DONE at once leads straight to the next image") {
    for (const Geometry& g : kGeometries) {
        MachineCode m(g.id);
        if (!m.has_code()) continue;
        sim::Random random(1, 1);
        const bool x86 = g.isa == Isa::kX86_64;
        platform::Jump jump = x86 ? prepare_x86(m, random, false) : prepare_arm(m, random);
        jump.head = kEntryDone;
        if (!x86) std::memcpy(m.native(kBenchWords + 40), &jump.head, sizeof(jump.head));
        m.split();
        const Points twin = run_twin(m, jump);
        CHECK((x86 ? run_x86(m, jump) : run_arm(m, jump)) == twin);
        CHECK(twin.size() == 3);
    }
}

}  // namespace baton::test
