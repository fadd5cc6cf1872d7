// SPDX-License-Identifier: GPL-2.0-only
// What fits: the kernel's own answers, and the smallest scratch that makes them yes.
#include "sim/fit/fit.hpp"

#include <filesystem>

#include "sim/map_file/map_file.hpp"
#include "tests/catch.hpp"

using namespace baton;
using namespace baton::sim;

namespace {

FitRequest request(GeometryId geometry, u64 image_bytes, u64 initrd_bytes, const std::string& scratch,
                   std::optional<MachineMap> map = {}) {
    const Isa isa = geometry_of(geometry).isa;
    FitRequest r{
        .map = map ? *map : MachineMap(isa, 512 * kMiB),
        .kernel = ImageFile::load(std::filesystem::path(BATON_IMAGES) / geometry_of(geometry).name / "baton.img"),
        .image = blank_image(geometry, image_bytes),
        .image_bytes = image_bytes,
        .initrd_bytes = initrd_bytes,
        .scratch = scratch};
    r.kernel.configure({.options = kOptionScratchFloor});
    return r;
}

constexpr GeometryId kBoth[] = {GeometryId::kX86_64, GeometryId::kAArch64_4K};

TEST_CASE("fit: what fits says where every segment lands, and how much is left") {
    for (const GeometryId g : kBoth) {
        const FitAnswer a = try_fit(request(g, 12 * kMiB, 2 * kMiB, "32M,32M,16M"));
        INFO(a.error);
        CHECK(a.fits);
        REQUIRE(a.areas.size() == 3);
        CHECK(a.areas[0].range.size == 32 * kMiB);
        CHECK(a.areas[0].largest_hole >= 8 * kMiB);
        CHECK(a.areas[0].largest_hole < 20 * kMiB);
        CHECK(a.areas[1].largest_hole == 32 * kMiB);
        bool kernel = false;
        bool initrd = false;
        for (const FitSegment& s : a.segments) {
            CHECK(a.areas[0].range.contains(s.at));
            kernel = kernel || (s.name == "kernel" && s.at.size == 12 * kMiB);
            initrd = initrd || (s.name == "initrd" && s.at.size == 2 * kMiB);
        }
        CHECK(kernel);
        CHECK(initrd);
        CHECK(a.error.empty());
    }
}

TEST_CASE("fit: what does not fit is the kernel's own error, with its reason") {
    for (const GeometryId g : kBoth) {
        const FitAnswer load = try_fit(request(g, 12 * kMiB, 0, "8M,8M,8M"));
        CHECK(!load.fits);
        CHECK(load.error == "EADDRNOTAVAIL");
        REQUIRE(!load.log.empty());
        CHECK(load.log.back().find("no hole for segment") != std::string::npos);
        const FitAnswer none = try_fit(request(g, 12 * kMiB, 0, "400M,400M,400M"));
        CHECK(!none.fits);
        CHECK(none.error == "KHO disabled");
        CHECK(none.areas.empty());
    }
}

TEST_CASE("fit: whether a Linux kernel's memory map has room beside the segments is told apart") {
    // Ours makes its memory map piece by piece; a Linux kernel's comes from scratch as a whole.
    const FitAnswer tight = try_fit(request(GeometryId::kX86_64, 15 * kMiB, 0, "16M,0,0"));
    CHECK(tight.fits);
    CHECK(tight.memmap_bytes == 8 * kMiB);
    CHECK(!tight.memmap_fits());
    CHECK(try_fit(request(GeometryId::kX86_64, 15 * kMiB, 0, "16M,16M,0")).memmap_fits());
}

TEST_CASE("fit: the suggestion fits, and the next smaller one does not") {
    for (const GeometryId g : kBoth) {
        FitRequest r = request(g, 20 * kMiB, 10 * kMiB, "8M,4M,4M");
        CHECK(!try_fit(r).fits);
        const auto smallest = smallest_scratch(r);
        REQUIRE(smallest);
        INFO(*smallest);
        CHECK(smallest->ends_with(",4M,4M"));
        r.scratch = *smallest;
        CHECK(try_fit(r).fits);
        const u64 low = std::stoull(*smallest);
        r.scratch = std::to_string(low - 2) + "M,4M,4M";
        CHECK(!try_fit(r).fits);
    }
}

TEST_CASE("fit: nothing fits on a machine that is too small, and a described machine is the one that counts") {
    const GeometryId g = GeometryId::kX86_64;
    CHECK(!smallest_scratch(request(g, 200 * kMiB, 0, "", MachineMap(Isa::kX86_64, 128 * kMiB))));
    const MachineMap captured(Isa::kX86_64, read_map_file(BATON_SOURCE_DIR "/tests/data/linux-kho/x86_64-6.16"));
    FitRequest r = request(g, 0xc00000, 0x4c04d, "16M,64M,32M", captured);
    r.kernel.configure({.cma_align_bytes = 4 * kMiB, .options = kOptionScratchFloor});
    const FitAnswer a = try_fit(r);
    CHECK(a.fits);
    // Where the real kernel of that machine put it: below its scratch array, at a multiple of 2 MiB.
    for (const FitSegment& s : a.segments)
        if (s.name == "kernel") CHECK(s.at.start.value % (2 * kMiB) == 0);
}

TEST_CASE("fit: boot images are told from what is none") {
    std::string why;
    CHECK(boot_image_bytes(Isa::kX86_64, blank_image(GeometryId::kX86_64, 12345678), why) == 12345678);
    CHECK(boot_image_bytes(Isa::kAArch64, blank_image(GeometryId::kAArch64_4K, 7 * kMiB), why) == 7 * kMiB);
    CHECK(!boot_image_bytes(Isa::kAArch64, blank_image(GeometryId::kX86_64, kMiB), why));
    CHECK(why == "no AArch64 Image (\"ARM\\x64\" at 0x38)");
    CHECK(!boot_image_bytes(Isa::kAArch64, {0x1f, 0x8b, 8, 0}, why));
    CHECK(why == "compressed with gzip; unpack it first");
    CHECK(!boot_image_bytes(Isa::kX86_64, {0x7f, 'E', 'L', 'F'}, why));
    CHECK(!boot_image_bytes(Isa::kX86_64, {}, why));
    CHECK(why == "too short for a bzImage");
}

}  // namespace
