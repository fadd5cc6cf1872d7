// SPDX-License-Identifier: GPL-2.0-only
#include "firmware/mkimage/image_builder.hpp"

#include <xxhash.h>

#include <algorithm>
#include <cstring>
#include <span>

#include "model/boot/aarch64/image.hpp"
#include "model/boot/x86_64/boot_params.hpp"
#include "model/image_header.hpp"
#include "model/kexec/purgatory.hpp"
#include "model/rules.hpp"

namespace baton::firmware {
namespace {

inline constexpr u64 kTextOffset = 0x1000;
inline constexpr u64 kTextSize = 0x1f000;
inline constexpr u64 kRelocateOffset = 0x20000;
inline constexpr u64 kRelocateSize = 0x400;
inline constexpr u64 kPurgatoryOffset = 0x21000;
inline constexpr u64 kPurgatorySize = 0x5000;
inline constexpr u64 kRodataOffset = 0x26000;
inline constexpr u64 kFileBytes = 0x28000;
static_assert(kTextOffset + kTextSize == kRelocateOffset && kRelocateOffset + kRelocateSize <= kPurgatoryOffset);
static_assert(kPurgatoryOffset + kPurgatorySize == kRodataOffset && kFileBytes <= kKernelOffset);

// Inside the purgatory: code, then one page of tables, then its stack.
inline constexpr u64 kPurgatoryCodeEnd = 0x2000;
inline constexpr u64 kPurgatoryRegionsAt = 0x3000;
inline constexpr u64 kPurgatoryDigestAt = 0x3100;
inline constexpr u64 kPurgatoryRegistersAt = 0x3140;

using Bytes = std::vector<u8>;

class Filler {
public:
    explicit Filler(u64 seed) : state_(seed) {}
    u64 next() {
        state_ += 0x9e3779b97f4a7c15;
        u64 z = state_;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
        z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
        return z ^ (z >> 31);
    }

private:
    u64 state_;
};

template <class T>
void put(Bytes& bytes, u64 offset, const T& value) {
    std::memcpy(bytes.data() + offset, &value, sizeof(T));
}

void fill(Bytes& image, const Geometry& g, u64 offset, u64 size) {
    Filler filler(u64{static_cast<u32>(g.id)} << 32 | offset);
    for (u64 at = offset; at < offset + size; at += sizeof(u64)) put(image, at, filler.next());
}

void put_purgatory(Bytes& image, const Geometry& g) {
    fill(image, g, kPurgatoryOffset + kexec::kPurgatoryEntryOffset, kPurgatoryCodeEnd - kexec::kPurgatoryEntryOffset);
    const u8* code = image.data() + kPurgatoryOffset + kexec::kPurgatoryEntryOffset;
    put(image, kPurgatoryOffset,
        kexec::PurgatoryHeader{.magic = kexec::kPurgatoryMagic,
                               .size = kPurgatorySize,
                               .regions = kPurgatoryRegionsAt,
                               .digest = kPurgatoryDigestAt,
                               .registers = kPurgatoryRegistersAt,
                               .code_end = kPurgatoryCodeEnd,
                               .code_xxh3 = XXH3_64bits(code, kPurgatoryCodeEnd - kexec::kPurgatoryEntryOffset)});
}

ImageHeader image_header(const Bytes& image, const Geometry& g) {
    const bool x86 = g.isa == Isa::kX86_64;
    const u8* text = image.data() + kTextOffset;
    ImageHeader h{.magic = kImageMagic,
                  .version = 1,
                  .geometry = static_cast<u32>(g.id),
                  .isa = static_cast<u32>(g.isa),
                  .page_shift = g.page_shift,
                  .generation = static_cast<u32>(Generation::k6_18),
                  .kexec_base = static_cast<u32>(KexecBase::k6_14),
                  .image_size = kImageSize,
                  .file_size = kFileBytes,
                  .kernel_offset = kKernelOffset,
                  .text_offset = kTextOffset,
                  .text_size = kTextSize,
                  .text_xxh3 = XXH3_64bits(text, kTextSize),
                  .relocate_offset = kRelocateOffset,
                  .relocate_size = kRelocateSize};
    if (x86) {
        h.purgatory_offset = kPurgatoryOffset;
        h.purgatory_size = kPurgatorySize;
        h.purgatory_regions = kPurgatoryRegionsAt;
        h.purgatory_digest = kPurgatoryDigestAt;
        h.purgatory_entry = kexec::kPurgatoryEntryOffset;
        h.purgatory_registers = kPurgatoryRegistersAt;
    }
    XXH128_canonical_t id;
    XXH128_canonicalFromHash(&id, XXH3_128bits(text, kTextSize));
    std::copy(std::begin(id.digest), std::end(id.digest), h.build_id);
    return h;
}

// Until there is code: `hlt; jmp .-1` at both entries of the payload.
void put_x86_stubs(Bytes& image) {
    constexpr u8 kStop[] = {0xf4, 0xeb, 0xfd};
    for (const u64 entry : {u64{0}, kEntryOffsetX86}) std::copy_n(kStop, sizeof(kStop), image.data() + entry);
}

// `wfi; b .-4` where execution begins.
void put_arm64_header(Bytes& image, const Geometry& g) {
    put(image, 0,
        boot::Arm64ImageHeader{
            .code0 = 0xd503207f,
            .code1 = 0x17ffffff,
            .text_offset = 0,
            .image_size = kImageSize,
            .flags = boot::arm64_granule(g.page_shift) << boot::kArm64GranuleShift | boot::kArm64AnyPlacement,
            .reserved = {},
            .magic = boot::kArm64ImageMagic,
            .pe_offset = 0});
}

// The real-mode part: nothing but the setup header (specs/boot.md §1).
Bytes x86_setup_sectors() {
    Bytes sectors((boot::kSetupSectorsDefault + 1) * boot::kSectorSize);
    boot::SetupHeader h{};
    h.setup_sects = boot::kSetupSectorsDefault;
    h.syssize = kFileBytes / 16;
    h.boot_flag = boot::kBootFlag;
    h.jump_opcode = 0xeb;
    h.jump_offset = boot::kSetupHeaderOffset + sizeof(boot::SetupHeader) - 0x202;
    h.header = boot::kHeaderMagic;
    h.version = 0x20f;
    h.loadflags = boot::kLoadedHigh;
    h.code32_start = 0x100000;
    h.initrd_addr_max = 0x7fffffff;
    h.kernel_alignment = 2 * kMiB;
    h.relocatable_kernel = 1;
    h.min_alignment = 21;
    h.xloadflags = boot::kXlfKernel64 | boot::kXlfAbove4G;
    h.cmdline_size = boot::kCommandLineSizeMax;
    h.pref_address = 0x1000000;
    h.init_size = kImageSize;
    put(sectors, boot::kSetupHeaderOffset, h);
    return sectors;
}

}  // namespace

std::vector<u8> build_image_file(const Geometry& g) {
    const bool x86 = g.isa == Isa::kX86_64;
    Bytes image(kFileBytes);
    fill(image, g, kTextOffset, kTextSize);
    fill(image, g, kRelocateOffset, kRelocateSize);
    fill(image, g, kRodataOffset, kFileBytes - kRodataOffset);
    if (x86) {
        put_x86_stubs(image);
        put_purgatory(image, g);
    } else {
        put_arm64_header(image, g);
    }
    put(image, x86 ? kImageHeaderOffsetX86 : kImageHeaderOffsetArm, image_header(image, g));
    if (!x86) return image;
    const Bytes sectors = x86_setup_sectors();
    Bytes file(sectors.size() + image.size());
    std::copy(image.begin(), image.end(), std::copy(sectors.begin(), sectors.end(), file.begin()));
    return file;
}

}  // namespace baton::firmware
