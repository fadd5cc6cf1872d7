// SPDX-License-Identifier: GPL-2.0-only
// A kernel without code, for hosts that lack the compiler of its ISA: everything around a kernel — loading, digest,
// relocation, hashing, "image corrupted" — is real with it natively, and a guest of it is refused (decision D24).
//
//   image offset   content
//   0x00000        x86-64: stub, 64-bit entry at 0x200, ImageHeader at 0x400
//                  AArch64: Image header, ImageHeader at 0x40
//   0x01000        text: filler up to 0x20000, covered by text_xxh3
//   0x20000        relocation code: 0x400 bytes of filler
//   0x21000        purgatory, 0x5000 bytes (x86-64; zeroes on AArch64)
//   0x26000        rodata: filler up to 0x28000, the end of the file
//
// Filler is the output of SplitMix64, little-endian, seeded with (variant << 40 | GeometryId << 32 | offset of the
// region): the same bytes on every host, never zero pages, different for every image and region.
#pragma once

#include "firmware/mkimage/image_builder.hpp"

namespace baton::firmware {

/// Variants stand for kernels whose machine code differs.
Kernel filler_kernel(const Geometry& g, u32 variant = 0);

}  // namespace baton::firmware
