// SPDX-License-Identifier: GPL-2.0-only
// The x86-64 boot image: probing a bzImage and placing what it needs (specs/kexec.md §5.1; specs/boot.md §1, §2).
//
// All top-down, in the order purgatory, boot parameters, kernel, initrd. The boot parameters are written last, because
// they tell where the others went; their size is known before.
#include "model/bits.hpp"
#include "model/boot/x86_64/boot_params.hpp"
#include "model/kernel.hpp"
#include "model/kexec/loader.hpp"

namespace baton::kexec {
namespace {

using boot::SetupHeader;

inline constexpr u64 kBytesMin = 1024;
inline constexpr u64 kBootParamsLowest = 0x3000;
inline constexpr u64 kBootParamsAlign = 16;
inline constexpr u64 kKernelLowest = 0x100000;
inline constexpr u64 kInitrdLowest = 0x1000000;

/// What the loader needs to know of a bzImage that passed the probe.
struct BzImage {
    u64 payload_offset;  // in the file
    u64 payload_bytes;
    u64 init_size;
    u64 alignment;
    u64 pref_address;
    u64 command_line_max;
};

const u8* first_page(const Load& load) {
    return ram::read<u8>(files::page_at(load.k, load.request.kernel_slot, 0), kFrameSize);
}

Result<BzImage> probe(const Load& load) {
    const u64 bytes = load.k.files.slots[load.request.kernel_slot].size_bytes;
    if (bytes < kBytesMin) return bad_image(Probe::kTooShort);
    SetupHeader h;
    std::memcpy(&h, first_page(load) + boot::kSetupHeaderOffset, sizeof(h));
    if (h.header != boot::kHeaderMagic) return bad_image(Probe::kNoMagic);
    if (h.boot_flag != boot::kBootFlag) return bad_image(Probe::kNoBootFlag);
    if (h.version < boot::kProtocolVersionMin) return bad_image(Probe::kOldProtocol);
    if (!(h.loadflags & boot::kLoadedHigh)) return bad_image(Probe::kNotLoadedHigh);
    if (!(h.xloadflags & boot::kXlfKernel64)) return bad_image(Probe::kNot64Bit);
    if (!(h.xloadflags & boot::kXlfAbove4G)) return bad_image(Probe::kNotAbove4G);
    if (h.relocatable_kernel == 0) return bad_image(Probe::kNotRelocatable);
    if (!is_power_of_two(h.kernel_alignment) || h.kernel_alignment < geometry(load.k).page_size())
        return bad_image(Probe::kBadAlignment);
    const u64 sectors = h.setup_sects != 0 ? h.setup_sects : boot::kSetupSectorsDefault;
    const u64 payload_offset = (sectors + 1) * boot::kSectorSize;
    if (bytes < payload_offset + kEntryOffsetX86 + 1) return bad_image(Probe::kTooShort);
    const u64 payload_bytes = bytes - payload_offset;
    if (h.init_size < payload_bytes) return bad_image(Probe::kInitSizeTooSmall);
    return BzImage{payload_offset, payload_bytes, h.init_size, h.kernel_alignment, h.pref_address, h.cmdline_size};
}

HoleRequest top_down(u64 memsz, u64 align, u64 lowest) {
    return {.memsz = memsz, .align = align, .buf_min = lowest, .buf_max = ~u64{0}, .top_down = true, .page_size = 0};
}

KexecSegment hashed(KexecSegment s) {
    s.hashed = 1;
    return s;
}

// Room for the boot parameters: their size does not depend on where anything lies.
Result<u32> add_boot_params(Load& load) {
    const u64 bytes = boot::boot_params_size(load.k, next_boot(load));
    const Result<PhysAddr> buffer = alloc_buffer(load.k, bytes);
    if (!buffer) return fail(buffer.error());
    const KexecSegment content = memory_content(*buffer, bytes, buffer_pages(load.k, bytes));
    return add_segment(load, hashed(content), top_down(bytes, kBootParamsAlign, kBootParamsLowest));
}

Result<u32> add_kernel(Load& load, const BzImage& bz) {
    const u64 lowest = bz.pref_address < kKernelLowest ? kKernelLowest : bz.pref_address;
    const KexecSegment content = file_content(load.request.kernel_slot, bz.payload_offset, bz.payload_bytes);
    return add_segment(load, hashed(content), top_down(bz.init_size, bz.alignment, lowest));
}

}  // namespace

Status load_bzimage(Load& load) {
    const Result<BzImage> bz = probe(load);
    if (!bz) return fail(bz.error());
    if (load.request.command_line.size() > bz->command_line_max) return fail(Errno::kEINVAL);
    if (Status s = add_purgatory(load); !s) return s;
    const Result<u32> params = add_boot_params(load);
    if (!params) return fail(params.error());
    const Result<u32> kernel = add_kernel(load, *bz);
    if (!kernel) return fail(kernel.error());
    const Result<PhysRange> initrd = add_initrd(load, top_down(0, 0, kInitrdLowest));
    if (!initrd) return fail(initrd.error());

    const KexecSegment& at = load.image.segments[*params];
    const PhysAddr entry = load.image.segments[*kernel].mem + kEntryOffsetX86;
    boot::NextBoot next = next_boot(load);
    next.initrd = *initrd;
    boot::write_boot_params(load.k, next, at.buffer, at.mem, first_page(load));
    set_purgatory_registers(load.k, load.image, at.mem, entry);
    return {};
}

}  // namespace baton::kexec
