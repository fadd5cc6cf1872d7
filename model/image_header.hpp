// SPDX-License-Identifier: GPL-2.0-only
// The 256-byte header of every Baton kernel image (decision D11), little-endian, with nothing else in this file.
//
// It stands at a fixed offset of the loaded image: +0x400 of the x86-64 payload (the 64-bit entry is +0x200), +0x40 of
// an AArch64 Image. The native runner reads it from emulated RAM at the entry address: wrong magic, or text that does
// not hash to what the header says, is the verdict "image corrupted". All offsets are from the first byte of the
// loaded image. Generation, defects and options are written into the image *file* before it is loaded, so that they
// travel inside the digest.
#pragma once

#include <cstddef>

#include "model/types.hpp"

namespace baton {

inline constexpr u64 kImageMagic = 0x31474d494e544142;  // "BATNIMG1"
inline constexpr u64 kImageHeaderOffsetX86 = 0x400;     // from the payload
inline constexpr u64 kImageHeaderOffsetArm = 0x40;      // from the Image
inline constexpr u64 kEntryOffsetX86 = 0x200;           // 64-bit entry, from the payload
inline constexpr u64 kMovedEntryOffsetX86 = 0x300;      // where an image that moved itself (KASLR) is entered again

/// Decision D4: all kernels of one ISA and granule have the same size in memory, so that placements agree.
inline constexpr u64 kImageSize = 512 * kKiB;
inline constexpr u64 kKernelOffset = 0x70000;     // where the Kernel object lies in every image
inline constexpr u64 kBootStackOffset = 0x7c000;  // 16 KiB, to the end of the image
inline constexpr u64 kKernelSizeMax = kBootStackOffset - kKernelOffset;

struct ImageHeader {
    u64 magic;
    u32 version;   // 1
    u32 geometry;  // GeometryId
    u32 isa;       // Isa
    u32 page_shift;
    u32 generation;       // Generation
    u32 kexec_base;       // KexecBase
    u32 cma_align_shift;  // log2 of the CMA alignment in bytes; 0 = the geometry's pageblock
    u32 options;          // ImageOption bits
    u64 defects[2];       // bit set of Defect
    u64 image_size;       // bytes in memory, from the first byte of the image
    u64 file_size;        // bytes of the image that the file holds (the rest is bss)
    u64 kernel_offset;    // the Kernel object
    u64 text_offset;      // what text_xxh3 covers
    u64 text_size;
    u64 text_xxh3;         // XXH3-64 of the text bytes
    u64 relocate_offset;   // relocation code, copied to the control page
    u64 relocate_size;     // at most 2048 (specs/kexec.md §3.3)
    u64 purgatory_offset;  // the purgatory blob (x86-64; size 0 on AArch64)
    u64 purgatory_size;
    u64 purgatory_regions;    // offset inside the blob of 16 {u64 start, u64 size}
    u64 purgatory_digest;     // offset inside the blob of the 32-byte SHA-256
    u64 purgatory_entry;      // offset inside the blob of its first instruction
    u64 purgatory_registers;  // offset inside the blob of the table of 17 u64 (specs/kexec.md §7.6)
    u8 build_id[16];
    u32 labels[8];  // ImageLabel → offset in the relocation code or the purgatory blob; 0 = no machine code
    u8 reserved[40];
};
/// Places in machine code where schedule points fire by address (decision D7). The instruction at the label is the next
/// to be executed when the point fires. Relocation labels are offsets in the control page, reached at its physical
/// address; the others are offsets in the blob. Registers that tell what happened:
///
///   kLabelRelocatePage     x86-64: rdx = destination, rax = source
///                          AArch64: x13 = end of the destination, x12 = source; physical is virtual + x22
///   kLabelPurgatoryRegion  r12 = start, r13 = bytes
enum ImageLabel : u32 {
    kLabelRelocateStart,    // relocate.start: the kexec page tables are in use, nothing is copied
    kLabelRelocateWord,     // a word of the list has been fetched (after the first, which is `head`)
    kLabelRelocatePage,     // a page is in its destination
    kLabelRelocateDone,     // the list is finished
    kLabelPurgatoryStart,   // purgatory.start
    kLabelPurgatoryRegion,  // a non-empty region was hashed
    kLabelPurgatoryDone,    // the digest is right
    kLabelPurgatoryLoop,    // the endless loop after a wrong digest
};
static_assert(offsetof(ImageHeader, defects) == 0x28);
static_assert(offsetof(ImageHeader, image_size) == 0x38);
static_assert(offsetof(ImageHeader, text_xxh3) == 0x60);
static_assert(offsetof(ImageHeader, purgatory_registers) == 0xa0);
static_assert(offsetof(ImageHeader, build_id) == 0xa8);
static_assert(sizeof(ImageHeader) == 0x100);

}  // namespace baton
