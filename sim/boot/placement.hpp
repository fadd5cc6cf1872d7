// SPDX-License-Identifier: GPL-2.0-only
// What the boot loaders of both ISAs share: a job, writing, and the pieces that a cold boot and a captured handover
// make alike.
#pragma once

#include <fmt/format.h>

#include "model/bits.hpp"
#include "model/boot/x86_64/boot_params.hpp"
#include "sim/boot/loader.hpp"
#include "sim/boot/room.hpp"

namespace baton::sim::boot_loader {

/// Everything a loader works with.
struct Job {
    const MachineMap& map;
    PhysicalMemory& memory;
    const ImageFile& image;
    std::string_view command_line;
    std::span<const u8> initrd;
};

LoadedBoot load_x86_64(const Job& job);
LoadedBoot load_aarch64(const Job& job);

/// Writes; throws LoaderError when `what` would not lie in RAM.
void put(PhysicalMemory& memory, std::string_view what, PhysAddr at, std::span<const u8> bytes);
/// An initrd of `size` bytes, page aligned, as high as it can be in [floor, limit). Throws LoaderError.
PhysRange place_initrd(const Room& room, u64 size, u64 page_bytes, PhysAddr floor, PhysAddr limit);

// --- x86-64 ---------------------------------------------------------------------------------------------------------

/// A zero page with the image's own setup header and the firmware's map; nothing else is filled in.
boot::BootParams zero_page(const ImageFile& image, const MachineMap& map);

/// Writes what tells a kernel of the machine's nodes, if it has any, and says in the zero page where.
void put_acpi_tables(PhysicalMemory& memory, const MachineMap& map, boot::BootParams& params);

/// How many bytes the tables take for an identity map of these gigabytes (ascending, each once) and a GDT.
u64 entry_tables_bytes(std::span<const u64> gigabytes);
/// Writes them from `at` on: root, then a second-level table and its leaf tables a 512 GiB; the GDT last.
EntryTables put_entry_tables(PhysicalMemory& memory, PhysAddr at, std::span<const u64> gigabytes);

// --- AArch64 --------------------------------------------------------------------------------------------------------

/// What a boot loader says in /chosen. An absent command line leaves what the tree says.
struct Chosen {
    std::optional<std::string_view> command_line;
    PhysRange initrd;
};
/// The machine's device tree: its own with /chosen edited, or one made for the map. Throws LoaderError.
std::vector<u8> device_tree(const MachineMap& map, const Chosen& chosen);
/// A tree with /chosen edited; what `chosen` does not name stays. Throws LoaderError.
std::vector<u8> with_chosen(std::span<const u8> tree, const Chosen& chosen, std::span<const PhysRange> reserved);

}  // namespace baton::sim::boot_loader
