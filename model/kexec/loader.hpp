// SPDX-License-Identifier: GPL-2.0-only
// Inside kexec_file_load: what its steps share (specs/kexec.md §1, §4–§6).
#pragma once

#include "model/boot/boot.hpp"
#include "model/kexec/kexec.hpp"

namespace baton::kexec {

/// One kexec_file_load under way.
struct Load {
    Kernel& k;
    Kimage& image;
    const LoadRequest& request;
    HoleRequest refused{};  // the first placement that found no hole; memsz 0 = none
    u32 refused_segment = 0;
};

/// Why a file is not a bootable image: the number in Log::kKexecBadImage, and ENOEXEC (kexec.md §5.1, §11.1;
/// boot.md §1).
enum class Probe : u64 {
    // x86-64 bzImage
    kTooShort = 1,      // fewer than 1024 bytes, or not even the entry point behind the setup sectors
    kNoMagic,           // "HdrS" missing at 0x202
    kNoBootFlag,        // 0xaa55 missing at 0x1fe
    kOldProtocol,       // version < 0x20c
    kNotLoadedHigh,     // loadflags bit 0
    kNot64Bit,          // xloadflags bit 0
    kNotAbove4G,        // xloadflags bit 1
    kNotRelocatable,    // relocatable_kernel 0
    kBadAlignment,      // kernel_alignment no power of two, or less than a page
    kInitSizeTooSmall,  // init_size < payload
    kNoPurgatory,       // the running kernel carries none
    // AArch64 Image
    kArmTooShort = 20,  // fewer than 64 bytes
    kArmNoMagic,        // "ARM\x64" missing at 56
    kArmNoImageSize,    // image_size 0
    kArmBigEndian,      // flags bit 0
    kArmImageTooLarge,  // image_size and text_offset exceed the physical address space
};
std::unexpected<Errno> bad_image(Probe why);

// --- segments
// ---------------------------------------------------------------------------------------------------------

/// `bytes` of a file from `offset` on.
KexecSegment file_content(u32 slot, u64 offset, u64 bytes);
/// `bytes` at `buffer`; `pages` of it are freed when the content is copied (0: the memory is not the image's).
KexecSegment memory_content(PhysAddr buffer, u64 bytes, u64 pages);
/// Cleared, page aligned, contiguous kernel memory for `bytes`. ENOMEM.
Result<PhysAddr> alloc_buffer(Kernel& k, u64 bytes);
u64 buffer_pages(const Kernel& k, u64 bytes);

/// Finds a hole (request.memsz is rounded up to a page here) and appends the segment; its index. The content's buffer
/// is the image's from here on, whatever comes of it. EADDRNOTAVAIL, EINVAL with 16 segments.
Result<u32> add_segment(Load& load, const KexecSegment& content, HoleRequest where);
/// Takes the last segments back until `count` are left.
void drop_segments(Load& load, u32 count);
/// The checks of §4: EADDRNOTAVAIL, EINVAL.
Status check_segments(const Kernel& k, const Kimage& image);
/// Copies every segment to source pages and enters them in the list (§2, §3.1). ENOMEM.
Status copy_segments(Kernel& k, Kimage& image);
void release_buffers(Kernel& k, Kimage& image);

/// The content of a segment from `offset` (< bufsz) on: a pointer, and how many of `bytes` are contiguous there.
struct Piece {
    const u8* data;
    u64 bytes;
};
Piece content_at(const Kernel& k, const KexecSegment& s, u64 offset, u64 bytes);

// --- formats
// ----------------------------------------------------------------------------------------------------------

/// What the boot protocol will tell the next kernel; the initrd's place is filled in by the format's loader.
boot::NextBoot next_boot(const Load& load);
/// Adds the initrd, if one is asked for; its range at the destination.
Result<PhysRange> add_initrd(Load& load, HoleRequest where);

Status load_bzimage(Load& load);
Status load_arm64_image(Load& load);

/// x86-64: hashes every segment marked so into the purgatory's tables (§6). The purgatory is segment `purgatory`.
void digest_segments(const Kernel& k, const Kimage& image);
/// The blob's copy in kernel memory, as a segment of its own; start address goes to the image.
Status add_purgatory(Load& load);
/// What the purgatory hands to the kernel: zero page and entry (§7.6).
void set_purgatory_registers(const Kernel& k, const Kimage& image, PhysAddr zero_page, PhysAddr entry);

}  // namespace baton::kexec
