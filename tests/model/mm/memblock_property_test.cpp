// SPDX-License-Identifier: GPL-2.0-only
// memblock against a model that knows nothing of regions: an array of bytes, each with its own attributes
// (specs/memblock.md §8). After every random operation the regions must be exactly the runs of equal bytes, and an
// allocation exactly what trying every address would give.
#include <optional>
#include <random>

#include "model/bits.hpp"
#include "tests/catch.hpp"
#include "tests/support/memblock_rig.hpp"

namespace baton::test {
namespace {

inline constexpr u64 kBase = kMiB;
inline constexpr u64 kBytes = 768;

struct Cell {
    bool in = false;
    u32 flags = 0;
    i32 nid = -1;
    bool operator==(const Cell&) const = default;
};

struct Naive {
    std::vector<Cell> memory = std::vector<Cell>(kBytes);
    std::vector<Cell> reserved = std::vector<Cell>(kBytes);

    static void add(std::vector<Cell>& list, u64 at, u64 size, i32 nid, u32 flags) {
        for (u64 i = at; i < at + size; ++i)
            if (!list[i].in) list[i] = {true, flags, nid};
    }
    static void remove(std::vector<Cell>& list, u64 at, u64 size) {
        for (u64 i = at; i < at + size; ++i) list[i] = {};
    }
    static void set_flag(std::vector<Cell>& list, u64 at, u64 size, u32 flag, bool on) {
        for (u64 i = at; i < at + size; ++i)
            if (list[i].in) list[i].flags = on ? list[i].flags | flag : list[i].flags & ~flag;
    }
    static void set_node(std::vector<Cell>& list, u64 at, u64 size, i32 nid) {
        for (u64 i = at; i < at + size; ++i)
            if (list[i].in) list[i].nid = nid;
    }
};

bool allocatable(const Memblock& mb, const Cell& m, i32 nid, u32 wanted) {
    if (!m.in || (m.flags & (kMemblockNomap | kMemblockDriverManaged)) != 0) return false;
    if (mb.movable_node != 0 && (m.flags & kMemblockHotplug) != 0) return false;
    return (nid < 0 || m.nid == nid) && (m.flags & wanted) == wanted;
}

struct Ask {
    u64 size, align, min, max;
    i32 nid;
};

// Tries every address: the highest that fits, or the lowest.
std::optional<u64> try_all(const Memblock& mb, const Naive& n, const Ask& a, u32 wanted) {
    std::optional<u64> best;
    u64 run = 0;  // allocatable bytes of one region that end here
    for (u64 i = 0; i < kBytes; ++i) {
        const bool joins = i != 0 && n.memory[i] == n.memory[i - 1];
        const bool usable =
            allocatable(mb, n.memory[i], a.nid, wanted) && !n.reserved[i].in && kBase + i >= a.min && kBase + i < a.max;
        run = !usable ? 0 : joins ? run + 1 : 1;
        if (run < a.size) continue;
        const u64 at = kBase + i + 1 - a.size;
        if (at % a.align != 0) continue;
        if (!best || mb.bottom_up == 0) best = at;
    }
    return best;
}

std::optional<u64> naive_alloc_in(const Memblock& mb, const Naive& n, const Ask& a, bool exact, i32& nid) {
    u32 wanted = mb.scratch_only != 0 ? kMemblockKhoScratch : mb.has_mirror != 0 ? kMemblockMirror : kMemblockNone;
    for (;;) {
        nid = a.nid;
        if (const auto at = try_all(mb, n, a, wanted)) return at;
        Ask anywhere = a;
        anywhere.nid = -1;
        nid = -1;
        if (a.nid >= 0 && !exact)
            if (const auto at = try_all(mb, n, anywhere, wanted)) return at;
        if ((wanted & kMemblockMirror) == 0) return std::nullopt;
        wanted = 0;
    }
}

std::optional<u64> naive_alloc(const Memblock& mb, const Naive& n, Ask a, bool exact, i32& nid) {
    if (const auto at = naive_alloc_in(mb, n, a, exact, nid)) return at;
    if (a.min == 0) return std::nullopt;
    a.min = 0;
    return naive_alloc_in(mb, n, a, exact, nid);
}

// The regions a list of bytes stands for.
bool same(const MemblockType& t, const std::vector<Cell>& cells) {
    u64 region = 0;
    for (u64 i = 0; i < kBytes;) {
        u64 end = i;
        while (end < kBytes && cells[end] == cells[i]) ++end;
        if (cells[i].in) {
            if (region == t.cnt) return false;
            const MemblockRegion& r = memblock::region(t, region++);
            if (r.base.value != kBase + i || r.size != end - i || r.flags != cells[i].flags || r.nid != cells[i].nid)
                return false;
        }
        i = end;
    }
    return region == t.cnt;
}

bool same_free(const MemblockRig& rig, const Naive& n) {
    std::vector<bool> seen(kBytes);
    for (const FreeRange& f : rig.free_ranges())
        for (u64 a = f.range.start.value; a < f.range.end().value; ++a) {
            if (seen[a - kBase] || f.nid.value != n.memory[a - kBase].nid) return false;
            seen[a - kBase] = true;
        }
    for (u64 i = 0; i < kBytes; ++i)
        if (seen[i] != (allocatable(rig.mb, n.memory[i], -1, 0) && !n.reserved[i].in)) return false;
    return true;
}

class Walker {
public:
    explicit Walker(u64 seed) : random_(seed) { rig.presize(2048, {64 * kMiB}); }

    MemblockRig rig;
    Naive naive;

    void step() {
        const u64 at = pick(kBytes);
        const u64 size = pick(pick(4) == 0 ? kBytes - at + 1 : std::min<u64>(kBytes - at, 24) + 1);
        const PhysRange r{{kBase + at}, size};
        const i32 nid = static_cast<i32>(pick(3)) - 1;
        const bool on = pick(2) == 0;
        switch (pick(11)) {
            case 0:
            case 1: {
                const u32 flags = pick(2) == 0 ? 0 : memory_flag();
                memblock::add(rig.mb, r, {nid}, flags).value();
                return Naive::add(naive.memory, at, size, nid, flags);
            }
            case 2: memblock::remove(rig.mb, r).value(); return Naive::remove(naive.memory, at, size);
            case 3: {
                const u32 flags = pick(2) == 0 ? 0 : reserved_flag();
                memblock::reserve(rig.mb, r, {nid}, flags).value();
                return Naive::add(naive.reserved, at, size, nid, flags);
            }
            case 4:
            case 5: memblock::release(rig.mb, r).value(); return Naive::remove(naive.reserved, at, size);
            case 6: {
                const u32 flag = memory_flag();
                memblock::set_memory_flag(rig.mb, r, flag, on).value();
                return Naive::set_flag(naive.memory, at, size, flag, on);
            }
            case 7: {
                const u32 flag = reserved_flag();
                memblock::set_reserved_flag(rig.mb, r, flag, on).value();
                return Naive::set_flag(naive.reserved, at, size, flag, on);
            }
            case 8: {
                MemblockType& t = on ? rig.mb.memory : rig.mb.reserved;
                memblock::set_node(rig.mb, t, r, {nid}).value();
                return Naive::set_node(on ? naive.memory : naive.reserved, at, size, nid);
            }
            default: return allocate(nid, on);
        }
    }

    u64 pick(u64 n) { return random_() % n; }

private:
    u32 memory_flag() {
        constexpr u32 kAll[] = {kMemblockHotplug, kMemblockMirror, kMemblockNomap, kMemblockDriverManaged,
                                kMemblockKhoScratch};
        return kAll[pick(5)];
    }
    u32 reserved_flag() { return pick(2) == 0 ? kMemblockReservedKern : kMemblockReservedNoinit; }

    void allocate(i32 nid, bool exact) {
        rig.mb.bottom_up = static_cast<u32>(pick(2));
        rig.mb.scratch_only = pick(4) == 0 ? 1 : 0;
        rig.mb.movable_node = pick(4) == 0 ? 1 : 0;
        rig.mb.has_mirror = pick(4) == 0 ? 1 : 0;
        Ask a{.size = 1 + pick(40), .align = u64{1} << pick(6), .min = 0, .max = kBase + kBytes, .nid = nid};
        if (pick(2) == 0) a.min = kBase + pick(kBytes);
        if (pick(2) == 0) a.max = kBase + pick(kBytes) + 1;
        i32 recorded = -1;
        const auto expected = naive_alloc(rig.mb, naive, a, exact, recorded);
        const auto got = memblock::alloc(rig.mb, a.size, a.align, a.min, a.max, {nid}, exact);
        REQUIRE(got.has_value() == expected.has_value());
        if (!got) return;
        REQUIRE(got->value == *expected);
        Naive::add(naive.reserved, *expected - kBase, a.size, recorded, kMemblockReservedKern);
    }

    std::mt19937_64 random_;
};

TEST_CASE("memblock: random operations agree with a model of single bytes") {
    for (u64 seed = 1; seed <= 10; ++seed) {
        Walker w(seed);
        u64 allocations = 0;
        for (u64 i = 0; i < 2000; ++i) {
            INFO("seed " << seed << ", operation " << i);
            const u64 before = w.rig.mb.reserved.total_size;
            w.step();
            allocations += w.rig.mb.reserved.total_size > before ? 1 : 0;
            REQUIRE(same(w.rig.mb.memory, w.naive.memory));
            REQUIRE(same(w.rig.mb.reserved, w.naive.reserved));
            REQUIRE(w.rig.broken_invariant() == "");
            if (i % 16 == 0) REQUIRE(same_free(w.rig, w.naive));
        }
        CHECK(allocations > 50);  // the run must not have been one of failures only
    }
}

TEST_CASE("memblock: searches agree with a model of single bytes") {
    Walker w(77);
    for (u64 i = 0; i < 300; ++i) w.step();
    for (u64 i = 0; i < kBytes; ++i) {
        REQUIRE(memblock::is_memory(w.rig.mb, {kBase + i}) == w.naive.memory[i].in);
        REQUIRE(memblock::is_reserved(w.rig.mb, {kBase + i}) == w.naive.reserved[i].in);
        const u64 size = 1 + w.pick(20);
        bool any = false;
        for (u64 j = i; j < std::min(i + size, kBytes); ++j) any = any || w.naive.reserved[j].in;
        REQUIRE(memblock::overlaps(w.rig.mb.reserved, {{kBase + i}, size}) == any);
    }
}

// Where an array lies, in whole pages.
PhysRange array_of(const MemblockType& t) { return {t.regions.phys(), align_up(t.max * sizeof(MemblockRegion), 4096)}; }

void check_array(const MemblockRig& rig, PhysRange array) {
    REQUIRE(is_aligned(array.start, 4096));
    REQUIRE(memblock::is_memory(rig.mb, array.start));
    REQUIRE(memblock::is_memory(rig.mb, array.end() - 1));
    const auto held = memblock::search(rig.mb.reserved, array.start);
    REQUIRE(held.has_value());
    REQUIRE(memblock::region(rig.mb.reserved, *held).end() >= array.end());
}

TEST_CASE("memblock: random growth loses nothing and takes only free memory") {
    for (u64 seed = 1; seed <= 20; ++seed) {
        std::mt19937_64 random(seed);
        MemblockRig rig;
        rig.mb.can_resize = 1;
        memblock::add(rig.mb, {{32 * kMiB}, kMiB}).value();
        std::vector<PhysRange> added, reserved;
        u64 growths = 0;
        for (u64 i = 0; i < 1500; ++i) {
            INFO("seed " << seed << ", operation " << i);
            // With `reserved` as good as full, growing `memory` may go wrong (memblock_grow_test.cpp).
            const bool add = random() % 2 == 0 && rig.mb.reserved.cnt + 2 <= rig.mb.reserved.max;
            const PhysRange r{{64 * kMiB + (random() % 4096) * 16384}, 4096 + random() % 8192};
            const u64 max[2] = {rig.mb.memory.max, rig.mb.reserved.max};
            REQUIRE((add ? memblock::add(rig.mb, r) : memblock::reserve(rig.mb, r)).has_value());
            (add ? added : reserved).push_back(r);
            for (const MemblockType* t : {&rig.mb.memory, &rig.mb.reserved}) {
                if (t->max == max[t == &rig.mb.memory ? 0 : 1]) continue;
                ++growths;
                check_array(rig, array_of(*t));
                for (const PhysRange& taken : reserved) REQUIRE_FALSE(array_of(*t).overlaps(taken));
            }
        }
        CHECK(growths >= 4);
        REQUIRE(rig.broken_invariant() == "");
        REQUIRE_FALSE(array_of(rig.mb.memory).overlaps(array_of(rig.mb.reserved)));
        for (const PhysRange& r : added) REQUIRE(memblock::is_memory(rig.mb, r.start));
        for (const PhysRange& r : reserved) REQUIRE(memblock::is_reserved(rig.mb, r.end() - 1));
    }
}

}  // namespace
}  // namespace baton::test
