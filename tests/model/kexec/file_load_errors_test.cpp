// SPDX-License-Identifier: GPL-2.0-only
// kexec_file_load refusing: every probe and sanity check, and that a load that fails changes nothing and leaks nothing.
#include <map>

#include "model/kexec/loader.hpp"
#include "tests/model/kexec/loadable.hpp"

using namespace baton;
using namespace baton::kexec;
using namespace baton::test;

TEST_CASE("file load: x86-64 probe checks are ENOEXEC, each with its number") {
    Loadable l;
    const auto with = [](u64 offset, auto value) {
        std::vector<u8> f = bzimage();
        poke(f, offset, value);
        return f;
    };
    const std::map<Probe, std::vector<u8>> files = {
        {Probe::kTooShort, std::vector<u8>(1023)},          {Probe::kNoMagic, with(0x202, u32{0x53726449})},
        {Probe::kNoBootFlag, with(0x1fe, u16{0xaa54})},     {Probe::kOldProtocol, with(0x206, u16{0x20b})},
        {Probe::kNotLoadedHigh, with(0x211, u8{0xfe})},     {Probe::kNot64Bit, with(0x236, u16{2})},
        {Probe::kNotAbove4G, with(0x236, u16{1})},          {Probe::kNotRelocatable, with(0x234, u8{0})},
        {Probe::kBadAlignment, with(0x230, u32{0x300000})}, {Probe::kInitSizeTooSmall, with(0x260, u32{0x2fff})},
    };
    const u64 free_before = l.free_pages();
    for (const auto& [probe, file] : files) {
        CHECK(l.load_error(file) == Errno::kENOEXEC);
        CHECK(l.logged(Log::kKexecBadImage)[0] == static_cast<u64>(probe));
    }
    CHECK(l.load_error(with(0x1f1, u8{200})) == Errno::kENOEXEC);  // setup sectors beyond the file
    CHECK(l.logged(Log::kKexecBadImage)[0] == static_cast<u64>(Probe::kTooShort));
    CHECK(l.load_error(with(0x230, u32{0})) == Errno::kENOEXEC);
    CHECK(l.load_error(arm64_image()) == Errno::kENOEXEC);
    CHECK(l.load_error(with(0x1f1, u8{0})) == Errno::kOk);  // 0 means 4
    unload(l.k);
    l.k.header.purgatory_size = 0;
    CHECK(l.load_error(bzimage()) == Errno::kENOEXEC);
    CHECK(l.logged(Log::kKexecBadImage)[0] == static_cast<u64>(Probe::kNoPurgatory));
    CHECK(l.free_pages() == free_before);
}

TEST_CASE("file load: AArch64 probe checks are ENOEXEC, each with its number") {
    Loadable l(GeometryId::kAArch64_4K);
    const auto with = [](u64 offset, auto value) {
        std::vector<u8> f = arm64_image();
        poke(f, offset, value);
        return f;
    };
    const std::map<Probe, std::vector<u8>> files = {
        {Probe::kArmTooShort, std::vector<u8>(63)},    {Probe::kArmNoMagic, with(56, u32{0x644d5242})},
        {Probe::kArmNoImageSize, with(16, u64{0})},    {Probe::kArmBigEndian, with(24, u64{9})},
        {Probe::kArmImageTooLarge, with(16, ~u64{0})},
    };
    const u64 free_before = l.free_pages();
    for (const auto& [probe, file] : files) {
        CHECK(l.load_error(file) == Errno::kENOEXEC);
        CHECK(l.logged(Log::kKexecBadImage)[0] == static_cast<u64>(probe));
    }
    CHECK(l.load_error(with(8, ~u64{0})) == Errno::kENOEXEC);
    CHECK(l.load_error(bzimage()) == Errno::kENOEXEC);
    CHECK(l.free_pages() == free_before);
}

TEST_CASE("file load: sanity checks and arguments") {
    Loadable l(GeometryId::kAArch64_4K);
    const u32 kernel = l.kernel_file();
    CHECK(l.load(kernel + 1).error() == Errno::kENOENT);
    CHECK(l.load(100).error() == Errno::kENOENT);
    CHECK(l.load(kernel, kernel + 1).error() == Errno::kENOENT);
    CHECK(l.load(kernel, kNoFile, std::string(2048, 'x')).error() == Errno::kEINVAL);
    CHECK(l.load_error(arm64_image(0x41001)) == Errno::kEINVAL);                          // file larger than image_size
    CHECK(l.load_error(arm64_image(0x3000, 33 * kMiB)) == Errno::kEINVAL);                // more than half of RAM
    CHECK(l.load_error(arm64_image(0x3000, 0x40000, 0x80010)) == Errno::kEADDRNOTAVAIL);  // not page aligned
    CHECK(l.load_error(arm64_image(0x3000, 65 * kMiB)) == Errno::kEADDRNOTAVAIL);
    l.k.kexec.in_progress = 1;
    CHECK(l.load(kernel).error() == Errno::kEBUSY);

    Loadable x;
    const u32 bz = x.kernel_file();
    CHECK(x.load(bz, kNoFile, std::string(2047, 'x')));
    const u32 short_line = x.file([] {
        std::vector<u8> f = bzimage();
        poke<u32>(f, 0x238, 255);
        return f;
    }());
    CHECK(x.load(short_line, kNoFile, std::string(255, 'x')));
    CHECK(x.load(short_line, kNoFile, std::string(256, 'x')).error() == Errno::kEINVAL);
}

TEST_CASE("file load: a second load replaces the image, a failed one leaves it, and no page is lost") {
    Loadable l;
    const u32 kernel = l.kernel_file();
    const u32 bad = l.file(arm64_image());
    const u64 free_before = l.free_pages();
    REQUIRE(l.load(kernel));
    const u64 one_image = free_before - l.free_pages();
    const Kimage first = l.k.kexec.image;
    CHECK(l.load(bad).error() == Errno::kENOEXEC);
    CHECK(std::memcmp(&first, &l.k.kexec.image, sizeof(first)) == 0);
    CHECK(l.free_pages() == free_before - one_image);
    REQUIRE(l.load(kernel));
    CHECK(l.k.kexec.image.head != first.head);  // built beside the first
    CHECK(l.free_pages() == free_before - one_image);
    unload(l.k);
    unload(l.k);
    CHECK(l.free_pages() == free_before);
    const Kimage empty{};
    CHECK(std::memcmp(&empty, &l.k.kexec.loading, sizeof(empty)) == 0);
}

TEST_CASE("file load: out of memory at every step is ENOMEM, keeps the previous image and leaks nothing") {
    for (const GeometryId id : {GeometryId::kX86_64, GeometryId::kAArch64_4K}) {
        Loadable l(id, 32 * kMiB);
        // The boot files are small, so that each page of the load is one step.
        const u32 kernel = l.file(l.x86() ? bzimage(0x1000, 0x4000, 0x100000) : arm64_image(0x1000, 0x4000));
        REQUIRE(l.load(kernel));
        const Kimage first = l.k.kexec.image;
        std::vector<PhysAddr> hoard;
        while (const auto p = mm::alloc_pages(l.k, {0}, kAllocMovable, AllocSite::kUser)) hoard.push_back(*p);
        u64 failures = 0;
        for (;; ++failures) {
            const u64 free_before = l.free_pages();
            const Status s = l.load(kernel);
            if (s) break;
            REQUIRE(s.error() == Errno::kENOMEM);
            REQUIRE(l.free_pages() == free_before);
            REQUIRE(std::memcmp(&first, &l.k.kexec.image, sizeof(first)) == 0);
            mm::free_pages(l.k, hoard.back(), {0});
            hoard.pop_back();
            REQUIRE(failures < 500);
        }
        CHECK(failures > 10);
        CHECK(l.m.warnings == 0);
    }
}
