// SPDX-License-Identifier: GPL-2.0-only
// The baton port: how a guest kernel makes a platform call (decisions D10, D15, D21).
//
// A call is one 64-byte record, written to ordinary memory at a fixed physical address that is not part of the
// machine's RAM, and one 4-byte store of the record's sequence number to the doorbell register, which is MMIO. The
// result, if the call has one, stands in the record when the store is done. A store that is executed again after the
// CPU was stopped at it carries a sequence number already served and is dropped. Little-endian.
#pragma once

#include <cstddef>

#include "model/geometry.hpp"

namespace baton {

enum class PortOp : u32 {
    kAt,         // site, arg0, arg1
    kCharge,     // work, amount
    kOwn,        // start, size, from, to
    kMmioRead,   // register, width            → value   (8-byte registers; others are loads and stores in the window)
    kMmioWrite,  // register, width, value
    kJump,       // physical address of a platform::Jump in RAM; the guest then leaves through its control page
    kLog,        // level, id, a, b, c, d
    kPanic,      // id, a, b, c                never returns
    kAssert,     // file id, line              never returns
    kWarn,       // file id, line
    kPageFault,  // address, bytes             never returns
    kNow,        //                            → ns
    kRandom,     // stream                     → value
    kRelax,
    kLoadRoot,  // table, asid
    kReply,     // sequence of the command
    kIdle,      // returns when the mailbox may hold a new command
    kEnter,     // image; the guest then goes to that image's entry for moved images (x86-64)
    kCount,
};

struct PortRecord {
    u32 op;        // PortOp
    u32 sequence;  // counts up from 1 for each kernel
    u64 args[6];
    u64 result;
};
static_assert(sizeof(PortRecord) == 64 && offsetof(PortRecord, result) == 56);

/// Where the machine has RAM, the largest range first; written by the host before a kernel is entered. A guest checks
/// its claims on RAM against it, as a native kernel does; nothing else may be made to depend on it: memory is what the
/// boot protocol says.
struct PortRam {
    static constexpr u64 kRangesMax = 32;
    u64 count;
    PhysRange ranges[kRangesMax];
};
static_assert(sizeof(PortRam) == 520);

/// Physical places, outside RAM (decision D21). The window [base, base + size) is mapped by every kernel at
/// `window_va(isa)`, data, never executable. Its first half is memory, the rest (the doorbell, device registers) MMIO.
struct PortMap {
    PhysAddr window;  // first byte of the window
    u64 window_bytes;
    PhysAddr dirty;   // dirty bitmap: bit i of byte j is frame 8 j + i (decision D2); 2 MiB, or 4 for RAM above 64 GiB
    PhysAddr record;  // the PortRecord
    PhysAddr ram;     // the PortRam
    PhysAddr doorbell;  // MMIO, 4 bytes
};
inline constexpr PortMap kPortX86{{0xfd000000}, 0x2000000, {0xfd400000}, {0xfd200000}, {0xfd200040}, {0xfe000000}};
inline constexpr PortMap kPortArm{{0x08000000}, 0x2000000, {0x08400000}, {0x08200000}, {0x08200040}, {0x09000000}};
constexpr const PortMap& port_map(Isa isa) { return isa == Isa::kX86_64 ? kPortX86 : kPortArm; }

/// Where the window appears in a kernel's address space: VA = window_va_base + (phys - window).
inline constexpr u64 kWindowVaX86 = 0xffffc90000000000;  // start of the vmalloc area (specs/boot.md §3)
inline constexpr u64 kWindowVaArm = 0xffffffffc0000000;  // -1 GiB: above vmemmap, below the fixmap, on every granule
constexpr u64 window_va(Isa isa) { return isa == Isa::kX86_64 ? kWindowVaX86 : kWindowVaArm; }

}  // namespace baton
