// SPDX-License-Identifier: GPL-2.0-only
#include "sim/image/image_file.hpp"

#include <fmt/format.h>
#include <xxhash.h>

#include <cstring>
#include <fstream>
#include <iterator>

#include "model/bits.hpp"
#include "model/boot/aarch64/image.hpp"
#include "model/boot/x86_64/boot_params.hpp"

namespace baton::sim {
namespace {

using boot::SetupHeader;

// Where the parts of a file are.
struct Shape {
    u64 payload_offset;
    u64 header_offset;
    Isa isa;
};

template <class T>
T at(std::span<const u8> bytes, u64 offset) {
    T v;
    std::memcpy(&v, bytes.data() + offset, sizeof(T));
    return v;
}

bool fits(std::span<const u8> bytes, u64 offset, u64 size) {
    return offset <= bytes.size() && size <= bytes.size() - offset;
}

template <class... Args>
[[noreturn]] void refuse(const std::string& name, fmt::format_string<Args...> format, Args&&... args) {
    throw ImageError(fmt::format("{}: {}", name, fmt::format(format, std::forward<Args>(args)...)));
}

bool looks_like_x86(std::span<const u8> bytes) {
    return fits(bytes, boot::kSetupHeaderOffset, sizeof(SetupHeader)) &&
           at<SetupHeader>(bytes, boot::kSetupHeaderOffset).header == boot::kHeaderMagic;
}

bool looks_like_arm64(std::span<const u8> bytes) {
    return fits(bytes, 0, sizeof(boot::Arm64ImageHeader)) &&
           at<boot::Arm64ImageHeader>(bytes, 0).magic == boot::kArm64ImageMagic;
}

Shape x86_shape(std::span<const u8> bytes, const std::string& name) {
    const auto h = at<SetupHeader>(bytes, boot::kSetupHeaderOffset);
    if (h.boot_flag != boot::kBootFlag) refuse(name, "a bzImage has 0xaa55 at 0x1fe, not {:#x}", u32{h.boot_flag});
    if (h.version < boot::kProtocolVersionMin)
        refuse(name, "boot protocol {:#x} is too old: at least {:#x}", u32{h.version}, u32{boot::kProtocolVersionMin});
    constexpr u16 kNeeded = boot::kXlfKernel64 | boot::kXlfAbove4G;
    if ((h.loadflags & boot::kLoadedHigh) == 0 || (h.xloadflags & kNeeded) != kNeeded)
        refuse(name, "loadflags {:#x}, xloadflags {:#x}: not a relocatable 64-bit kernel", u32{h.loadflags},
               u32{h.xloadflags});
    if (h.init_size != kImageSize)
        refuse(name, "init_size is {:#x}, every Baton kernel has {:#x}", u32{h.init_size}, kImageSize);
    const u32 sectors = h.setup_sects == 0 ? boot::kSetupSectorsDefault : h.setup_sects;
    const u64 payload = (u64{sectors} + 1) * boot::kSectorSize;
    return Shape{payload, payload + kImageHeaderOffsetX86, Isa::kX86_64};
}

Shape arm64_shape(std::span<const u8> bytes, const std::string& name) {
    const auto h = at<boot::Arm64ImageHeader>(bytes, 0);
    if (h.image_size != kImageSize)
        refuse(name, "image_size is {:#x}, every Baton kernel has {:#x}", h.image_size, kImageSize);
    if ((h.flags & boot::kArm64BigEndian) != 0) refuse(name, "big-endian kernels are not supported");
    if (h.text_offset != 0) refuse(name, "text_offset is {:#x}, not 0", h.text_offset);
    return Shape{0, kImageHeaderOffsetArm, Isa::kAArch64};
}

Shape shape_of(std::span<const u8> bytes, const std::string& name) {
    if (looks_like_x86(bytes)) return x86_shape(bytes, name);
    if (looks_like_arm64(bytes)) return arm64_shape(bytes, name);
    refuse(name, "neither a bzImage (\"HdrS\" at 0x202) nor an AArch64 Image (\"ARM\\x64\" at 0x38)");
}

void check_header(const ImageHeader& h, const Shape& shape, const std::string& name) {
    if (h.magic != kImageMagic || h.version != 1)
        refuse(name, "a boot image, but no Baton kernel: no image header at {:#x}", shape.header_offset);
    if (h.geometry >= std::size(kGeometries)) refuse(name, "the image header names geometry {}", h.geometry);
    const Geometry& g = geometry_of(static_cast<GeometryId>(h.geometry));
    if (g.isa != shape.isa || h.isa != static_cast<u32>(g.isa) || h.page_shift != g.page_shift)
        refuse(name, "the image header says {} with {} KiB pages, which this file is not", g.name,
               shl(1, h.page_shift) / kKiB);
    if (h.image_size != kImageSize || h.kernel_offset != kKernelOffset || h.file_size > kKernelOffset)
        refuse(name, "the image header's sizes are not those of a Baton kernel");
}

void check_text(std::span<const u8> payload, const ImageHeader& h, const std::string& name) {
    if (payload.size() != h.file_size)
        refuse(name, "{} bytes of image, but its header says {}: truncated?", payload.size(), h.file_size);
    if (!fits(payload, h.text_offset, h.text_size) || !fits(payload, h.relocate_offset, h.relocate_size) ||
        !fits(payload, h.purgatory_offset, h.purgatory_size))
        refuse(name, "the image header points outside of the image");
    if (XXH3_64bits(payload.data() + h.text_offset, h.text_size) != h.text_xxh3)
        refuse(name, "the text does not hash to what the image header says: the file is damaged");
}

}  // namespace

ImageFile ImageFile::parse(std::vector<u8> bytes, const std::string& name) {
    const Shape shape = shape_of(bytes, name);
    if (!fits(bytes, shape.header_offset, sizeof(ImageHeader)))
        refuse(name, "the file ends before the image header at {:#x}", shape.header_offset);
    ImageFile file(std::move(bytes), shape.payload_offset, shape.header_offset);
    check_header(file.header(), shape, name);
    check_text(file.payload(), file.header(), name);
    return file;
}

ImageFile ImageFile::load(const std::filesystem::path& path) {
    std::error_code error;
    if (!std::filesystem::is_regular_file(path, error)) refuse(path.string(), "no such image file");
    std::ifstream in(path, std::ios::binary);
    std::vector<u8> bytes{std::istreambuf_iterator<char>(in), {}};
    if (!in) refuse(path.string(), "cannot be read");
    return parse(std::move(bytes), path.string());
}

ImageHeader ImageFile::header() const { return at<ImageHeader>(bytes_, header_offset_); }

void ImageFile::configure(const ImageConfig& config) {
    const u64 align = config.cma_align_bytes;
    const u64 page = geometry_of(geometry()).page_size();
    if (align != 0 && (!is_power_of_two(align) || align < page || align > kGiB))
        throw ImageError(fmt::format("the CMA alignment is a power of two from a page ({} KiB) to 1 GiB, not {} bytes",
                                     page / kKiB, align));
    ImageHeader h = header();
    h.generation = static_cast<u32>(config.generation);
    h.kexec_base = static_cast<u32>(config.kexec_base);
    h.cma_align_shift = align == 0 ? 0 : floor_log2(align);
    h.options = config.options;
    h.defects[0] = config.defects[0];
    h.defects[1] = config.defects[1];
    std::memcpy(bytes_.data() + header_offset_, &h, sizeof(h));
}

}  // namespace baton::sim
