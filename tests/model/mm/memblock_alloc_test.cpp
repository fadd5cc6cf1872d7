// SPDX-License-Identifier: GPL-2.0-only
// Where memblock allocates: the tables of specs/memblock.md §9 (alloc, alloc_from, ranges, nodes), and scratch-only
// mode.
//
// RAM is 32 KiB at S. A row says what is reserved, what is asked for, and what comes back top-down and bottom-up.
#include <algorithm>
#include <cstring>

#include "tests/catch.hpp"
#include "tests/support/memblock_rig.hpp"

namespace baton::test {
namespace {

inline constexpr u64 kM = 32 * kKiB;
inline constexpr u64 S = 64 * kMiB;
inline constexpr u64 E = S + kM;
inline constexpr u64 C = 32;
inline constexpr u64 kNone = 0;  // no allocation can be at address 0

enum class Dir { kDown, kUp, kBoth };

struct Row {
    const char* name;
    Dir dir;
    std::vector<Span> reserved;
    u64 size;
    u64 align;
    u64 min;
    u64 max;
    u64 at;             // expected
    u64 regions_after;  // of reserved
    i32 nid = -1;
    bool exact = false;
};

using enum Dir;

const std::vector<Row>& plain_rows() {
    static const std::vector<Row> rows = {
        {"simple", kDown, {}, 2, C, 0, 0, E - C, 1},
        {"simple", kUp, {}, 2, C, 0, 0, S, 1},
        {"disjoint", kDown, {{E - 2, 2}}, 16, 2 * C, 0, 0, E - 2 * C, 2},
        {"disjoint", kUp, {{S + 2, 2}}, 16, 2 * C, 0, 0, S + 2 * C, 2},
        {"before", kDown, {{E - (C + 512), C}}, 512, C, 0, 0, E - 512, 1},
        {"before", kUp, {{S + 512, 128}}, 512, C, 0, 0, S, 1},
        {"after", kDown, {{E - C, 8}}, 512, C, 0, 0, E - C - 512, 1},
        {"after", kUp, {{S + C, 64}}, 512, C, 0, 0, S + C + 64, 1},
        {"second fit", kDown, {{E - 512, 512}, {E - 1024, 256}}, 1024, C, 0, 0, E - 2048, 2},
        {"second fit", kUp, {{S, 512}, {S + 1024, 256}}, 1024, C, 0, 0, S + 1280, 2},
        {"in between", kBoth, {{S + C, kM / 2 - C}, {S + kM / 2 + 64, kM / 2 - 64 - C}}, 64, C, 0, 0, S + kM / 2, 1},
        {"all reserved", kBoth, {{S, kM}}, 64, C, 0, 0, kNone, 1},
        {"no space", kBoth, {{S, kM - 256}}, 1024, C, 0, 0, kNone, 1},
        {"limited space", kBoth, {{S, kM - 256}}, 256, C, 0, 0, E - 256, 1},
        {"too large", kBoth, {}, kM + 2, C, 0, 0, kNone, 0},
        {"larger than the address space", kBoth, {}, ~u64{0}, C, 0, 0, kNone, 0},
        {"alignment that nothing has", kBoth, {}, 64, u64{1} << 63, 0, 0, kNone, 0},
        // A lower bound is a wish.
        {"from: simple", kBoth, {}, 16, C, E - C, 0, E - C, 1},
        {"from: misaligned", kBoth, {}, 32, C, E - (2 * C - 1), 0, E - C, 1},
        {"from: high address", kDown, {}, 32, C, E - 16, 0, E - C, 1},
        {"from: high address", kUp, {}, 32, C, E - 8, 0, S, 1},
        {"from: no space above", kDown, {{E - 2 * C, 2}}, 64, C, E - 2 * C, 0, E - 2 * C - 64, 1},
        {"from: no space above", kUp, {{E - 3 * C, 3 * C}}, 64, C, E - 2 * C, 0, S, 2},
        {"from: minimum below RAM", kDown, {{S + 64, kM - 64}}, 64, C, S - 3 * C, 0, S, 1},
        {"from: minimum below RAM", kUp, {}, 64, C, S - 3 * C, 0, S, 1},
        // Ranges: the upper bound is hard.
        {"range: simple", kDown, {}, 128, C, S + 2 * C, S + 2 * C + 512, S + 2 * C + 512 - 128, 1},
        {"range: simple", kUp, {}, 128, C, S + 2 * C, S + 2 * C + 512, S + 2 * C, 1},
        {"range: misaligned", kDown, {}, 128, C, S + 2 * C, S + 2 * C + 512 + 2, S + 2 * C + 512 - 128, 1},
        {"range: misaligned", kUp, {}, 128, C, S + 2, S + 512, S + 2 + 30, 1},
        {"range: narrow", kDown, {}, 256, C, S + 512, S + 512 + C, S + 512 + C - 256, 1},
        {"range: narrow", kUp, {}, 256, C, S + 512, S + 512 + C, S, 1},
        {"range: low maximum", kBoth, {}, 1024, C, S, S + C, kNone, 0},
        {"range: minimum reserved", kBoth, {{E - 64 - 128, 128}}, 64, C, E - 64, E, E - 64, 1},
        {"range: maximum reserved", kBoth, {{E - 64, 64}}, 128, C, E - 64 - 128, E - 64, E - 192, 1},
        {"range: exact", kBoth, {}, 1024, C, S + C, S + C + 1024, S + C, 1},
        {"range: reserved with space",
         kDown,
         {{S + 1024, 128}, {S + 1248, 128}},
         64,
         C,
         S + 1152,
         S + 1248,
         S + 1184,
         2},
        {"range: reserved with space", kUp, {{S + 1024, 128}, {S + 1248, 128}}, 64, C, S + 1152, S + 1248, S + 1152, 2},
        {"range: reserved, full merge",
         kBoth,
         {{S + 1024, 128}, {S + 1216, 128}},
         64,
         C,
         S + 1152,
         S + 1216,
         S + 1152,
         1},
        {"range: reserved, no space",
         kDown,
         {{S + 1024, 128}, {S + 1184, 128}},
         256,
         C,
         S + 1152,
         S + 1184,
         S + 768,
         2},
        {"range: reserved, no space", kUp, {{S + 1024, 128}, {S + 1184, 128}}, 256, C, S + 1152, S + 1184, S, 3},
        {"range: all reserved", kBoth, {{S, 1152}, {S + 1184, kM - 1184}}, 256, C, S + 1152, S + 1184, kNone, 2},
        {"range: maximum above RAM", kDown, {}, 256, C, E - 1024, E + 256, E - 256, 1},
        {"range: maximum above RAM", kUp, {}, 256, C, S + 1024, E + 256, S + 1024, 1},
        {"range: minimum below RAM", kDown, {}, 1024, C, S - 256, E, E - 1024, 1},
        {"range: minimum below RAM", kUp, {}, 1024, C, S - 256, E - 256, S, 1},
    };
    return rows;
}

// Eight nodes share the 32 KiB: 8, 2, 4, 4, 2, 2, 8 and 2 KiB.
constexpr u64 kNodeKiB[8] = {8, 2, 4, 4, 2, 2, 8, 2};
constexpr u64 node_start(u32 n) { return n == 0 ? S : node_start(n - 1) + kNodeKiB[n - 1] * kKiB; }
constexpr u64 node_end(u32 n) { return node_start(n) + kNodeKiB[n] * kKiB; }

const std::vector<Row>& node_rows() {
    static const std::vector<Row> rows = {
        {"simple", kDown, {}, kKiB, C, 0, 0, node_end(3) - kKiB, 1, 3},
        {"simple", kUp, {}, kKiB, C, 0, 0, node_start(3), 1, 3},
        {"small node", kDown, {}, 4 * kKiB, C, 0, 0, node_end(6) - 4 * kKiB, 1, 1},
        {"small node", kUp, {}, 4 * kKiB, C, 0, 0, S, 1, 1},
        {"node reserved", kDown, {{node_start(2), 4 * kKiB}}, 4 * kKiB, C, 0, 0, node_end(6) - 4 * kKiB, 2, 2},
        {"node reserved", kUp, {{node_start(2), 4 * kKiB}}, 4 * kKiB, C, 0, 0, S, 2, 2},
        {"part reserved", kDown, {{node_start(4), kKiB}}, 256, C, 0, 0, node_end(4) - 256, 2, 4},
        {"part reserved", kUp, {{node_start(4), kKiB}}, 256, C, 0, 0, node_start(4) + kKiB, 1, 4},
        {"fallback", kDown, {{node_start(4) + 512, kKiB}}, kKiB, C, 0, 0, node_end(7) - kKiB, 2, 4},
        {"fallback", kUp, {{node_start(4) + 512, kKiB}}, kKiB, C, 0, 0, S, 2, 4},
        {"split range, low", kDown, {}, 512, C, node_end(2) - 256, node_end(2) + 256, node_end(2) - 512, 1, 2},
        {"split range, low", kUp, {}, 512, C, node_end(2) - 256, node_end(2) + 256, node_start(2), 1, 2},
        {"split range, high", kDown, {}, 512, C, node_start(3) - 256, node_start(3) + 256, node_end(2) - 512, 1, 3},
        {"split range, high", kUp, {}, 512, C, node_start(3) - 256, node_start(3) + 256, S, 1, 3},
        {"no overlap, split", kDown, {}, 512, C, node_start(6) - 256, node_start(6) + 256, node_end(2) - 512, 1, 2},
        {"no overlap, split", kUp, {}, 512, C, node_start(6) - 256, node_start(6) + 256, node_start(2), 1, 2},
        {"no overlap, low", kDown, {}, 64, C, node_start(6), node_end(6), node_end(6) - 64, 1, 0},
        {"no overlap, low", kUp, {}, 64, C, node_start(6), node_end(6), node_start(6), 1, 0},
        {"no overlap, high", kDown, {}, 64, C, S, node_end(3), node_end(3) - 64, 1, 7},
        {"no overlap, high", kUp, {}, 64, C, S, node_end(3), S, 1, 7},
        {"large region", kBoth, {}, kM / 2, C, 0, 0, kNone, 0, 3},
        {"full merge", kBoth, {{node_start(6) - 128, 128}, {node_end(6), 128}}, 8 * kKiB, C, 0, 0, node_start(6), 1, 6},
        {"split, all reserved",
         kBoth,
         {{S, 8 * kKiB - 128}, {S + 8 * kKiB + 128, kM - 8 * kKiB - 128}},
         256,
         C,
         0,
         0,
         kNone,
         2},
        // Exactly on the node.
        {"exact: simple", kDown, {}, kKiB, C, 0, 0, node_end(3) - kKiB, 1, 3, true},
        {"exact: simple", kUp, {}, kKiB, C, 0, 0, node_start(3), 1, 3, true},
        {"exact: part reserved", kDown, {{node_start(4), kKiB}}, 256, C, 0, 0, node_end(4) - 256, 2, 4, true},
        {"exact: part reserved", kUp, {{node_start(4), kKiB}}, 256, C, 0, 0, node_start(4) + kKiB, 1, 4, true},
        {"exact: split, low", kDown, {}, 512, C, node_end(2) - 256, node_end(2) + 256, node_end(2) - 512, 1, 2, true},
        {"exact: split, low", kUp, {}, 512, C, node_end(2) - 256, node_end(2) + 256, node_start(2), 1, 2, true},
        {"exact: no overlap, split",
         kDown,
         {},
         512,
         C,
         node_start(6) - 256,
         node_start(6) + 256,
         node_end(2) - 512,
         1,
         2,
         true},
        {"exact: no overlap, split",
         kUp,
         {},
         512,
         C,
         node_start(6) - 256,
         node_start(6) + 256,
         node_start(2),
         1,
         2,
         true},
        {"exact: no overlap, low", kDown, {}, 64, C, node_start(6), node_end(6), node_end(0) - 64, 1, 0, true},
        {"exact: no overlap, low", kUp, {}, 64, C, node_start(6), node_end(6), S, 1, 0, true},
        {"exact: small node", kBoth, {}, 4 * kKiB, C, 0, 0, kNone, 0, 1, true},
        {"exact: node reserved", kBoth, {{node_start(2), 4 * kKiB}}, 4 * kKiB, C, 0, 0, kNone, 1, 2, true},
        {"exact: part reserved, fails", kBoth, {{node_start(4) + 512, kKiB}}, kKiB, C, 0, 0, kNone, 1, 4, true},
        {"exact: split, high", kBoth, {}, 512, C, node_start(3) - 256, node_start(3) + 256, kNone, 0, 3, true},
        {"exact: no overlap, high", kBoth, {}, 64, C, S, node_end(3), kNone, 0, 7, true},
        {"exact: large region", kBoth, {}, kM / 2, C, 0, 0, kNone, 0, 3, true},
        {"exact: full merge",
         kBoth,
         {{node_start(6) - 128, 128}, {node_end(6), 128}},
         8 * kKiB,
         C,
         0,
         0,
         node_start(6),
         1,
         6,
         true},
        {"exact: split, all reserved",
         kBoth,
         {{S, 8 * kKiB - 128}, {S + 8 * kKiB + 128, kM - 8 * kKiB - 128}},
         256,
         C,
         0,
         0,
         kNone,
         2,
         -1,
         true},
    };
    return rows;
}

// Upstream's three ways to ask: cleared, as it is, and as it is on exactly this node.
enum class Ask { kZeroed, kRaw, kExact };

std::optional<PhysAddr> ask(MemblockRig& rig, const Row& row, Ask how) {
    if (how != Ask::kZeroed)
        return memblock::alloc(rig.mb, row.size, row.align, row.min, row.max, {row.nid}, how == Ask::kExact);
    PhysAddr at;
    const sim::Fault fault = rig.machine.run(
        [&] { at = memblock::alloc_or_panic(rig.mb, row.size, row.align, row.min, row.max, {row.nid}); });
    if (fault.kind == sim::Fault::Kind::kNone) return at;
    CHECK(fault.log == Log::kPanicEarlyAlloc);
    return std::nullopt;
}

// RAM is hot-pluggable where it has nodes, and holds ones everywhere.
void add_ram(MemblockRig& rig, bool nodes) {
    std::memset(rig.machine.bytes({S}), 1, kM);
    if (!nodes) return memblock::add(rig.mb, {{S}, kM}).value();
    for (u32 n = 0; n < 8; ++n) {
        const PhysRange r{{node_start(n)}, kNodeKiB[n] * kKiB};
        memblock::add(rig.mb, r, {static_cast<i32>(n)}, kMemblockHotplug).value();
    }
}

void play(const Row& row, bool bottom_up, bool nodes, Ask how) {
    INFO(row.name << (bottom_up ? ", bottom-up" : ", top-down") << ", way " << static_cast<int>(how));
    MemblockRig rig;
    rig.mb.bottom_up = bottom_up ? 1 : 0;
    add_ram(rig, nodes);
    u64 total = 0;
    for (const Span& r : row.reserved) {
        memblock::reserve(rig.mb, {{r.base}, r.size}, {row.nid}, kMemblockReservedKern).value();
        total += r.size;
    }
    const auto at = ask(rig, row, how);
    REQUIRE(at.has_value() == (row.at != kNone));
    if (at) {
        CHECK(at->value == row.at);
        CHECK(memblock::is_reserved(rig.mb, *at));
        total += row.size;
        const u8* bytes = ram::read<u8>(*at, row.size);
        CHECK(std::all_of(bytes, bytes + row.size, [&](u8 b) { return b == (how == Ask::kZeroed ? 0 : 1); }));
    }
    CHECK(rig.mb.reserved.cnt == row.regions_after);
    CHECK(rig.mb.reserved.total_size == total);
    for (const u32 flags : rig.flags(rig.mb.reserved)) CHECK(flags == kMemblockReservedKern);
    CHECK(rig.broken_invariant() == "");
}

void play_all(const std::vector<Row>& rows, bool nodes) {
    for (const Row& row : rows)
        for (const bool up : {false, true}) {
            if (row.dir != kBoth && (row.dir == kUp) != up) continue;
            // Without nodes it makes no difference how exact the node is to be.
            for (const Ask how : {Ask::kZeroed, Ask::kRaw, Ask::kExact})
                if (!nodes || row.exact == (how == Ask::kExact)) play(row, up, nodes, how);
        }
}

TEST_CASE("memblock: allocation follows the tables") { play_all(plain_rows(), false); }

TEST_CASE("memblock: allocation on nodes follows the tables") { play_all(node_rows(), true); }

TEST_CASE("memblock: an allocation for a node lies on the node") {
    for (const u32 up : {0u, 1u}) {
        MemblockRig rig;
        rig.mb.bottom_up = up;
        add_ram(rig, true);
        const auto at = memblock::alloc(rig.mb, 512, C, 0, kMemblockAccessible, {2});
        REQUIRE(at);
        CHECK(at->value == (up != 0 ? node_start(2) : node_end(2) - 512));
        CHECK(memblock::region(rig.mb.memory, 2).nid == 2);
    }
}

TEST_CASE("memblock: with movable_node no hot-pluggable node is used") {
    MemblockRig rig;
    add_ram(rig, true);
    rig.mb.movable_node = 1;
    CHECK_FALSE(memblock::alloc(rig.mb, 64, C, 0, kMemblockAccessible, {2}));
    memblock::set_memory_flag(rig.mb, {{node_start(5)}, 2 * kKiB}, kMemblockHotplug, false).value();
    CHECK(memblock::alloc(rig.mb, 64, C, 0, kMemblockAccessible, {2}) == PhysAddr{node_end(5) - 64});
}

}  // namespace
}  // namespace baton::test
