// SPDX-License-Identifier: GPL-2.0-only
// Boot images as far as placement is concerned: their headers (specs/boot.md §1; specs/kexec.md §11.1).
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "model/bits.hpp"
#include "model/boot/aarch64/image.hpp"
#include "model/boot/x86_64/boot_params.hpp"
#include "sim/fit/fit.hpp"

namespace baton::sim {
namespace {

template <class T>
void put(std::vector<u8>& bytes, u64 offset, const T& value) {
    std::memcpy(bytes.data() + offset, &value, sizeof(value));
}

template <class T>
T at(const std::vector<u8>& bytes, u64 offset) {
    T value;
    std::memcpy(&value, bytes.data() + offset, sizeof(value));
    return value;
}

bool begins(const std::vector<u8>& file, std::initializer_list<u8> magic) {
    return file.size() >= magic.size() && std::equal(magic.begin(), magic.end(), file.begin());
}

std::vector<u8> blank_bzimage(u64 image_bytes) {
    constexpr u64 kPayload = 4096;
    boot::SetupHeader h{};
    h.setup_sects = static_cast<u8>(boot::kSetupSectorsDefault);
    h.boot_flag = boot::kBootFlag;
    h.jump_offset = 0x6a;
    h.header = boot::kHeaderMagic;
    h.version = 0x20f;
    h.loadflags = boot::kLoadedHigh;
    h.initrd_addr_max = 0x7fffffff;
    h.kernel_alignment = 2 * kMiB;
    h.relocatable_kernel = 1;
    h.min_alignment = 21;
    h.xloadflags = boot::kXlfKernel64 | boot::kXlfAbove4G;
    h.cmdline_size = boot::kCommandLineSizeMax;
    h.pref_address = 0x1000000;
    h.init_size = static_cast<u32>(image_bytes);
    std::vector<u8> file((boot::kSetupSectorsDefault + 1) * boot::kSectorSize + kPayload);
    put(file, boot::kSetupHeaderOffset, h);
    return file;
}

std::vector<u8> blank_arm64(const Geometry& g, u64 image_bytes) {
    const boot::Arm64ImageHeader h{.code0 = 0,
                                   .code1 = 0,
                                   .text_offset = 0,
                                   .image_size = image_bytes,
                                   .flags = boot::kArm64AnyPlacement | boot::arm64_granule(g.page_shift)
                                                                           << boot::kArm64GranuleShift,
                                   .reserved = {},
                                   .magic = boot::kArm64ImageMagic,
                                   .pe_offset = 0};
    std::vector<u8> file(4096);
    put(file, 0, h);
    return file;
}

std::optional<u64> arm64_bytes(const std::vector<u8>& file, std::string& why) {
    if (file.size() < sizeof(boot::Arm64ImageHeader)) return why = "too short for an AArch64 Image", std::nullopt;
    const auto h = at<boot::Arm64ImageHeader>(file, 0);
    if (h.magic != boot::kArm64ImageMagic) return why = "no AArch64 Image (\"ARM\\x64\" at 0x38)", std::nullopt;
    if (h.image_size == 0 || h.image_size > u64{1} << 48 || h.text_offset > u64{1} << 48)
        return why = fmt::format("an Image that takes {:#x} bytes", h.image_size), std::nullopt;
    return h.image_size + h.text_offset;
}

std::optional<u64> bzimage_bytes(const std::vector<u8>& file, std::string& why) {
    if (file.size() < boot::kSetupHeaderOffset + sizeof(boot::SetupHeader))
        return why = "too short for a bzImage", std::nullopt;
    const auto h = at<boot::SetupHeader>(file, boot::kSetupHeaderOffset);
    if (h.header != boot::kHeaderMagic) return why = "no bzImage (\"HdrS\" at 0x202)", std::nullopt;
    return u64{h.init_size};
}

}  // namespace

std::vector<u8> blank_image(GeometryId geometry, u64 image_bytes) {
    const Geometry& g = geometry_of(geometry);
    return g.isa == Isa::kX86_64 ? blank_bzimage(image_bytes) : blank_arm64(g, image_bytes);
}

std::optional<u64> boot_image_bytes(Isa isa, const std::vector<u8>& file, std::string& why) {
    if (begins(file, {0x1f, 0x8b})) return why = "compressed with gzip; unpack it first", std::nullopt;
    if (begins(file, {0x28, 0xb5, 0x2f, 0xfd})) return why = "compressed with zstd; unpack it first", std::nullopt;
    if (begins(file, {0x7f, 'E', 'L', 'F'}))
        return why = "an ELF file; what kexec_file_load takes is the bzImage or Image", std::nullopt;
    return isa == Isa::kX86_64 ? bzimage_bytes(file, why) : arm64_bytes(file, why);
}

}  // namespace baton::sim
