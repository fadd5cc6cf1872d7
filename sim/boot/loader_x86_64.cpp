// SPDX-License-Identifier: GPL-2.0-only
// x86-64: the 64-bit boot protocol (specs/kexec.md §7.7; specs/boot.md §1).
//
// The loader makes what the protocol asks of it: a zero page with the image's own setup header, a GDT, and an identity
// map. 2 MiB leaves, because every 64-bit CPU has them, and 2 GiB, because nothing the kernel is given lies higher.
#include <algorithm>
#include <array>
#include <cstring>

#include "model/boot/x86_64/boot_params.hpp"
#include "sim/boot/placement.hpp"

namespace baton::sim::boot_loader {
namespace {

inline constexpr u64 kTableBytes = 4096;
// Accessed and dirty are set from the start, so that no CPU ever writes to the tables.
inline constexpr u64 kEntryFlags = 0x63;  // present, writable
inline constexpr u64 kLeafFlags = 0xe3;   // and a leaf above the last level
inline constexpr u64 kIdentityEnd = 2 * kGiB;
inline constexpr u64 kLeafBytes = 2 * kMiB;
inline constexpr u8 kLoaderTypeUndefined = 0xff;

template <class T>
std::span<const u8> bytes_of(const T& v) {
    return {reinterpret_cast<const u8*>(&v), sizeof(v)};
}

void put_identity_map(const Job& job) {
    using Table = std::array<u64, kTableBytes / sizeof(u64)>;
    constexpr u64 kLeavesPerTable = kTableBytes / sizeof(u64);
    constexpr u64 kLeafTables = kIdentityEnd / kLeafBytes / kLeavesPerTable;
    static_assert(kIdentityRoot.value + (2 + kLeafTables) * kTableBytes <= kBootGdt.value);
    const PhysAddr second = kIdentityRoot + kTableBytes;
    Table root{};
    root[0] = second.value | kEntryFlags;
    put(job, "identity map", kIdentityRoot, bytes_of(root));
    Table middle{};
    for (u64 i = 0; i < kLeafTables; ++i) {
        const PhysAddr leaves_at = second + (i + 1) * kTableBytes;
        middle[i] = leaves_at.value | kEntryFlags;
        Table leaves{};
        for (u64 j = 0; j < kLeavesPerTable; ++j) leaves[j] = (i * kLeavesPerTable + j) * kLeafBytes | kLeafFlags;
        put(job, "identity map", leaves_at, bytes_of(leaves));
    }
    put(job, "identity map", second, bytes_of(middle));
}

void put_gdt(const Job& job) {
    constexpr u64 kCode64 = 0x00af9b000000ffff;
    constexpr u64 kData = 0x00cf93000000ffff;
    const std::array<u64, 4> gdt{0, 0, kCode64, kData};
    put(job, "GDT", kBootGdt, bytes_of(gdt));
}

void copy_setup_header(const ImageFile& image, boot::BootParams& params) {
    const std::span<const u8> file = image.bytes();
    const u64 end = 0x202 + u64{file[boot::kSetupHeaderOffset + offsetof(boot::SetupHeader, jump_offset)]};
    std::memcpy(reinterpret_cast<u8*>(&params) + boot::kSetupHeaderOffset, file.data() + boot::kSetupHeaderOffset,
                std::min(end, boot::kSetupHeaderEndMax) - boot::kSetupHeaderOffset);
}

void put_zero_page(const Job& job, PhysRange initrd) {
    boot::BootParams params{};
    copy_setup_header(job.image, params);
    params.header.type_of_loader = kLoaderTypeUndefined;
    params.header.cmd_line_ptr = static_cast<u32>(kCommandLineAt.value);
    params.header.ramdisk_image = static_cast<u32>(initrd.start.value);
    params.header.ramdisk_size = static_cast<u32>(initrd.size);
    for (const MemoryMapEntry& e : job.map.entries)
        params.e820_table[params.e820_entries++] = {.start = e.start.value, .size = e.size, .type = e.type};
    put(job, "zero page", kZeroPage, bytes_of(params));
}

void put_command_line(const Job& job) {
    std::array<u8, boot::kCommandLineSizeMax + 1> line{};
    std::copy(job.command_line.begin(), job.command_line.end(), line.begin());
    put(job, "command line", kCommandLineAt, std::span(line).first(job.command_line.size() + 1));
}

}  // namespace

LoadedBoot load_x86_64(const Job& job) {
    const PhysRange low = job.map.ram[1];  // the run from 1 MiB
    const PhysAddr end = std::min(low.end(), PhysAddr{kIdentityEnd});
    const PhysRange kernel = put_image(job, kImageAtX86, end);
    const PhysRange initrd = put_initrd(job, kernel.end(), end);
    put_zero_page(job, initrd);
    put_command_line(job);
    put_identity_map(job);
    put_gdt(job);
    return {.image = kernel.start, .argument = kZeroPage.value, .initrd = initrd, .device_tree = {}};
}

}  // namespace baton::sim::boot_loader
