// SPDX-License-Identifier: GPL-2.0-only
// ACPI as far as NUMA needs it (specs/boot.md §5): layouts, little-endian, and finding a table.
//
// The tables lie in memory that firmware, a previous kernel or a device may have written over: nothing in them is
// believed before its length and checksum are.
#pragma once

#include <optional>
#include <string_view>

#include "model/types.hpp"

namespace baton {
struct Kernel;
}

namespace baton::boot::acpi {

inline constexpr u32 kRsdpV1Bytes = 20;
inline constexpr u32 kRsdpBytes = 36;
struct [[gnu::packed]] Rsdp {
    char signature[8];  // "RSD PTR "
    u8 checksum;        // of the first 20 bytes
    char oem[6];
    u8 revision;
    u32 rsdt;
    u32 length;
    u64 xsdt;
    u8 checksum_all;  // of 36
    u8 reserved[3];
};
static_assert(sizeof(Rsdp) == kRsdpBytes);
static_assert(offsetof(Rsdp, checksum) == 8 && offsetof(Rsdp, revision) == 15 && offsetof(Rsdp, rsdt) == 16);
static_assert(offsetof(Rsdp, xsdt) == 24 && offsetof(Rsdp, checksum_all) == 32);

struct [[gnu::packed]] TableHeader {
    char signature[4];
    u32 length;  // of the table with this header
    u8 revision;
    u8 checksum;  // all bytes of the table add up to 0
    char oem[6];
    char oem_table[8];
    u32 oem_revision;
    u32 creator;
    u32 creator_revision;
};
static_assert(sizeof(TableHeader) == 36 && offsetof(TableHeader, checksum) == 9);
static_assert(offsetof(TableHeader, oem_table) == 16 && offsetof(TableHeader, creator) == 28);

/// SRAT: the header, u32 1, u64 0, then entries.
inline constexpr u32 kSratEntries = 48;
enum SratType : u8 { kSratCpu = 0, kSratMemory = 1, kSratX2apic = 2 };
enum SratMemoryFlag : u32 { kSratEnabled = 1, kSratHotplug = 2, kSratNonVolatile = 4 };

struct [[gnu::packed]] SratEntry {
    u8 type;
    u8 length;
};
struct [[gnu::packed]] SratCpuEntry {
    SratEntry head;
    u8 domain_low;
    u8 apic_id;
    u32 flags;
    u8 eid;
    u8 domain_high[3];  // from revision 2 on
    u32 clock_domain;
};
static_assert(sizeof(SratCpuEntry) == 16 && offsetof(SratCpuEntry, domain_high) == 9);
struct [[gnu::packed]] SratX2apicEntry {
    SratEntry head;
    u16 reserved;
    u32 domain;
    u32 apic_id;
    u32 flags;
    u32 clock_domain;
    u32 reserved2;
};
static_assert(sizeof(SratX2apicEntry) == 24 && offsetof(SratX2apicEntry, flags) == 12);
struct [[gnu::packed]] SratMemoryEntry {
    SratEntry head;
    u32 domain;  // revision 1: the low byte
    u16 reserved;
    u64 base;
    u64 length;
    u32 reserved2;
    u32 flags;
    u64 reserved3;
};
static_assert(sizeof(SratMemoryEntry) == 40 && offsetof(SratMemoryEntry, base) == 8);
static_assert(offsetof(SratMemoryEntry, length) == 16 && offsetof(SratMemoryEntry, flags) == 28);

/// What is wrong with a table: argument of Log::kAcpiBadRsdp and Log::kAcpiBadTable.
enum class Check : u64 {
    kNotMemory = 1,  // not inside one RAM or ACPI entry of the firmware's map
    kSignature = 2,
    kLength = 3,  // shorter than its header, or longer than kTableBytesMax
    kChecksum = 4,
};
inline constexpr u64 kTableBytesMax = kMiB;

/// Follows the RSDP that boot_params name to the first table of this signature, and reserves what it went through.
/// Nothing if there is none; `damaged` tells whether that is because something on the way was unusable (logged).
std::optional<PhysRange> find_table(Kernel& k, std::string_view signature, bool& damaged);

}  // namespace baton::boot::acpi

namespace baton::boot {
/// Nodes from the SRAT; without one, or with a damaged one, the machine has no NUMA.
void take_nodes_x86_64(Kernel& k);
}  // namespace baton::boot
