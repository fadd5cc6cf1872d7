// SPDX-License-Identifier: GPL-2.0-only
// Sanitising the firmware's map (specs/boot.md §1; specs/kexec.md §9).
#include "model/boot/x86_64/e820.hpp"

#include <algorithm>
#include <map>
#include <random>

#include "tests/catch.hpp"
#include "tests/support/bare_machine.hpp"

using namespace baton;
using boot::E820Entry;

namespace {

struct Piece {
    u64 start, end;
    u32 type;
    bool operator==(const Piece&) const = default;
};

std::vector<Piece> sanitised(const std::vector<E820Entry>& raw, u32 room = kMemoryMapMax) {
    std::vector<MemoryMapEntry> out(room);
    out.resize(boot::sanitise_e820(raw, out));
    std::vector<Piece> pieces;
    for (const auto& e : out) pieces.push_back({e.start.value, e.start.value + e.size, e.type});
    return pieces;
}

std::ostream& operator<<(std::ostream& o, const Piece& p) {
    return o << std::hex << "[" << p.start << "," << p.end << ")" << p.type;
}

}  // namespace

TEST_CASE("e820: a clean map stays as it is, in address order") {
    test::BareMachine m;
    CHECK(sanitised({{0x100000, 0x1000, 1}, {0, 0x9fc00, 1}, {0x9fc00, 0x400, 2}}) ==
          std::vector<Piece>{{0, 0x9fc00, 1}, {0x9fc00, 0xa0000, 2}, {0x100000, 0x101000, 1}});
    CHECK(sanitised({}).empty());
}

TEST_CASE("e820: empty entries vanish and neighbours of one type are joined") {
    test::BareMachine m;
    CHECK(sanitised({{0x1000, 0, 2}, {0x2000, 0x1000, 1}, {0x3000, 0x1000, 1}}) ==
          std::vector<Piece>{{0x2000, 0x4000, 1}});
    CHECK(sanitised({{0x2000, 0x1000, 7}, {0x3000, 0x1000, 7}}).size() == 2);  // persistent memory stays apart
    CHECK(sanitised({{0x2000, 0x1000, 0}}).empty());
}

TEST_CASE("e820: where entries overlap the higher type wins") {
    test::BareMachine m;
    CHECK(sanitised({{0, 0x10000, 1}, {0x4000, 0x1000, 2}}) ==
          std::vector<Piece>{{0, 0x4000, 1}, {0x4000, 0x5000, 2}, {0x5000, 0x10000, 1}});
    CHECK(sanitised({{0, 0x10000, 2}, {0x4000, 0x1000, 1}}) == std::vector<Piece>{{0, 0x10000, 2}});
}

TEST_CASE("e820: entries beyond the physical address space are cut") {
    test::BareMachine m;
    const u64 end = u64{1} << 52;
    CHECK(sanitised({{0x1000, ~u64{0}, 1}}) == std::vector<Piece>{{0x1000, end, 1}});
    CHECK(sanitised({{~u64{0} - 0xfff, 0x2000, 1}}).empty());
    CHECK(sanitised({{end - 0x1000, 0x2000, 1}}) == std::vector<Piece>{{end - 0x1000, end, 1}});
}

TEST_CASE("e820: pieces that do not fit are dropped with a message") {
    test::BareMachine m;
    std::vector<E820Entry> raw;
    for (u64 i = 0; i < 6; ++i) raw.push_back({i * 0x2000, 0x1000, 1});
    CHECK(sanitised(raw, 4).size() == 4);
    REQUIRE(m.logged(Log::kE820Truncated));
    CHECK(m.logs.back().second[0] == 2);
}

TEST_CASE("e820: agrees with a map kept page by page") {
    test::BareMachine m;
    std::mt19937_64 rng(7);
    for (int round = 0; round < 300; ++round) {
        std::vector<E820Entry> raw;
        std::map<u64, u32> pages;  // page → type
        const u64 entries = rng() % 40;
        for (u64 i = 0; i < entries; ++i) {
            const E820Entry e{rng() % 64 * 0x1000, rng() % 16 * 0x1000, static_cast<u32>(rng() % 6)};
            raw.push_back(e);
            for (u64 p = e.start; p < e.start + e.size; p += 0x1000) pages[p] = std::max(pages[p], u32{e.type});
        }
        std::erase_if(pages, [](const auto& p) { return p.second == 0; });
        std::map<u64, u32> got;
        u64 last_end = 0;
        u32 last_type = 0;
        for (const Piece& p : sanitised(raw)) {
            REQUIRE(p.start < p.end);
            REQUIRE(p.start >= last_end);
            REQUIRE_FALSE((p.start == last_end && p.type == last_type));
            last_end = p.end;
            last_type = p.type;
            for (u64 a = p.start; a < p.end; a += 0x1000) got[a] = p.type;
        }
        REQUIRE(got == pages);
    }
}
