// SPDX-License-Identifier: GPL-2.0-only
// The ISA as data (decision D5): page size, address-space bases, allocator limits.
//
// Natively one library serves every ISA, so the geometry is looked up from the Kernel; in a guest image the same
// accessor (model/kernel.hpp `geometry()`) is constexpr. Constants: specs/boot.md §3, §4, §8.
#pragma once

#include <string_view>

#include "model/types.hpp"

namespace baton {

enum class Isa : u32 { kX86_64 = 1, kAArch64 = 2 };

/// Index into kGeometries; stored in the image header and in the Kernel object.
enum class GeometryId : u32 { kX86_64 = 0, kAArch64_4K = 1, kAArch64_16K = 2, kAArch64_64K = 3 };

struct Geometry {
    GeometryId id;
    Isa isa;
    std::string_view name;  // as written in scenarios
    u32 page_shift;         // 12, 14 or 16
    u32 va_bits;            // 48 (42 with 64K pages)
    u32 levels;             // page-table levels
    u64 direct_map_base;    // VA of the direct map: x86 VA = base + phys; AArch64 VA = base + (phys - memstart)
    u64 kernel_text_base;   // VA where the first byte of an image is linked
    u32 section_shift;      // bytes of one memmap section, log2 (specs/boot.md §4)
    u32 max_order;          // largest buddy order
    u32 pageblock_order;    // CMA and migrate-type granule (specs/kho.md §3.1)
    u64 dma_limit_max;      // first address no longer "low" for scratch[0]: 4 GiB on both (specs/boot.md §8)
    u64 kernel_align;       // alignment of an image in memory
    constexpr u64 page_size() const { return u64{1} << page_shift; }
    constexpr u64 pageblock_bytes() const { return u64{1} << (page_shift + pageblock_order); }
    constexpr u64 section_bytes() const { return u64{1} << section_shift; }
    constexpr Pfn pfn_of(PhysAddr a) const { return {a.value >> page_shift}; }
    constexpr PhysAddr phys_of(Pfn p) const { return {p.value << page_shift}; }
    constexpr u64 bytes_of(Order o) const { return page_size() << o.value; }
};

inline constexpr Geometry kGeometries[] = {
    {GeometryId::kX86_64, Isa::kX86_64, "x86_64", 12, 48, 4, 0xffff888000000000, 0xffffffff81000000, 27, 10, 9,
     4 * kGiB, 2 * kMiB},
    {GeometryId::kAArch64_4K, Isa::kAArch64, "aarch64", 12, 48, 4, 0xffff000000000000, 0xffff800080000000, 27, 10, 9,
     4 * kGiB, 2 * kMiB},
    {GeometryId::kAArch64_16K, Isa::kAArch64, "aarch64-16k", 14, 48, 4, 0xffff000000000000, 0xffff800080000000, 27, 11,
     11, 4 * kGiB, 2 * kMiB},
    {GeometryId::kAArch64_64K, Isa::kAArch64, "aarch64-64k", 16, 42, 2, 0xfffffc0000000000, 0xfffffe0080000000, 29, 13,
     13, 4 * kGiB, 2 * kMiB},
};

/// An id from damaged RAM gives the first row: wrong, but a geometry.
constexpr const Geometry& geometry_of(GeometryId id) {
    const u32 i = static_cast<u32>(id);
    return kGeometries[i < sizeof(kGeometries) / sizeof(kGeometries[0]) ? i : 0];
}

/// Frames, as the machine, snapshots, dirty sets and hashes count them, are always 4 KiB, whatever the kernel's page
/// size.
inline constexpr u32 kFrameShift = 12;
inline constexpr u64 kFrameSize = u64{1} << kFrameShift;

}  // namespace baton
