// SPDX-License-Identifier: GPL-2.0-only
// kexec_file_load as a whole: where segments go, what they hold after relocation, and the digest.
#include <set>

#include "model/kexec/purgatory.hpp"
#include "tests/model/kexec/list_executor.hpp"
#include "tests/model/kexec/loadable.hpp"

using namespace baton;
using namespace baton::kexec;
using namespace baton::test;

namespace {

std::string hex_of(const u8* p, u64 n) {
    std::string s;
    for (u64 i = 0; i < n; ++i) {
        s += "0123456789abcdef"[p[i] >> 4];
        s += "0123456789abcdef"[p[i] & 15];
    }
    return s;
}

/// What the purgatory would compute over its regions, in relocated memory.
std::string digest_of_regions(Relocated& after, u64 purgatory) {
    Sha256 sha;
    sha256_init(sha);
    for (u64 i = 0; i < 16; ++i) {
        const auto r = after.load<PurgatoryRegion>(purgatory + 0x1000 + i * 16);
        sha256_update(sha, after.at(r.start.value), r.bytes);
    }
    u8 digest[32];
    sha256_final(sha, digest);
    return hex_of(digest, 32);
}

Relocated relocated(Loadable& l) {
    return Relocated(l.m, parse_list(l.m, l.k.kexec.image.head, l.page), l.page, false);
}

const KexecSegment& segment(const Loadable& l, u32 i) {
    REQUIRE(i < l.k.kexec.image.segment_count);
    return l.k.kexec.image.segments[i];
}

constexpr PhysRange kScratch0{{32 * kMiB}, 8 * kMiB};
constexpr PhysRange kScratch1{{16 * kMiB}, 8 * kMiB};

}  // namespace

TEST_CASE("file load: x86-64 without KHO places top-down in RAM and hands everything over") {
    Loadable l;
    const std::vector<u8> initrd = random_bytes(0x4c04d, 5);
    const u32 kernel = l.kernel_file();
    const u32 initrd_slot = l.file(initrd);
    const u64 free_before = l.free_pages();
    REQUIRE(l.load(kernel, initrd_slot, "console=ttyS0 quiet"));

    const u64 end = l.m.ram().size;
    REQUIRE(l.k.kexec.image.segment_count == 4);
    CHECK(segment(l, 0).mem.value == end - 0x3000);    // purgatory
    CHECK(segment(l, 1).mem.value == end - 0x5000);    // zero page, command line, nodes
    CHECK(segment(l, 2).mem.value == end - 2 * kMiB);  // kernel
    CHECK(segment(l, 2).memsz == 0x40000);
    CHECK(segment(l, 3).mem.value == end - 0x5000 - 0x4d000);  // initrd
    CHECK(l.k.kexec.image.start == segment(l, 0).mem + kPurgatoryEntryOffset);

    Relocated after = relocated(l);
    const u64 purgatory = segment(l, 0).mem.value;
    CHECK(std::memcmp(after.at(purgatory), l.m.bytes(l.k.image + Loadable::kPurgatoryOffset), 0x1000) == 0);
    const u64 zero_page = after.load<u64>(purgatory + 0x1120 + 6 * 8);
    CHECK(zero_page == segment(l, 1).mem.value);
    CHECK(after.load<u64>(purgatory + 0x1120 + 16 * 8) == segment(l, 2).mem.value + 0x200);
    CHECK(after.load<u64>(purgatory + 0x1120 + 4 * 8) == end);  // stack: the end of the blob
    for (const u64 other : {0, 1, 2, 3, 5, 7, 8, 9, 15}) CHECK(after.load<u64>(purgatory + 0x1120 + other * 8) == 0);

    const std::vector<u8> file = bzimage();
    CHECK(std::memcmp(after.at(segment(l, 2).mem.value), file.data() + 0xa00, 0x3000) == 0);
    for (u64 o = 0x3000; o < 0x40000; ++o) REQUIRE(*after.at(segment(l, 2).mem.value + o) == 0);
    const u64 ramdisk = after.load<u32>(zero_page + 0x218);
    CHECK(after.load<u32>(zero_page + 0x21c) == initrd.size());
    CHECK(std::memcmp(after.at(ramdisk), initrd.data(), initrd.size()) == 0);
    const u64 line = after.load<u32>(zero_page + 0x228);
    CHECK(std::string(reinterpret_cast<const char*>(after.at(line))) == "console=ttyS0 quiet");

    CHECK(l.m.site_count(Site::kLoadBegin) == 1);
    CHECK(l.m.site_count(Site::kLoadPlaced) == 1);
    CHECK(l.m.site_count(Site::kLoadControl) == 1);
    CHECK(l.m.site_count(Site::kLoadDigest) == 1);
    CHECK(l.m.site_count(Site::kLoadPage) == 3 + 2 + 0x40 + 0x4d);
    CHECK(l.m.site_count(Site::kLoadEnd) == 1);
    unload(l.k);
    CHECK(l.free_pages() == free_before);
    CHECK(l.k.kexec.image.loaded == 0);
}

TEST_CASE("file load: the digest covers every segment but the purgatory, padding included") {
    Loadable l;
    l.enable_kho({kScratch0});
    REQUIRE(l.load(l.file(bzimage(0x3001, 0x6000)), l.file(random_bytes(5000, 1))));
    const u64 purgatory = segment(l, 1).mem.value;
    u64 hashed = 0;
    {
        Relocated after = relocated(l);
        CHECK(digest_of_regions(after, purgatory) == hex_of(after.at(purgatory + 0x1100), 32));
        std::set<u64> starts;
        for (u64 i = 0; i < 16; ++i) {
            const auto r = after.load<PurgatoryRegion>(purgatory + 0x1000 + i * 16);
            hashed += r.bytes;
            if (r.bytes != 0) starts.insert(r.start.value);
        }
        CHECK(starts.size() == 4);
        CHECK_FALSE(starts.contains(purgatory));
    }
    CHECK(l.m.charged(Work::kBytesHashed) == hashed);
    for (u32 i = 0; i < l.k.kexec.image.segment_count; ++i) {
        for (const u64 at : {u64{0}, segment(l, i).bufsz - 1, segment(l, i).memsz - 1}) {
            Relocated after = relocated(l);
            const std::string stored = hex_of(after.at(purgatory + 0x1100), 32);
            *after.at(segment(l, i).mem.value + at) ^= 1;
            CHECK((digest_of_regions(after, purgatory) == stored) == (i == 1));
        }
    }
}

TEST_CASE("file load: with KHO the scratch array goes first and everything lies in the first area that fits") {
    Loadable l;
    l.enable_kho({kScratch0, kScratch1});
    REQUIRE(l.load(l.kernel_file(), l.file(random_bytes(5000, 1))));
    REQUIRE(l.k.kexec.image.segment_count == 5);
    CHECK(segment(l, 0).mem == kScratch0.end() - 64 * kKiB);
    CHECK(segment(l, 0).bufsz == 32);
    CHECK(segment(l, 0).memsz == 4096);
    for (u32 i = 0; i < 5; ++i) CHECK(kScratch0.contains({segment(l, i).mem, segment(l, i).memsz}));

    Relocated after = relocated(l);
    CHECK(after.load<kho::ScratchArea>(segment(l, 0).mem.value + 16).addr == kScratch1.start);
    const u64 zero_page = segment(l, 2).mem.value;
    bool found = false;
    for (u64 node = after.load<u64>(zero_page + 0x250); node != 0; node = after.load<u64>(node)) {
        if (after.load<u32>(node + 8) != 10) continue;
        found = true;
        const auto kho = after.load<kho::SetupDataKho>(node + 16);
        CHECK(kho.fdt_addr == l.k.kho.fdt);
        CHECK(kho.fdt_size == 4096);
        CHECK(kho.scratch_addr == segment(l, 0).mem);
        CHECK(kho.scratch_size == 32);
    }
    CHECK(found);
    CHECK(l.k.kexec.image.kho_fdt == l.k.kho.fdt);
}

TEST_CASE("file load: with KHO but nothing finalised scratch is still the only place") {
    Loadable l;
    l.enable_kho({kScratch0});
    l.k.kho.finalised = 0;
    REQUIRE(l.load(l.kernel_file()));
    REQUIRE(l.k.kexec.image.segment_count == 3);
    for (u32 i = 0; i < 3; ++i) CHECK(kScratch0.contains({segment(l, i).mem, segment(l, i).memsz}));
    CHECK(l.k.kexec.image.kho_fdt.value == 0);
}

TEST_CASE("file load: no room in scratch is EADDRNOTAVAIL with the segment that did not fit, never a fallback to RAM") {
    Loadable l;
    l.enable_kho({{{32 * kMiB}, 2 * kMiB}});
    const u32 kernel = l.file(bzimage(0x3000, 2 * kMiB));
    const u64 free_before = l.free_pages();
    CHECK(l.load(kernel).error() == Errno::kEADDRNOTAVAIL);
    CHECK(l.logged(Log::kKexecNoHole) == std::array<u64, 4>{3, 2 * kMiB, 2 * kMiB, 0});
    CHECK(l.free_pages() == free_before);
    CHECK(l.k.kexec.image.loaded == 0);
}

TEST_CASE(
    "file load: x86-64 System RAM is one resource where the map's entries touch, and reserved memory is not used") {
    Loadable l;
    const u64 end = l.m.ram().size;
    const u32 ram = static_cast<u32>(MemoryType::kRam);
    l.k.boot.memory_map[0] = {{end - 6 * kMiB}, 4 * kMiB, ram, 1};
    l.k.boot.memory_map[1] = {{0}, end - 6 * kMiB, ram, 0};
    l.k.boot.memory_map[2] = {{end - 2 * kMiB}, 2 * kMiB, static_cast<u32>(MemoryType::kReserved), 0};
    l.k.boot.memory_map_count = 3;
    REQUIRE(l.load(l.file(bzimage(0x3000, 12 * kMiB))));
    CHECK(segment(l, 0).mem.value == end - 2 * kMiB - 0x3000);
    CHECK(segment(l, 2).mem.value == end - 16 * kMiB);  // over the border of the two entries
}

TEST_CASE("file load: AArch64 places the kernel lowest, initrd above it, the tree highest, with no purgatory") {
    for (const GeometryId id : {GeometryId::kAArch64_4K, GeometryId::kAArch64_16K, GeometryId::kAArch64_64K}) {
        Loadable l(id, 256 * kMiB);
        l.enable_kho({{{kGiB + 64 * kMiB}, 16 * kMiB}});
        const std::vector<u8> initrd = random_bytes(70000, 3);
        const u32 kernel = l.kernel_file();
        const u32 initrd_slot = l.file(initrd);
        const u64 free_before = l.free_pages();
        REQUIRE(l.load(kernel, initrd_slot, "quiet"));
        const u64 base = kGiB + 64 * kMiB;
        REQUIRE(l.k.kexec.image.segment_count == 4);
        CHECK(segment(l, 0).mem.value == base + 16 * kMiB - 64 * kKiB);
        CHECK(segment(l, 1).mem.value == base);
        CHECK(segment(l, 2).mem.value == base + 0x40000);
        CHECK(segment(l, 3).mem.value == base + 14 * kMiB);
        CHECK(l.k.kexec.image.start.value == base);
        CHECK(l.k.kexec.image.argument == segment(l, 3).mem.value);
        CHECK(l.m.site_count(Site::kLoadDigest) == 0);

        Relocated after = relocated(l);
        const std::vector<u8> image = arm64_image();
        CHECK(std::memcmp(after.at(base), image.data(), image.size()) == 0);
        CHECK(std::memcmp(after.at(base + 0x40000), initrd.data(), initrd.size()) == 0);
        void* tree = after.at(segment(l, 3).mem.value);
        REQUIRE(fdt_check_full(tree, segment(l, 3).memsz) == 0);
        const int chosen = fdt_path_offset(tree, "/chosen");
        REQUIRE(chosen > 0);
        CHECK(std::string(static_cast<const char*>(fdt_getprop(tree, chosen, "bootargs", nullptr))) == "quiet");
        int length = 0;
        const void* start = fdt_getprop(tree, chosen, "linux,initrd-start", &length);
        REQUIRE(length == 8);
        fdt64_t cells;
        std::memcpy(&cells, start, 8);
        CHECK(fdt64_to_cpu(cells) == base + 0x40000);
        REQUIRE(fdt_getprop(tree, chosen, "linux,kho-fdt", &length) != nullptr);
        unload(l.k);
        CHECK(l.free_pages() == free_before);
    }
}

TEST_CASE("file load: text_offset shifts the AArch64 kernel up inside its hole") {
    Loadable l(GeometryId::kAArch64_4K);
    l.enable_kho({{{kGiB + 32 * kMiB}, 16 * kMiB}});
    REQUIRE(l.load(l.file(arm64_image(0x3000, 0x40000, 0x80000))));
    CHECK(segment(l, 1).mem.value == kGiB + 32 * kMiB + 0x80000);
    CHECK(segment(l, 1).memsz == 0x40000);
    CHECK(l.k.kexec.image.start == segment(l, 1).mem);
}

TEST_CASE("file load: AArch64 tries the next hole for the kernel when the rest does not fit above it") {
    // The initrd must lie within 32 GiB of the kernel: the first area has no room for it, the second is too far away.
    Loadable l(GeometryId::kAArch64_4K, 36 * kGiB);
    l.enable_kho({{{kGiB + 32 * kMiB}, 2 * kMiB}, {{35 * kGiB}, 16 * kMiB}});
    const u32 kernel = l.kernel_file();
    const u32 initrd = l.file(random_bytes(2 * kMiB, 1));
    const u64 free_before = l.free_pages();
    REQUIRE(l.load(kernel, initrd));
    CHECK(segment(l, 0).mem.value == kGiB + 34 * kMiB - 64 * kKiB);
    CHECK(segment(l, 1).mem.value == 35 * kGiB);
    CHECK(segment(l, 2).mem.value == 35 * kGiB + 0x40000);
    CHECK(segment(l, 3).mem.value == 35 * kGiB + 14 * kMiB);
    CHECK(l.k.kexec.image.start.value == 35 * kGiB);
    CHECK(l.k.kexec.image.argument == segment(l, 3).mem.value);
    unload(l.k);
    CHECK(l.free_pages() == free_before);

    // Nowhere else to go: the error is about what did not fit first.
    l.k.kho.scratch_count = 1;
    CHECK(l.load(kernel, initrd).error() == Errno::kEADDRNOTAVAIL);
    CHECK(l.logged(Log::kKexecNoHole)[0] == 2);
    CHECK(l.free_pages() == free_before);
}

TEST_CASE("file load: AArch64 without KHO uses what memblock has free, lowest first") {
    Loadable l(GeometryId::kAArch64_4K);
    REQUIRE(memblock::reserve(l.k.memblock, {{kGiB}, 0x1000}));  // the kernel's own image lies at 2 MiB already
    REQUIRE(l.load(l.kernel_file(), l.file(random_bytes(5000, 1))));
    CHECK(segment(l, 0).mem.value == kGiB + 4 * kMiB);
    CHECK(segment(l, 1).mem.value == kGiB + 4 * kMiB + 0x40000);
    for (u32 i = 0; i < 3; ++i)
        CHECK_FALSE(memblock::overlaps(l.k.memblock.reserved, {segment(l, i).mem, segment(l, i).memsz}));
}
