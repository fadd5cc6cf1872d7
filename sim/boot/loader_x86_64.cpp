// SPDX-License-Identifier: GPL-2.0-only
// x86-64: the 64-bit boot protocol (specs/kexec.md §7.7; specs/boot.md §1).
//
// The loader makes what the protocol asks of it: a zero page with the image's own setup header, a GDT, and an identity
// map. 2 MiB leaves, because every 64-bit CPU has them, and 2 GiB, because nothing the kernel is given lies higher.
#include <algorithm>
#include <array>
#include <cstring>

#include "sim/boot/placement.hpp"
#include "sim/node_map.hpp"

namespace baton::sim::boot_loader {
namespace {

inline constexpr u64 kTableBytes = 4096;
inline constexpr u64 kTableEntries = kTableBytes / sizeof(u64);
// Accessed and dirty are set from the start, so that no CPU ever writes to the tables.
inline constexpr u64 kEntryFlags = 0x63;  // present, writable
inline constexpr u64 kLeafFlags = 0xe3;   // and a leaf above the last level
inline constexpr u64 kLeafBytes = 2 * kMiB;
inline constexpr u8 kLoaderTypeUndefined = 0xff;

inline constexpr PhysAddr kPlacedBelow{2 * kGiB};  // everything, and so the end of the identity map
inline constexpr u64 kGigabytes[] = {0, 1};
inline constexpr u64 kBootDataBytes = kBootGdt - kZeroPage + kFrameSize;

using Table = std::array<u64, kTableEntries>;

template <class T>
std::span<const u8> bytes_of(const T& v) {
    return {reinterpret_cast<const u8*>(&v), sizeof(v)};
}

// How many of the gigabytes, from `i` on, share a second-level table with the i-th.
u64 run_length(std::span<const u64> gigabytes, u64 i) {
    u64 n = 1;
    while (i + n < gigabytes.size() && gigabytes[i + n] / kTableEntries == gigabytes[i] / kTableEntries) ++n;
    return n;
}

PhysAddr place_boot_data(const Room& room) {
    if (room.is_free({kZeroPage, kBootDataBytes})) return kZeroPage;
    if (const auto low = room.highest(kBootDataBytes, kFrameSize, {kFrameSize}, {kMiB})) return *low;
    if (const auto high = room.highest(kBootDataBytes, kFrameSize, {kMiB}, kPlacedBelow)) return *high;
    throw LoaderError("this memory map has no room for a zero page and tables below 2 GiB");
}

PhysRange place_image(const Job& job, const Room& room) {
    const ImageHeader header = job.image.header();
    const u64 align = geometry_of(job.image.geometry()).kernel_align;
    const auto at = room.lowest(header.image_size, align, kImageAtX86, kPlacedBelow);
    if (!at)
        throw LoaderError(fmt::format("{} MiB of RAM are too little: the kernel takes {} KiB between {:#x} and {:#x}",
                                      job.map.ram_bytes / kMiB, header.image_size / kKiB, kImageAtX86.value,
                                      kPlacedBelow.value));
    return {*at, header.image_size};
}

}  // namespace

boot::BootParams zero_page(const ImageFile& image, const MachineMap& map) {
    boot::BootParams params{};
    const std::span<const u8> file = image.bytes();
    const u64 end = 0x202 + u64{file[boot::kSetupHeaderOffset + offsetof(boot::SetupHeader, jump_offset)]};
    std::memcpy(reinterpret_cast<u8*>(&params) + boot::kSetupHeaderOffset, file.data() + boot::kSetupHeaderOffset,
                std::min(end, boot::kSetupHeaderEndMax) - boot::kSetupHeaderOffset);
    params.header.setup_data = 0;
    for (const MemoryMapEntry& e : map.entries)
        params.e820_table[params.e820_entries++] = {.start = e.start.value, .size = e.size, .type = e.type};
    return params;
}

void put_acpi_tables(PhysicalMemory& memory, const MachineMap& map, boot::BootParams& params) {
    if (map.acpi_tables.empty()) return;
    put(memory, "ACPI tables", map.acpi_tables.start, acpi_tables(map));
    params.acpi_rsdp = map.acpi_tables.start.value;
}

u64 entry_tables_bytes(std::span<const u64> gigabytes) {
    u64 tables = 1 + gigabytes.size();
    for (u64 i = 0; i < gigabytes.size(); i += run_length(gigabytes, i)) ++tables;
    return (tables + 1) * kTableBytes;
}

EntryTables put_entry_tables(PhysicalMemory& memory, PhysAddr at, std::span<const u64> gigabytes) {
    Table root{};
    PhysAddr next = at + kTableBytes;
    for (u64 i = 0; i < gigabytes.size();) {
        const PhysAddr middle_at = next;
        next += kTableBytes;
        Table middle{};
        for (const u64 end = i + run_length(gigabytes, i); i < end; ++i) {
            Table leaves{};
            for (u64 j = 0; j < kTableEntries; ++j) leaves[j] = (gigabytes[i] * kGiB + j * kLeafBytes) | kLeafFlags;
            put(memory, "identity map", next, bytes_of(leaves));
            middle[gigabytes[i] % kTableEntries] = next.value | kEntryFlags;
            root[gigabytes[i] / kTableEntries] = middle_at.value | kEntryFlags;
            next += kTableBytes;
        }
        put(memory, "identity map", middle_at, bytes_of(middle));
    }
    put(memory, "identity map", at, bytes_of(root));
    constexpr u64 kCode64 = 0x00af9b000000ffff;
    constexpr u64 kData = 0x00cf93000000ffff;
    const std::array<u64, 4> gdt{0, 0, kCode64, kData};
    put(memory, "GDT", next, bytes_of(gdt));
    return {.root = at, .gdt = next};
}

LoadedBoot load_x86_64(const Job& job) {
    Room room(job.map, kFrameSize);
    const PhysAddr data = place_boot_data(room);
    room.take({data, kBootDataBytes});
    const PhysRange kernel = place_image(job, room);
    put(job.memory, "kernel", kernel.start, job.image.payload());
    const PhysRange initrd = place_initrd(room, job.initrd.size(), kFrameSize, kernel.end(), kPlacedBelow);
    put(job.memory, "initrd", initrd.start, job.initrd);

    const PhysAddr line_at = data + (kCommandLineAt - kZeroPage);
    boot::BootParams params = zero_page(job.image, job.map);
    params.header.type_of_loader = kLoaderTypeUndefined;
    params.header.cmd_line_ptr = static_cast<u32>(line_at.value);
    params.header.ramdisk_image = static_cast<u32>(initrd.start.value);
    params.header.ramdisk_size = static_cast<u32>(initrd.size);
    put_acpi_tables(job.memory, job.map, params);
    put(job.memory, "zero page", data, bytes_of(params));

    std::array<u8, boot::kCommandLineSizeMax + 1> line{};
    std::copy(job.command_line.begin(), job.command_line.end(), line.begin());
    put(job.memory, "command line", line_at, std::span(line).first(job.command_line.size() + 1));
    const EntryTables tables = put_entry_tables(job.memory, data + (kIdentityRoot - kZeroPage), kGigabytes);
    return {.image = kernel.start, .argument = data.value, .initrd = initrd, .device_tree = {}, .tables = tables};
}

}  // namespace baton::sim::boot_loader
