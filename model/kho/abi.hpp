// SPDX-License-Identifier: GPL-2.0-only
// Layouts that cross a kexec under KHO v1, v2 and v3 (specs/kho.md §2), little-endian, and nothing else. The radix
// tree's depends on the page size: radix.hpp.
#pragma once

#include <cstddef>

#include "model/types.hpp"

namespace baton::kho {

/// Scratch descriptor (§2.4): [0] low, [1] global, [2…] one a node.
struct ScratchArea {
    PhysAddr addr;
    u64 size;
};
static_assert(sizeof(ScratchArea) == 16);

/// Tracker chunk (§2.2): one page; all bitmaps of a chunk have one order.
struct ChunkHeader {
    PhysAddr next;  // 0 = end
    u32 order;
    u32 num_elms;
};
static_assert(sizeof(ChunkHeader) == 16 && offsetof(ChunkHeader, order) == 8 && offsetof(ChunkHeader, num_elms) == 12);
struct ChunkEntry {
    PhysAddr phys_start;
    PhysAddr bitmap;
};
static_assert(sizeof(ChunkEntry) == 16);
constexpr u64 chunk_entries_max(u64 page_size) { return (page_size - sizeof(ChunkHeader)) / sizeof(ChunkEntry); }

/// Payload of the x86-64 setup_data node of type 10 (§2.8).
struct SetupDataKho {
    PhysAddr fdt_addr;
    u64 fdt_size;
    PhysAddr scratch_addr;
    u64 scratch_size;
};
static_assert(sizeof(SetupDataKho) == 32);

/// A preserved vmalloc area (§2.5), embedded in its owner's blob.
enum VmallocWireFlag : u32 { kVmallocAlloc = 1, kVmallocHuge = 2 };
struct VmallocDescriptor {
    PhysAddr first;  // chunk page
    u32 total_pages;
    u16 flags;  // VmallocWireFlag bits
    u16 order;  // pages of each run, log2
};
static_assert(sizeof(VmallocDescriptor) == 16 && offsetof(VmallocDescriptor, flags) == 12);
/// Chunk page of an area: u64 physical address of the next one (0 = end), then those of the runs, ended by the first 0.
constexpr u64 vmalloc_entries_max(u64 page_size) { return page_size / sizeof(u64) - 1; }

/// The `kexec-metadata` blob (§2.10), packed.
inline constexpr u32 kKexecMetadataVersion = 1;
struct [[gnu::packed]] KexecMetadata {
    u32 version;
    char previous_release[65];  // of the kernel that wrote it, padded with NUL
    u32 kexec_count;            // kexecs before that kernel: 0 after a cold boot
};
static_assert(sizeof(KexecMetadata) == 73 && offsetof(KexecMetadata, kexec_count) == 69);

/// High half of a stamped head page's `private` (§2.6): "KHOP". Internal to one kernel.
inline constexpr u32 kPageMagic = 0x4b484f50;

inline constexpr char kMapProperty[] = "preserved-memory-map";
inline constexpr char kKexecMetadataSubtree[] = "kexec-metadata";
inline constexpr char kMemblockSubtree[] = "memblock";
inline constexpr char kMemblockCompatible[] = "memblock-v1";
inline constexpr char kReserveMemCompatible[] = "reserve-mem-v1";

}  // namespace baton::kho
