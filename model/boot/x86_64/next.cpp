// SPDX-License-Identifier: GPL-2.0-only
// The boot_params segment for the next kernel (specs/kexec.md §5.1; specs/boot.md §1, §2; specs/kho.md §2.8).
//
//   +0       zero page: the image's own setup header, the firmware map, pointers
//   +0x1000  command line with its NUL, and 30 bytes that a crash kernel's `elfcorehdr=` would take
//   16-aligned: setup_data node for KHO (its room is there even when it is not linked), node with an RNG seed
//
// Each node is pushed at the head of the list, so the next kernel meets them in the opposite order.
#include <algorithm>
#include <cstring>

#include "model/bits.hpp"
#include "model/boot/x86_64/boot_params.hpp"
#include "model/kernel.hpp"

namespace baton::boot {
namespace {

inline constexpr u64 kElfcorehdrRoom = 30;
inline constexpr u64 kNodeAlign = 16;

struct Layout {
    u64 command_line;
    u64 kho;
    u64 rng;
    u64 size;
};

Layout layout_of(const NextBoot& next) {
    Layout l{};
    l.command_line = sizeof(BootParams);
    l.kho = align_up(l.command_line + next.command_line.size() + 1 + kElfcorehdrRoom, kNodeAlign);
    l.rng = l.kho + sizeof(SetupData) + sizeof(kho::SetupDataKho);
    l.size = l.rng + sizeof(SetupData) + kRngSeedBytes;
    return l;
}

constexpr u32 low(u64 v) { return static_cast<u32>(v); }
constexpr u32 high(u64 v) { return static_cast<u32>(v >> 32); }

void copy_setup_header(BootParams& params, const u8* image) {
    const u64 end = 0x202 + u64{image[kSetupHeaderOffset + offsetof(SetupHeader, jump_offset)]};
    const u64 bytes = std::min(end, kSetupHeaderEndMax) - kSetupHeaderOffset;
    std::memcpy(reinterpret_cast<u8*>(&params) + kSetupHeaderOffset, image + kSetupHeaderOffset, bytes);
    params.header.type_of_loader = kLoaderTypeKexec;
    params.header.loadflags = 0;
    params.header.setup_data = 0;
}

void write_memory_map(const Kernel& k, BootParams& params) {
    static_assert(kMemoryMapMax <= kE820EntriesMax);
    const u64 count = std::min<u64>(k.boot.memory_map_count, kMemoryMapMax);
    for (u64 i = 0; i < count; ++i) {
        const MemoryMapEntry& e = k.boot.memory_map[i];
        params.e820_table[i] = {.start = e.start.value, .size = e.size, .type = e.type};
    }
    params.e820_entries = static_cast<u8>(count);
}

void write_pointers(const NextBoot& next, BootParams& params, PhysAddr command_line) {
    params.header.cmd_line_ptr = low(command_line.value);
    params.ext_cmd_line_ptr = high(command_line.value);
    params.header.ramdisk_image = low(next.initrd.start.value);
    params.ext_ramdisk_image = high(next.initrd.start.value);
    params.header.ramdisk_size = low(next.initrd.size);
    params.ext_ramdisk_size = high(next.initrd.size);
}

// Writes a node of `type` with `len` bytes of data at `offset` of the segment and makes it the list's head.
void push_node(u8* segment, PhysAddr destination, u64 offset, u32 type, const void* data, u32 len) {
    auto& params = *reinterpret_cast<BootParams*>(segment);
    const SetupData node{.next = {params.header.setup_data}, .type = type, .len = len};
    std::memcpy(segment + offset, &node, sizeof(node));
    std::memcpy(segment + offset + sizeof(node), data, len);
    params.header.setup_data = (destination + offset).value;
}

}  // namespace

u64 boot_params_size(const Kernel&, const NextBoot& next) { return layout_of(next).size; }

void write_boot_params(const Kernel& k, const NextBoot& next, PhysAddr buffer, PhysAddr destination, const u8* image) {
    BATON_ASSERT(next.command_line.size() <= kCommandLineSizeMax);
    const Layout at = layout_of(next);
    u8* segment = ram::write<u8>(buffer, at.size);
    std::memset(segment, 0, at.size);
    platform::charge(Work::kBytesCopied, at.size);

    auto& params = *reinterpret_cast<BootParams*>(segment);
    copy_setup_header(params, image);
    params.acpi_rsdp = k.boot.acpi_rsdp;
    write_memory_map(k, params);
    write_pointers(next, params, destination + at.command_line);
    std::copy(next.command_line.begin(), next.command_line.end(), segment + at.command_line);

    if (next.kho_fdt.value != 0 && next.kho_scratch.value != 0) {
        const kho::SetupDataKho node{.fdt_addr = next.kho_fdt,
                                     .fdt_size = next.kho_fdt_size,
                                     .scratch_addr = next.kho_scratch,
                                     .scratch_size = next.kho_scratch_bytes};
        push_node(segment, destination, at.kho, kSetupKho, &node, sizeof(node));
    }
    u64 seed[kRngSeedBytes / sizeof(u64)];
    for (u64& word : seed) word = platform::random(kRandomRngSeed);
    push_node(segment, destination, at.rng, kSetupRngSeed, seed, kRngSeedBytes);
}

}  // namespace baton::boot
