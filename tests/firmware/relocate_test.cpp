// SPDX-License-Identifier: GPL-2.0-only
// The relocation code and its declared twin, sim/native/relocator.cpp, on random lists: equal RAM and equal schedule
// points, whether the list is right or not (decision D7; specs/kexec.md §7.4, §7.5, §11.4).
#include <map>

#include "tests/firmware/relocation_bench.hpp"

namespace baton::test {
namespace {

// Larger pages are the same code with another constant.
u64 rounds(const Geometry& g) { return g.page_shift == 12 ? 1000 : 150; }
u64 corrupt_rounds(const Geometry& g) { return g.page_shift == 12 ? 150 : 40; }

bool has_code(GeometryId id) {
    return MachineCode(id).has_code();
}  // tests/firmware/image_test.cpp: when that is right

// The contract of §7.5.
void check_registers_x86(const RelocationBench& b) {
    CHECK(b.m.get("cr3") == b.jump.root.value);
    CHECK(b.m.get("cr4") == 0x20);
    CHECK((b.m.get("cr0") & 0x8005000f) == 0x80000003);
    CHECK(b.m.get("rsp") == b.jump.control_page.value + 0xff8);
    for (const char* name :
         {"rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"}) {
        CAPTURE(name);
        CHECK(b.m.get(name) == 0);
    }
    u64 top = 1;
    std::memcpy(&top, b.m.copy.get() + kBenchControl + 0xff8, sizeof(top));
    CHECK(top == 0);
}

// What the captures show at the entry of an Image (specs/boot.md §7; specs/kexec.md §11.5).
void check_registers_arm(const RelocationBench& b) {
    CHECK(b.m.get("x0") == kDeviceTree);
    for (const char* name : {"x1", "x2", "x3", "x4", "x27"}) CHECK(b.m.get(name) == 0);
    CHECK((b.m.get("x16") & kEntryDone) != 0);
    CHECK(b.m.get("x17") == b.jump.root.value);
    CHECK(b.m.get("x26") == kDeviceTree);
    CHECK(b.m.get("x28") == b.jump.start.value);
    CHECK(b.m.get("sctlr_el1") == 0x30500800);
}

void play_right_lists(GeometryId id, bool swap) {
    if (!has_code(id)) return;
    RelocationBench b(id, swap);
    sim::Random random(id == GeometryId::kX86_64 ? 1 : 2, swap);
    for (u64 round = 0; round < rounds(b.m.g); ++round) {
        CAPTURE(std::string(b.m.g.name), swap, round);
        b.fill(random);
        b.run();
        REQUIRE(b.twin().end == "done");
        REQUIRE(b.twin().points.size() > 5);
        REQUIRE(b.code() == b.twin());
        REQUIRE(b.same_pool());
        b.x86 ? check_registers_x86(b) : check_registers_arm(b);
    }
    REQUIRE(b.same_ram());
}

// Which ends there were, and how often.
std::map<std::string, u64> play_corrupted_lists(GeometryId id, bool swap) {
    std::map<std::string, u64> ends;
    RelocationBench b(id, swap);
    sim::Random random(id == GeometryId::kX86_64 ? 3 : 4, swap);
    for (u64 round = 0; round < corrupt_rounds(b.m.g); ++round) {
        CAPTURE(std::string(b.m.g.name), swap, round);
        b.fill(random);
        b.corrupt(random);
        b.run();
        if (b.met_the_bench()) {
            ++ends["over the code"];
        } else {
            CAPTURE(b.twin().end, b.twin().fault_address, b.code().fault_address);
            ++ends[b.twin().end];
            REQUIRE(b.code() == b.twin());
            REQUIRE(b.same_ram());
        }
        b.clean();
    }
    return ends;
}

}  // namespace

TEST_CASE("relocate: the code copies 1,000 random lists as its twin does, on every ISA; and of larger pages") {
    for (const Geometry& g : kGeometries) play_right_lists(g.id, false);
}

TEST_CASE("relocate: x86-64 exchanges the pages of 1,000 random lists as its twin does") {
    play_right_lists(GeometryId::kX86_64, true);
}

TEST_CASE("relocate: a list with one wrong bit goes wrong the same way in both") {
    for (const Geometry& g : kGeometries)
        for (const bool swap : {false, true}) {
            if (!has_code(g.id) || (swap && g.isa != Isa::kX86_64)) continue;
            CAPTURE(std::string(g.name), swap);
            const auto ends = play_corrupted_lists(g.id, swap);
            CHECK(ends.at("done") > corrupt_rounds(g) / 10);   // a page more or less, or another one
            CHECK(ends.at("fault") > corrupt_rounds(g) / 10);  // what is not RAM
            CHECK((!ends.contains("over the code") || ends.at("over the code") < corrupt_rounds(g) / 5));
        }
}

TEST_CASE("relocate: a list that is DONE at once leads straight to the next image") {
    for (const Geometry& g : kGeometries) {
        if (!has_code(g.id)) continue;
        RelocationBench b(g.id, false);
        b.jump.head = kEntryDone;
        b.run();
        CHECK(b.twin().end == "done");
        CHECK(b.twin().points.size() == 2);
        CHECK(b.twin().words == 0);
        CHECK(b.code() == b.twin());
    }
}

}  // namespace baton::test
