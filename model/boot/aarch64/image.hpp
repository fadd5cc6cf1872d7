// SPDX-License-Identifier: GPL-2.0-only
// The 64-byte header of an AArch64 boot image (specs/kexec.md §11.1), little-endian, and nothing else.
#pragma once

#include <cstddef>

#include "model/types.hpp"

namespace baton::boot {

struct Arm64ImageHeader {
    u32 code0;  // the entry: first instruction of the image
    u32 code1;
    u64 text_offset;  // from a 2 MiB boundary; 0 since 5.10
    u64 image_size;   // bytes in memory, bss included; 0 is refused
    u64 flags;
    u64 reserved[3];
    u32 magic;
    u32 pe_offset;
};
static_assert(offsetof(Arm64ImageHeader, text_offset) == 8);
static_assert(offsetof(Arm64ImageHeader, image_size) == 16);
static_assert(offsetof(Arm64ImageHeader, flags) == 24);
static_assert(offsetof(Arm64ImageHeader, magic) == 56);
static_assert(sizeof(Arm64ImageHeader) == 64);

inline constexpr u32 kArm64ImageMagic = 0x644d5241;  // "ARM\x64"
inline constexpr u64 kArm64ImageAlign = 2 * kMiB;

enum Arm64ImageFlag : u64 {
    kArm64BigEndian = 1,
    kArm64AnyPlacement = 8,  // anywhere in the 48-bit range, not only near the start of DRAM
};
inline constexpr u32 kArm64GranuleShift = 1;  // flags bits 2:1 — 0 unspecified, 1 = 4K, 2 = 16K, 3 = 64K
inline constexpr u64 kArm64GranuleMask = 3;
/// The granule field of `flags` for a page size.
constexpr u64 arm64_granule(u32 page_shift) { return (page_shift - 12) / 2 + 1; }
static_assert(arm64_granule(12) == 1 && arm64_granule(14) == 2 && arm64_granule(16) == 3);

/// A device tree is mapped as at most 2 MiB, from an 8-byte aligned address (specs/kexec.md §11.5).
inline constexpr u64 kDeviceTreeAlign = 8;
inline constexpr u64 kDeviceTreeSizeMax = 2 * kMiB;
inline constexpr u32 kRngSeedBytesArm64 = 128;

}  // namespace baton::boot
