// SPDX-License-Identifier: GPL-2.0-only
// Builds boot image files of the shapes real guests will have (decisions D11, D34), with filler where their machine
// code will be. Everything around a kernel — loading, digest, relocation, hashing, "image corrupted" — is real with
// them.
//
//   image offset   content
//   0x00000        x86-64: stub, 64-bit entry at 0x200, ImageHeader at 0x400; AArch64: Image header, ImageHeader at
//   0x40 0x01000        text: filler up to 0x20000, covered by text_xxh3 and build_id 0x20000        relocation code:
//   0x400 bytes of filler 0x21000        purgatory, 0x5000 bytes (x86-64; zeroes on AArch64) 0x26000        rodata:
//   filler up to 0x28000, the end of the file 0x28000        bss up to 0x40000 (kImageSize): Kernel object at 0x30000,
//   boot stack at 0x3c000
//
// Filler is the output of SplitMix64, little-endian, seeded with (GeometryId << 32 | offset of the region): the same
// bytes on every host, never zero pages, different for every image and region.
#pragma once

#include <vector>

#include "model/geometry.hpp"

namespace baton::firmware {

/// The bytes of an image file for a kernel of this geometry: generation 6.18, newest kexec base, no defects.
std::vector<u8> build_image_file(const Geometry& g);

}  // namespace baton::firmware
