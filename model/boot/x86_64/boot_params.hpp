// SPDX-License-Identifier: GPL-2.0-only
// Layouts of the x86-64 boot protocol (specs/kexec.md §7.7; specs/boot.md §1; specs/kho.md §2.8), little-endian, and
// nothing else: the setup header, the zero page that carries it, and the nodes of its setup_data list.
//
// The setup header stands at 0x1f1 both of a bzImage file and of the zero page, hence the packed structs. A bzImage is
// (setup_sects + 1) × 512 bytes of real-mode part, then the payload; payload + 0x200 is the 64-bit entry.
#pragma once

#include <cstddef>

#include "model/types.hpp"

namespace baton::boot {

inline constexpr u64 kSetupHeaderOffset = 0x1f1;
inline constexpr u64 kSetupHeaderEndMax = 0x290;  // where the zero page's next field (MBR signatures) begins
inline constexpr u16 kBootFlag = 0xaa55;
inline constexpr u32 kHeaderMagic = 0x53726448;  // "HdrS"
inline constexpr u16 kProtocolVersionMin = 0x20c;
inline constexpr u8 kLoaderTypeKexec = 0xd0;
inline constexpr u64 kSectorSize = 512;
inline constexpr u32 kSetupSectorsDefault = 4;    // what setup_sects = 0 means
inline constexpr u32 kCommandLineSizeMax = 2047;  // without NUL

enum LoadFlag : u8 { kLoadedHigh = 1, kKaslrEnabled = 2 };
enum XLoadFlag : u16 { kXlfKernel64 = 1, kXlfAbove4G = 2, kXlfEfiKexec = 0x10, kXlf5Level = 0x20 };

struct [[gnu::packed]] SetupHeader {
    u8 setup_sects;
    u16 root_flags;
    u32 syssize;  // payload in units of 16 bytes
    u16 ram_size;
    u16 vid_mode;
    u16 root_dev;
    u16 boot_flag;
    u8 jump_opcode;
    u8 jump_offset;  // the header ends at 0x202 + this
    u32 header;
    u16 version;
    u32 realmode_switch;
    u16 start_sys_seg;
    u16 kernel_version;
    u8 type_of_loader;
    u8 loadflags;
    u16 setup_move_size;
    u32 code32_start;
    u32 ramdisk_image;
    u32 ramdisk_size;
    u32 bootsect_kludge;
    u16 heap_end_ptr;
    u8 ext_loader_ver;
    u8 ext_loader_type;
    u32 cmd_line_ptr;
    u32 initrd_addr_max;
    u32 kernel_alignment;
    u8 relocatable_kernel;
    u8 min_alignment;
    u16 xloadflags;
    u32 cmdline_size;
    u32 hardware_subarch;
    u64 hardware_subarch_data;
    u32 payload_offset;
    u32 payload_length;
    u64 setup_data;  // physical address of the first node, 0 = none
    u64 pref_address;
    u32 init_size;
    u32 handover_offset;
    u32 kernel_info_offset;
};
static_assert(kSetupHeaderOffset + offsetof(SetupHeader, setup_sects) == 0x1f1);
static_assert(kSetupHeaderOffset + offsetof(SetupHeader, syssize) == 0x1f4);
static_assert(kSetupHeaderOffset + offsetof(SetupHeader, boot_flag) == 0x1fe);
static_assert(kSetupHeaderOffset + offsetof(SetupHeader, jump_offset) == 0x201);
static_assert(kSetupHeaderOffset + offsetof(SetupHeader, header) == 0x202);
static_assert(kSetupHeaderOffset + offsetof(SetupHeader, version) == 0x206);
static_assert(kSetupHeaderOffset + offsetof(SetupHeader, type_of_loader) == 0x210);
static_assert(kSetupHeaderOffset + offsetof(SetupHeader, loadflags) == 0x211);
static_assert(kSetupHeaderOffset + offsetof(SetupHeader, code32_start) == 0x214);
static_assert(kSetupHeaderOffset + offsetof(SetupHeader, ramdisk_image) == 0x218);
static_assert(kSetupHeaderOffset + offsetof(SetupHeader, ramdisk_size) == 0x21c);
static_assert(kSetupHeaderOffset + offsetof(SetupHeader, cmd_line_ptr) == 0x228);
static_assert(kSetupHeaderOffset + offsetof(SetupHeader, initrd_addr_max) == 0x22c);
static_assert(kSetupHeaderOffset + offsetof(SetupHeader, kernel_alignment) == 0x230);
static_assert(kSetupHeaderOffset + offsetof(SetupHeader, relocatable_kernel) == 0x234);
static_assert(kSetupHeaderOffset + offsetof(SetupHeader, min_alignment) == 0x235);
static_assert(kSetupHeaderOffset + offsetof(SetupHeader, xloadflags) == 0x236);
static_assert(kSetupHeaderOffset + offsetof(SetupHeader, cmdline_size) == 0x238);
static_assert(kSetupHeaderOffset + offsetof(SetupHeader, hardware_subarch) == 0x23c);
static_assert(kSetupHeaderOffset + offsetof(SetupHeader, payload_offset) == 0x248);
static_assert(kSetupHeaderOffset + offsetof(SetupHeader, payload_length) == 0x24c);
static_assert(kSetupHeaderOffset + offsetof(SetupHeader, setup_data) == 0x250);
static_assert(kSetupHeaderOffset + offsetof(SetupHeader, pref_address) == 0x258);
static_assert(kSetupHeaderOffset + offsetof(SetupHeader, init_size) == 0x260);
static_assert(kSetupHeaderOffset + offsetof(SetupHeader, handover_offset) == 0x264);
static_assert(kSetupHeaderOffset + offsetof(SetupHeader, kernel_info_offset) == 0x268);
static_assert(kSetupHeaderOffset + sizeof(SetupHeader) == 0x26c);

/// One entry of the firmware's memory map. Types are MemoryType's numbers.
struct [[gnu::packed]] E820Entry {
    u64 start;
    u64 size;
    u32 type;
};
static_assert(sizeof(E820Entry) == 20);
inline constexpr u32 kE820EntriesMax = 128;

/// The zero page. A sentinel other than 0 means that its writer did not know the newer fields (specs/boot.md §1).
struct [[gnu::packed]] BootParams {
    u8 screen_info[0x70];
    u64 acpi_rsdp;
    u8 tables[0x48];
    u32 ext_ramdisk_image;
    u32 ext_ramdisk_size;
    u32 ext_cmd_line_ptr;
    u8 efi_info[0x114];
    u32 alt_mem_k;
    u32 scratch;
    u8 e820_entries;
    u8 counts[6];
    u8 sentinel;
    u8 padding;
    SetupHeader header;
    u8 signatures[0x64];
    E820Entry e820_table[kE820EntriesMax];
    u8 edd[0x330];
};
static_assert(offsetof(BootParams, acpi_rsdp) == 0x70);
static_assert(offsetof(BootParams, ext_ramdisk_image) == 0xc0);
static_assert(offsetof(BootParams, ext_ramdisk_size) == 0xc4);
static_assert(offsetof(BootParams, ext_cmd_line_ptr) == 0xc8);
static_assert(offsetof(BootParams, alt_mem_k) == 0x1e0);
static_assert(offsetof(BootParams, e820_entries) == 0x1e8);
static_assert(offsetof(BootParams, sentinel) == 0x1ef);
static_assert(offsetof(BootParams, header) == kSetupHeaderOffset);
static_assert(offsetof(BootParams, e820_table) == 0x2d0);
static_assert(sizeof(BootParams) == 4096);

/// Head of a setup_data node; `len` bytes of data follow.
struct SetupData {
    PhysAddr next;  // 0 = end
    u32 type;
    u32 len;
};
static_assert(sizeof(SetupData) == 16 && offsetof(SetupData, type) == 8 && offsetof(SetupData, len) == 12);

enum SetupDataType : u32 {
    kSetupRngSeed = 9,
    kSetupKho = 10,
    kSetupIndirect = 1u << 31,
};

/// Data of an indirect node: the real data lies elsewhere.
struct SetupDataIndirect {
    u32 type;
    u32 reserved;
    u64 len;
    PhysAddr addr;
};
static_assert(sizeof(SetupDataIndirect) == 24);

inline constexpr u32 kRngSeedBytes = 32;

}  // namespace baton::boot
