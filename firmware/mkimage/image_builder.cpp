// SPDX-License-Identifier: GPL-2.0-only
#include "firmware/mkimage/image_builder.hpp"

#include <xxhash.h>

#include <algorithm>
#include <cstring>
#include <iterator>

#include "model/boot/aarch64/image.hpp"
#include "model/boot/x86_64/boot_params.hpp"
#include "model/kexec/purgatory.hpp"
#include "model/rules.hpp"

namespace baton::firmware {
namespace {

template <class T>
T get(const Bytes& bytes, u64 offset) {
    T value;
    std::memcpy(&value, bytes.data() + offset, sizeof(T));
    return value;
}

template <class T>
void put(Bytes& bytes, u64 offset, const T& value) {
    std::memcpy(bytes.data() + offset, &value, sizeof(T));
}

// Returns the finished header.
kexec::PurgatoryHeader finish_purgatory(Kernel& kernel) {
    auto h = get<kexec::PurgatoryHeader>(kernel.bytes, kernel.purgatory_offset);
    const u8* code = kernel.bytes.data() + kernel.purgatory_offset + kexec::kPurgatoryEntryOffset;
    h.code_xxh3 = XXH3_64bits(code, h.code_end - kexec::kPurgatoryEntryOffset);
    put(kernel.bytes, kernel.purgatory_offset, h);
    return h;
}

ImageHeader image_header(const Geometry& g, Kernel& kernel) {
    const u8* text = kernel.bytes.data() + kernel.text_offset;
    ImageHeader h{.magic = kImageMagic,
                  .version = 1,
                  .geometry = static_cast<u32>(g.id),
                  .isa = static_cast<u32>(g.isa),
                  .page_shift = g.page_shift,
                  .generation = static_cast<u32>(Generation::k6_18),
                  .kexec_base = static_cast<u32>(KexecBase::k6_14),
                  .image_size = kImageSize,
                  .file_size = kernel.bytes.size(),
                  .kernel_offset = kKernelOffset,
                  .text_offset = kernel.text_offset,
                  .text_size = kernel.text_size,
                  .text_xxh3 = XXH3_64bits(text, kernel.text_size),
                  .relocate_offset = kernel.relocate_offset,
                  .relocate_size = kernel.relocate_size};
    if (kernel.purgatory_size != 0) {
        const kexec::PurgatoryHeader purgatory = finish_purgatory(kernel);
        h.purgatory_offset = kernel.purgatory_offset;
        h.purgatory_size = kernel.purgatory_size;
        h.purgatory_regions = purgatory.regions;
        h.purgatory_digest = purgatory.digest;
        h.purgatory_entry = kexec::kPurgatoryEntryOffset;
        h.purgatory_registers = purgatory.registers;
    }
    std::copy(std::begin(kernel.labels), std::end(kernel.labels), h.labels);
    XXH128_canonical_t id;
    XXH128_canonicalFromHash(&id, XXH3_128bits(text, kernel.text_size));
    std::copy(std::begin(id.digest), std::end(id.digest), h.build_id);
    return h;
}

// The first two instructions are the kernel's.
void put_arm64_header(Bytes& image, const Geometry& g) {
    auto h = get<boot::Arm64ImageHeader>(image, 0);
    h = {.code0 = h.code0,
         .code1 = h.code1,
         .text_offset = 0,
         .image_size = kImageSize,
         .flags = boot::arm64_granule(g.page_shift) << boot::kArm64GranuleShift | boot::kArm64AnyPlacement,
         .reserved = {},
         .magic = boot::kArm64ImageMagic,
         .pe_offset = 0};
    put(image, 0, h);
}

// The real-mode part: nothing but the setup header (specs/boot.md §1).
Bytes x86_setup_sectors(u64 payload_bytes) {
    Bytes sectors((boot::kSetupSectorsDefault + 1) * boot::kSectorSize);
    boot::SetupHeader h{};
    h.setup_sects = boot::kSetupSectorsDefault;
    h.syssize = static_cast<u32>(payload_bytes / 16);
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

Bytes build_image_file(const Geometry& g, Kernel kernel) {
    const bool x86 = g.isa == Isa::kX86_64;
    if (!x86) put_arm64_header(kernel.bytes, g);
    const ImageHeader header = image_header(g, kernel);
    put(kernel.bytes, x86 ? kImageHeaderOffsetX86 : kImageHeaderOffsetArm, header);
    if (!x86) return kernel.bytes;
    Bytes file = x86_setup_sectors(kernel.bytes.size());
    file.insert(file.end(), kernel.bytes.begin(), kernel.bytes.end());
    return file;
}

}  // namespace baton::firmware
