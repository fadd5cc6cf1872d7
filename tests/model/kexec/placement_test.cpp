// SPDX-License-Identifier: GPL-2.0-only
// Placement against captures of real kernels, and against the naive stepping of the specification.
#include "model/kexec/kexec.hpp"

#include <random>
#include <vector>

#include "model/bits.hpp"
#include "tests/catch.hpp"

using namespace baton;
using namespace baton::kexec;

namespace {

constexpr u64 kNoLimit = ~u64{0};

struct Placer {
    std::vector<PhysRange> windows;
    std::vector<KexecSegment> placed = {};
    u64 page_size = 4096;

    Result<PhysAddr> place(u64 bytes, u64 align, u64 min, bool top_down, u64 max = kNoLimit) {
        const HoleRequest r{align_up(bytes, page_size), align, min, max, top_down, page_size};
        const auto hole = hole_in_windows(r, windows, placed);
        if (hole) {
            KexecSegment s{};
            s.mem = *hole;
            s.memsz = r.memsz;
            placed.push_back(s);
        }
        return hole;
    }
    u64 down(u64 bytes, u64 align, u64 min) {
        const auto hole = place(bytes, align, min, true);
        return hole ? hole->value : kNoLimit;
    }
    u64 up(u64 bytes, u64 align, u64 min, u64 max = kNoLimit) {
        const auto hole = place(bytes, align, min, false, max);
        return hole ? hole->value : kNoLimit;
    }
};

bool free_at(u64 start, u64 memsz, const std::vector<KexecSegment>& placed) {
    for (const KexecSegment& s : placed)
        if (start < s.mem.value + s.memsz && s.mem.value < start + memsz) return false;
    return true;
}

// specs/kho.md §3.5, step by step; the addresses of these tests are far from where arithmetic would wrap.
Result<PhysAddr> naive(const HoleRequest& r, PhysRange window, const std::vector<KexecSegment>& placed) {
    const auto start = static_cast<i64>(window.start.value);
    const i64 end = start + static_cast<i64>(window.size) - 1;
    const auto min = static_cast<i64>(r.buf_min);
    const i64 max = r.buf_max > (u64{1} << 60) ? i64{1} << 60 : static_cast<i64>(r.buf_max);
    const auto memsz = static_cast<i64>(r.memsz);
    const auto align = static_cast<i64>(std::max(r.align, r.page_size));
    const auto page = static_cast<i64>(r.page_size);
    if (end - start + 1 < memsz || end < min || start > max) return fail(Errno::kEADDRNOTAVAIL);
    const auto floor_to = [align](i64 x) { return x & ~(align - 1); };
    if (r.top_down) {
        for (i64 s = floor_to(std::min(end, max) - memsz + 1);; s = floor_to(s - page)) {
            if (s < start || s < min) return fail(Errno::kEADDRNOTAVAIL);
            if (free_at(static_cast<u64>(s), r.memsz, placed)) return PhysAddr{static_cast<u64>(s)};
        }
    }
    for (i64 s = floor_to(std::max(start, min) + align - 1);; s = floor_to(s + page + align - 1)) {
        if (s + memsz - 1 > end || s + memsz - 1 > max) return fail(Errno::kEADDRNOTAVAIL);
        if (free_at(static_cast<u64>(s), r.memsz, placed)) return PhysAddr{static_cast<u64>(s)};
    }
}

}  // namespace

TEST_CASE("placement: x86-64 captures, every segment where Linux 6.16 and 6.18 put it") {
    for (const u64 initrd_bytes : {0x4c04d, 0x4c045}) {
        Placer p{{{{0x1e000000}, 16 * kMiB}, {{0x1a000000}, 64 * kMiB}, {{0x18000000}, 32 * kMiB}}};
        CHECK(p.down(48, 64 * kKiB, 0) == 0x1eff0000);
        CHECK(p.down(0x5000, 4096, 0x3000) == 0x1effb000);
        CHECK(p.down(0x1110, 16, 0x3000) == 0x1eff9000);
        CHECK(p.down(0xc00000, 2 * kMiB, 0x1000000) == 0x1e200000);
        CHECK(p.down(initrd_bytes, 4096, 0x1000000) == 0x1efa3000);
    }
}

TEST_CASE("placement: AArch64 captures, Image lowest, initrd behind it, device tree highest") {
    for (const u64 initrd_bytes : {0x426f7, 0x42843}) {
        Placer p{{{{0x5e400000}, 16 * kMiB}, {{0x5a400000}, 64 * kMiB}, {{0x58400000}, 32 * kMiB}}};
        CHECK(p.down(48, 64 * kKiB, 0) == 0x5f3f0000);
        CHECK(p.up(0x6b0000, 2 * kMiB, 0) == 0x5e400000);
        CHECK(p.up(initrd_bytes, 4096, 0x5eab0000, 0x40000000 + 32 * kGiB) == 0x5eab0000);
        CHECK(p.down(0x1f7d, 2 * kMiB, 0x5eab0000) == 0x5f200000);
    }
}

TEST_CASE("placement: windows are tried in their order, whatever the direction") {
    Placer p{{{{0x4000000}, 2 * kMiB}, {{0x8000000}, 8 * kMiB}, {{0x1000000}, 16 * kMiB}}};
    CHECK(p.down(2 * kMiB, 4096, 0) == 0x4000000);
    CHECK(p.down(4 * kMiB, 4096, 0) == 0x8400000);
    CHECK(p.up(2 * kMiB, 4096, 0) == 0x8000000);
    CHECK(p.up(9 * kMiB, 4096, 0) == 0x1000000);
    CHECK(p.place(9 * kMiB, 4096, 0, true).error() == Errno::kEADDRNOTAVAIL);
}

TEST_CASE("placement: limits are inclusive and touching a segment is no overlap") {
    const PhysRange window{{0x100000}, 0x10000};
    HoleRequest r{0x4000, 4096, 0, kNoLimit, true, 4096};
    CHECK(hole_in_window(r, window, {})->value == 0x10c000);
    r.buf_max = 0x10bfff;
    CHECK(hole_in_window(r, window, {})->value == 0x108000);
    r.buf_max = 0x10bffe;
    CHECK(hole_in_window(r, window, {})->value == 0x107000);
    r.buf_min = 0x108000;
    CHECK(hole_in_window(r, window, {}).error() == Errno::kEADDRNOTAVAIL);
    r = {0x10000, 4096, 0, kNoLimit, false, 4096};
    CHECK(hole_in_window(r, window, {})->value == 0x100000);
    r.memsz += 4096;
    CHECK(hole_in_window(r, window, {}).error() == Errno::kEADDRNOTAVAIL);

    KexecSegment s{};
    s.mem = {0x104000};
    s.memsz = 0x8000;
    const std::vector<KexecSegment> placed{s};
    CHECK(hole_in_window({0x4000, 4096, 0, kNoLimit, true, 4096}, window, placed)->value == 0x10c000);
    CHECK(hole_in_window({0x4000, 4096, 0, kNoLimit, false, 4096}, window, placed)->value == 0x100000);
    CHECK(hole_in_window({0x5000, 4096, 0, kNoLimit, false, 4096}, window, placed).error() == Errno::kEADDRNOTAVAIL);
}

TEST_CASE("placement: the ends of the address space are no hole") {
    KexecSegment bottom{};
    bottom.memsz = 4096;
    const std::vector<KexecSegment> placed{bottom};
    CHECK(hole_in_window({4096, 4096, 0, kNoLimit, true, 4096}, {{0}, 4096}, placed).error() == Errno::kEADDRNOTAVAIL);
    // buf_max below memsz: the first candidate would lie below 0.
    CHECK(hole_in_window({0x4000, 4096, 0, 0x1fff, true, 4096}, {{0}, kMiB}, {}).error() == Errno::kEADDRNOTAVAIL);
    CHECK(hole_in_window({4096, 4096, 0, kNoLimit, true, 4096}, {{~u64{0} - 0xfff}, 4096}, {})->value == ~u64{0xfff});
    CHECK(hole_in_window({4096, 2 * kMiB, 0, kNoLimit, false, 4096}, {{~u64{0} - 0xfff}, 4096}, {}).error() ==
          Errno::kEADDRNOTAVAIL);
    CHECK(hole_in_window({0, 4096, 0, kNoLimit, true, 4096}, {{0}, kMiB}, {}).error() == Errno::kEADDRNOTAVAIL);
}

TEST_CASE("placement: a window of 16 TiB full of segments is searched at once") {
    std::vector<KexecSegment> placed(16);
    for (u64 i = 0; i < placed.size(); ++i) {
        placed[i].mem = {i * kTiB + 4096};
        placed[i].memsz = kTiB - 4096;
    }
    CHECK(hole_in_window({4096, 4096, 0, kNoLimit, true, 4096}, {{0}, 16 * kTiB}, placed)->value == 15 * kTiB);
    CHECK(hole_in_window({8192, 4096, 0, kNoLimit, true, 4096}, {{0}, 16 * kTiB}, placed).error() ==
          Errno::kEADDRNOTAVAIL);
    CHECK(hole_in_window({8192, 4096, 0, kNoLimit, false, 4096}, {{0}, 17 * kTiB}, placed)->value == 16 * kTiB);
}

TEST_CASE("placement: agrees with naive stepping on random windows, segments and requests") {
    std::mt19937_64 random(0x9e3779b9);
    const auto pick = [&random](u64 n) { return random() % n; };
    u64 found = 0;
    u64 refused = 0;
    for (int round = 0; round < 20000; ++round) {
        const u64 page = u64{1} << (12 + 2 * pick(3));
        const PhysRange window{{pick(64) * 2048}, pick(2048) * 512 + 1};
        std::vector<KexecSegment> placed;
        for (u64 i = pick(17); i-- > 0;) {
            KexecSegment s{};
            s.mem = {window.start.value + align_down(pick(window.size), page)};
            s.memsz = (1 + pick(8)) * page;
            if (free_at(s.mem.value, s.memsz, placed)) placed.push_back(s);
        }
        HoleRequest r{(1 + pick(12)) * page, u64{1} << pick(18), 0, kNoLimit, pick(2) == 0, page};
        if (pick(3) == 0) r.buf_min = pick(2 * kMiB);
        if (pick(3) == 0) r.buf_max = pick(2 * kMiB);
        const auto expected = naive(r, window, placed);
        const auto actual = hole_in_window(r, window, placed);
        REQUIRE(actual.has_value() == expected.has_value());
        if (expected) REQUIRE(*actual == *expected);
        ++(expected ? found : refused);
    }
    CHECK(found > 5000);
    CHECK(refused > 2000);
}
