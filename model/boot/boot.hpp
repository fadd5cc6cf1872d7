// SPDX-License-Identifier: GPL-2.0-only
// Early boot: from the bytes a boot protocol hands over to a memblock that knows memory (specs/kexec.md §9, §11.6;
// specs/boot.md). And the other direction: the bytes for the next kernel (kexec.md §5.1, §5.2).
//
// The incoming kernel is constructed from nothing but those bytes: boot_params and setup_data on x86-64, the device
// tree in x0 on AArch64. Malformed boot data is a panic of that kernel (kPanicBadBoot), never of the simulator.
#pragma once

#include <string_view>

#include "model/ram.hpp"
#include "model/types.hpp"

namespace baton {
struct Kernel;

inline constexpr u32 kMemoryMapMax = 128;

enum class MemoryType : u32 { kRam = 1, kReserved = 2, kAcpi = 3, kNvs = 4, kUnusable = 5, kPmem = 7 };

struct MemoryMapEntry {
    PhysAddr start;
    u64 size;
    u32 type;
    u32 nid;
    bool operator==(const MemoryMapEntry&) const = default;
};

/// What is wrong with unusable boot data: second argument of kPanicBadBoot. Where Linux would stop without a word, or
/// read on into nonsense, the model says which rule was broken.
enum class BadBoot : u64 {
    // x86-64 zero page; the first argument is its address
    kBootFlag = 1,         // no 0xaa55 at 0x1fe
    kHeaderMagic = 2,      // no "HdrS" at 0x202
    kProtocolVersion = 3,  // older than 2.12: no 64-bit entry
    kNoMemory = 4,         // the firmware map has no RAM
    kCommandLine = 5,      // the command line does not start in RAM
    // AArch64 device tree; the first argument is its address
    kTreeAlignment = 16,  // not 8-byte aligned
    kTreeHeader = 17,     // fdt_check_header refuses it
    kTreeSize = 18,       // more than 2 MiB
    kTreeStructure = 19,  // fdt_check_full refuses it
    kTreeCells = 20,      // #address-cells or #size-cells of the root is neither 1 nor 2
    kTreeNoMemory = 21,   // no usable memory node
};

/// Streams of platform::random: boot data for the next kernel, test_kho, the place of this kernel.
enum RandomStream : u32 { kRandomRngSeed = 1, kRandomKaslrSeed = 2, kRandomTestKho = 3, kRandomKaslr = 4 };

/// What early boot learned. Strings and tables are copies: the bytes they came from may be reused later.
struct BootInfo {
    PhysAddr argument;  // zero page or device tree
    u64 memory_map_count;
    MemoryMapEntry memory_map[kMemoryMapMax];  // the firmware's, sanitised: what the next kernel gets (kexec.md §5.1)
    u64 acpi_rsdp;                             // x86-64: passed on to the next kernel, 0 = none
    PhysRange initrd;
    PhysRange device_tree;  // AArch64: reserved, source of the next tree
    u32 from_kexec;
    u32 command_line_bytes;
    char command_line[2048];
};

struct ImageHeader;

namespace boot {

/// KASLR (kexec.md §8.2), before there is a Kernel: with kOptionKaslr the image copies itself to a random slot and is
/// entered there, which does not return. Returns if the option or the command line says no, or if there is no slot.
void randomise_x86_64(PhysAddr image, const ImageHeader& header, PhysAddr zero_page);

/// Reads the zero page: command line, e820, initrd, setup_data (type 10 → kho::populate), reserves in Linux's order.
void setup_x86_64(Kernel& k);
/// Reads the device tree: memory, chosen, initrd; KHO properties last (kho.md §1.3).
void setup_aarch64(Kernel& k);

/// What the next kernel is told (both ISAs).
struct NextBoot {
    std::string_view command_line;
    PhysRange initrd;  // size 0 = none
    PhysAddr kho_fdt;  // 0 = no handover
    u64 kho_fdt_size;
    PhysAddr kho_scratch;
    u64 kho_scratch_bytes;
};
/// x86-64 boot_params segment (kexec.md §5.1): zero page + command line + setup_data. Its size in bytes:
u64 boot_params_size(const Kernel& k, const NextBoot& next);
/// Writes it to `buffer` (host of the bytes before they are copied); `destination` is where the next kernel will see
/// it. `image` holds the boot image's first 4 KiB (setup header source).
void write_boot_params(const Kernel& k, const NextBoot& next, PhysAddr buffer, PhysAddr destination, const u8* image);
/// AArch64 device tree for the next kernel, packed, at most `capacity` bytes at `buffer`; its size. ENOMEM when it does
/// not fit, EINVAL when this kernel's own tree is broken by now (it is read again from RAM) or cannot hold an address.
Result<u64> write_device_tree(const Kernel& k, const NextBoot& next, PhysAddr buffer, u64 capacity);

}  // namespace boot
}  // namespace baton
