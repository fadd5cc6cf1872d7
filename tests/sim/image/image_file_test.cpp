// SPDX-License-Identifier: GPL-2.0-only
// Image files: the shapes of decision D34, what is refused and how it is said.
#include "sim/image/image_file.hpp"

#include <xxhash.h>

#include <cstring>

#include "model/boot/aarch64/image.hpp"
#include "model/boot/x86_64/boot_params.hpp"
#include "model/kexec/purgatory.hpp"
#include "tests/catch.hpp"

using namespace baton;
using sim::ImageFile;

namespace {

ImageFile image(const std::string& geometry) {
    return ImageFile::load(std::string(BATON_IMAGES) + "/" + geometry + "/baton.img");
}

std::vector<u8> bytes_of(const ImageFile& f) { return {f.bytes().begin(), f.bytes().end()}; }

template <class T>
T at(std::span<const u8> bytes, u64 offset) {
    T v;
    REQUIRE(offset + sizeof(T) <= bytes.size());
    std::memcpy(&v, bytes.data() + offset, sizeof(T));
    return v;
}

template <class T>
void patch(std::vector<u8>& bytes, u64 offset, T v) {
    REQUIRE(offset + sizeof(T) <= bytes.size());
    std::memcpy(bytes.data() + offset, &v, sizeof(T));
}

// What the refusal says.
std::string refusal(std::vector<u8> bytes) {
    try {
        ImageFile::parse(std::move(bytes), "k.img");
    } catch (const sim::ImageError& e) {
        return e.what();
    }
    return "accepted";
}

}  // namespace

TEST_CASE("image: every geometry's file is what its header says") {
    for (const Geometry& g : kGeometries) {
        INFO(g.name);
        const ImageFile f = image(std::string(g.name));
        const ImageHeader h = f.header();
        CHECK(f.geometry() == g.id);
        CHECK(f.isa() == g.isa);
        CHECK(h.page_shift == g.page_shift);
        CHECK(h.image_size == kImageSize);
        CHECK(h.file_size == f.payload().size());
        CHECK(h.kernel_offset == kKernelOffset);
        CHECK(h.text_xxh3 == XXH3_64bits(f.payload().data() + h.text_offset, h.text_size));
        CHECK(h.relocate_size <= 2048);
        XXH128_canonical_t id;
        XXH128_canonicalFromHash(&id, XXH3_128bits(f.payload().data() + h.text_offset, h.text_size));
        CHECK(std::memcmp(id.digest, h.build_id, sizeof(h.build_id)) == 0);
    }
}

TEST_CASE("image: the x86-64 file is a bzImage that a 64-bit loader accepts") {
    const ImageFile f = image("x86_64");
    const auto h = at<boot::SetupHeader>(f.bytes(), boot::kSetupHeaderOffset);
    CHECK(h.header == boot::kHeaderMagic);
    CHECK(h.version >= boot::kProtocolVersionMin);
    CHECK(h.init_size == kImageSize);
    CHECK(h.pref_address == 0x1000000);
    CHECK(h.kernel_alignment == 2 * kMiB);
    CHECK(h.init_size >= f.payload().size());
    CHECK(f.bytes().size() - f.payload().size() == (h.setup_sects + 1u) * 512u);
    CHECK(f.payload()[0] == 0xf4);                // no 32-bit entry
    CHECK(f.payload()[kEntryOffsetX86] == 0xfa);  // cli
    CHECK(at<u64>(f.payload(), kImageHeaderOffsetX86) == kImageMagic);
}

TEST_CASE("image: the purgatory blob describes itself as the image header does") {
    const ImageFile f = image("x86_64");
    const ImageHeader h = f.header();
    const auto p = at<kexec::PurgatoryHeader>(f.payload(), h.purgatory_offset);
    CHECK(p.magic == kexec::kPurgatoryMagic);
    CHECK(p.size == h.purgatory_size);
    CHECK(p.size == 0x5000);  // as the captured one (specs/boot.md §2)
    CHECK(p.regions == h.purgatory_regions);
    CHECK(p.digest == h.purgatory_digest);
    CHECK(p.registers == h.purgatory_registers);
    CHECK(h.purgatory_entry == kexec::kPurgatoryEntryOffset);
    CHECK(p.regions >= p.code_end);
    CHECK(p.digest >= p.regions + 16 * 16);
    CHECK(p.registers >= p.digest + 32);
    CHECK(p.registers + 17 * 8 + 4096 <= p.size);
    const u8* code = f.payload().data() + h.purgatory_offset + kexec::kPurgatoryEntryOffset;
    CHECK(p.code_xxh3 == XXH3_64bits(code, p.code_end - kexec::kPurgatoryEntryOffset));
    CHECK(image("aarch64").header().purgatory_size == 0);
}

TEST_CASE("image: the AArch64 file is an Image with its granule in the flags") {
    for (const auto& [name, granule] : {std::pair{"aarch64", 1u}, {"aarch64-16k", 2u}, {"aarch64-64k", 3u}}) {
        const ImageFile f = image(name);
        const auto h = at<boot::Arm64ImageHeader>(f.bytes(), 0);
        CHECK(h.magic == boot::kArm64ImageMagic);
        CHECK((h.flags >> boot::kArm64GranuleShift & boot::kArm64GranuleMask) == granule);
        CHECK(h.image_size == kImageSize);
        CHECK(h.text_offset == 0);
        CHECK(f.bytes().size() == f.payload().size());
    }
}

TEST_CASE("image: images of different geometries have different builds") {
    CHECK(image("x86_64").header().text_xxh3 != image("aarch64").header().text_xxh3);
    CHECK(image("aarch64").header().text_xxh3 != image("aarch64-64k").header().text_xxh3);
}

TEST_CASE("image: configuring changes the header in the file and nothing else") {
    for (const char* name : {"x86_64", "aarch64"}) {
        ImageFile f = image(name);
        const auto before = bytes_of(f);
        f.configure({.generation = Generation::k6_16,
                     .kexec_base = KexecBase::k6_12,
                     .cma_align_bytes = 4 * kMiB,
                     .options = kOptionScratchFloor,
                     .defects = {5, 9}});
        const ImageHeader h = f.header();
        CHECK(h.generation == 1);
        CHECK(h.kexec_base == 1);
        CHECK(h.cma_align_shift == 22);
        CHECK(h.options == kOptionScratchFloor);
        CHECK(h.defects[0] == 5);
        CHECK(h.defects[1] == 9);
        auto after = bytes_of(f);
        const u64 header = after.size() - f.payload().size() + (f.isa() == Isa::kX86_64 ? 0x400 : 0x40);
        const u64 first = header + offsetof(ImageHeader, generation);
        const u64 last = header + offsetof(ImageHeader, image_size);
        std::copy(before.begin() + first, before.begin() + last, after.begin() + first);
        CHECK(after == before);
        CHECK(ImageFile::parse(bytes_of(f), "again").header().generation == 1);
    }
    ImageFile f = image("aarch64-64k");
    CHECK_THROWS_AS(f.configure({.cma_align_bytes = 4096}), sim::ImageError);
    CHECK_THROWS_AS(f.configure({.cma_align_bytes = 3 * kMiB}), sim::ImageError);
}

TEST_CASE("image: what is no Baton kernel is refused, and the sentence says why") {
    using Catch::Contains;
    const auto x86 = bytes_of(image("x86_64"));
    const auto arm = bytes_of(image("aarch64"));
    const auto changed = [](std::vector<u8> b, u64 offset, auto v) {
        patch(b, offset, v);
        return refusal(std::move(b));
    };
    const u64 header = 0xa00 + kImageHeaderOffsetX86;
    CHECK(refusal(x86) == "accepted");
    CHECK(refusal(arm) == "accepted");
    CHECK_THAT(refusal({}), Contains("k.img: neither a bzImage"));
    CHECK_THAT(refusal(std::vector<u8>(1 << 20, 0x55)), Contains("neither a bzImage"));
    CHECK_THAT(changed(x86, 0x1fe, u16{0}), Contains("0xaa55"));
    CHECK_THAT(changed(x86, 0x206, u16{0x204}), Contains("too old"));
    CHECK_THAT(changed(x86, 0x236, u16{0}), Contains("not a relocatable 64-bit kernel"));
    CHECK_THAT(changed(x86, 0x260, u32{1 << 20}), Contains("init_size"));
    CHECK_THAT(changed(x86, 0x1f1, u8{200}), Contains("no image header"));
    CHECK_THAT(changed(x86, 0x1f1, u8{5}), Contains("no image header"));
    CHECK_THAT(changed(x86, header, u64{0}), Contains("no image header"));
    CHECK_THAT(changed(x86, header + offsetof(ImageHeader, geometry), u32{77}), Contains("geometry 77"));
    CHECK_THAT(changed(x86, header + offsetof(ImageHeader, geometry), u32{1}), Contains("which this file is not"));
    CHECK_THAT(changed(x86, header + offsetof(ImageHeader, kernel_offset), u64{1}), Contains("sizes"));
    CHECK_THAT(changed(x86, header + offsetof(ImageHeader, text_size), ~u64{0}), Contains("outside of the image"));
    CHECK_THAT(changed(x86, 0xa00 + 0x1800, u8{1}), Contains("damaged"));
    CHECK_THAT(changed(arm, 16, u64{0}), Contains("image_size"));
    CHECK_THAT(changed(arm, 24, u64{1}), Contains("big-endian"));
    CHECK_THAT(changed(arm, 8, u64{0x80000}), Contains("text_offset"));
    for (const std::size_t size : {std::size_t{0x300}, std::size_t{0xa10}, std::size_t{0xe40}, x86.size() - 1}) {
        INFO(size);
        CHECK(refusal({x86.begin(), x86.begin() + size}) != "accepted");
    }
    CHECK_THAT(refusal({x86.begin(), x86.end() - 1}), Contains("truncated"));
}

TEST_CASE("image: a path that is no file is refused") {
    CHECK_THROWS_WITH(ImageFile::load("/nonexistent/baton.img"), Catch::Contains("/nonexistent/baton.img"));
    CHECK_THROWS_AS(ImageFile::load("/tmp"), sim::ImageError);
}
