// SPDX-License-Identifier: GPL-2.0-only
// The boot loader role: puts the first kernel of a machine into RAM, as a person's boot loader would (decision D26).
//
//   x86-64                                        AArch64 (RAM from 0x40000000)
//   0x00090000  zero page                         +  2 MiB  image
//   0x00091000  command line                      +128 MiB  device tree; on machines of less than 256 MiB: top of RAM
//   0x00092000  identity tables, GDT
//   0x01000000  image (pref_address)
//   initrd: top-down below min(2 GiB of address, end of RAM); AArch64: below 2 GiB of RAM, and below the device tree if
//   that is at the top
//
// That is where things lie if the memory map has RAM there that nobody keeps. On maps that do not, everything moves to
// the nearest place that does: boot data to the top of the RAM below 1 MiB or else below 2 GiB, the x86-64 image to the
// first fit above, all of AArch64 to the first run of RAM that holds it.
//
// Everything is the same for native kernels and guests, so what they reserve and find free is the same, too.
#pragma once

#include <span>
#include <stdexcept>
#include <string_view>

#include "sim/image/image_file.hpp"
#include "sim/memory/physical_memory.hpp"
#include "sim/memory_map.hpp"
#include "sim/services.hpp"

namespace baton::sim {

/// The kernel cannot be placed on this machine; the message is a sentence for a person.
class LoaderError : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

inline constexpr PhysAddr kZeroPage{0x90000};
inline constexpr PhysAddr kCommandLineAt{0x91000};
// Identity map of the first 2 GiB in 2 MiB leaves, which is where all of the above lies: root, one second-level table,
// two third-level tables. Then the GDT the entry contract asks for: 0x10 is flat 64-bit code, 0x18 flat data.
inline constexpr PhysAddr kIdentityRoot = EntryTables{}.root;
inline constexpr PhysAddr kBootGdt = EntryTables{}.gdt;
inline constexpr PhysAddr kImageAtX86{0x1000000};

/// What the CPU starts with.
struct LoadedBoot {
    PhysAddr image;    // first byte of the image; the entry is +0x200 on x86-64, +0 on AArch64
    u64 argument = 0;  // rsi or x0
    PhysRange initrd;  // size 0 = none
    PhysRange device_tree;
    EntryTables tables;
};

/// Writes all of it. Throws LoaderError.
LoadedBoot load_for_boot(const MachineMap& map, PhysicalMemory& memory, const ImageFile& image,
                         std::string_view command_line, std::span<const u8> initrd);

}  // namespace baton::sim
