// SPDX-License-Identifier: GPL-2.0-only
// The AArch64 boot image: probing an Image and placing kernel, initrd and device tree (specs/kexec.md §5.2, §11.1).
//
// The kernel goes to the lowest 2 MiB boundary, the rest above it. When the rest does not fit there, the kernel is
// taken back and tried in the next hole. There is no purgatory and no digest.
#include "model/bits.hpp"
#include "model/boot/aarch64/image.hpp"
#include "model/kernel.hpp"
#include "model/kexec/loader.hpp"

namespace baton::kexec {
namespace {

using boot::Arm64ImageHeader;

inline constexpr u64 kInitrdWindow = 32 * kGiB;  // from the kernel, rounded down to 1 GiB
inline constexpr u64 kDeviceTreeSlack = 0x1000;  // spare bytes at creation (§11.5)
inline constexpr u64 kPhysicalBytesMax = 1ull << 48;

struct Image {
    u64 size;
    u64 text_offset;
};

Result<Image> probe(const Load& load) {
    const u32 slot = load.request.kernel_slot;
    if (load.k.files.slots[slot].size_bytes < sizeof(Arm64ImageHeader)) return bad_image(Probe::kArmTooShort);
    Arm64ImageHeader h;
    files::read(load.k, slot, 0, &h, sizeof(h));
    if (h.magic != boot::kArm64ImageMagic) return bad_image(Probe::kArmNoMagic);
    if (h.image_size == 0) return bad_image(Probe::kArmNoImageSize);
    if (h.flags & boot::kArm64BigEndian) return bad_image(Probe::kArmBigEndian);
    if (h.image_size > kPhysicalBytesMax || h.text_offset > kPhysicalBytesMax)
        return bad_image(Probe::kArmImageTooLarge);
    return Image{h.image_size, h.text_offset};
}

// The hole is searched from a 2 MiB boundary on; the segment itself begins text_offset above it.
Result<u32> add_kernel(Load& load, const Image& image, u64 lowest) {
    const KexecSegment content =
        file_content(load.request.kernel_slot, 0, load.k.files.slots[load.request.kernel_slot].size_bytes);
    const Result<u32> index = add_segment(load, content,
                                          {.memsz = image.size + image.text_offset,
                                           .align = boot::kArm64ImageAlign,
                                           .buf_min = lowest,
                                           .buf_max = ~u64{0},
                                           .top_down = false,
                                           .page_size = 0});
    if (!index) return index;
    KexecSegment& s = load.image.segments[*index];
    s.mem += image.text_offset;
    s.memsz -= image.text_offset;
    return index;
}

Status add_device_tree(Load& load, PhysRange initrd, u64 lowest) {
    Kernel& k = load.k;
    const u64 capacity = k.boot.device_tree.size + load.request.command_line.size() + kDeviceTreeSlack;
    const Result<PhysAddr> buffer = alloc_buffer(k, capacity);
    if (!buffer) return fail(buffer.error());
    boot::NextBoot next = next_boot(load);
    next.initrd = initrd;
    const Result<u64> bytes = boot::write_device_tree(k, next, *buffer, capacity);
    const bool too_large = bytes && *bytes > boot::kDeviceTreeSizeMax;
    if (!bytes || too_large) {
        mm::free_run(k, *buffer, buffer_pages(k, capacity));
        return fail(too_large ? Errno::kEINVAL : bytes.error());
    }
    const Result<u32> index = add_segment(load, memory_content(*buffer, *bytes, buffer_pages(k, capacity)),
                                          {.memsz = *bytes,
                                           .align = boot::kDeviceTreeSizeMax,  // so it crosses no 2 MiB boundary
                                           .buf_min = lowest,
                                           .buf_max = ~u64{0},
                                           .top_down = true,
                                           .page_size = 0});
    if (!index) return fail(index.error());
    load.image.argument = load.image.segments[*index].mem.value;
    return {};
}

Status add_others(Load& load, const KexecSegment& kernel) {
    const u64 lowest = (kernel.mem + kernel.memsz).value;
    const Result<PhysRange> initrd = add_initrd(load, {.memsz = 0,
                                                       .align = 0,
                                                       .buf_min = lowest,
                                                       .buf_max = align_down(kernel.mem.value, kGiB) + kInitrdWindow,
                                                       .top_down = false,
                                                       .page_size = 0});
    if (!initrd) return fail(initrd.error());
    return add_device_tree(load, *initrd, lowest);
}

}  // namespace

Status load_arm64_image(Load& load) {
    const Result<Image> image = probe(load);
    if (!image) return fail(image.error());
    const u32 before = load.image.segment_count;
    u64 lowest = 0;
    for (;;) {
        const Result<u32> index = add_kernel(load, *image, lowest);
        if (!index) return fail(index.error());
        const KexecSegment kernel = load.image.segments[*index];
        load.image.start = kernel.mem;
        const Status others = add_others(load, kernel);
        if (others || others.error() != Errno::kEADDRNOTAVAIL) return others;
        drop_segments(load, before);
        lowest = (kernel.mem + kernel.memsz).value;
    }
}

}  // namespace baton::kexec
