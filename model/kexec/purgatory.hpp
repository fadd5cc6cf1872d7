// SPDX-License-Identifier: GPL-2.0-only
// The purgatory blob's own header (x86-64): where its tables lie, so that whoever runs it needs nothing but RAM.
//
// The blob is position independent: text, then a non-bss section with 16 region pairs, the digest and the register
// table (specs/kexec.md §6, §7.6; specs/boot.md §13), then its stack. This header is its first bytes, the first
// instruction follows at kPurgatoryEntryOffset. Little-endian; all offsets are from the blob's first byte.
#pragma once

#include <cstddef>

#include "model/types.hpp"

namespace baton::kexec {

inline constexpr u64 kPurgatoryMagic = 0x41475255504e5442;  // "BTNPURGA"
inline constexpr u64 kPurgatoryEntryOffset = 0x40;
inline constexpr u32 kPurgatoryRegions = 16;

struct PurgatoryHeader {
    u64 magic;
    u64 size;       // of the whole blob, page multiple
    u64 regions;    // 16 × {u64 start, u64 bytes}, unused pairs zero
    u64 digest;     // 32 bytes
    u64 registers;  // 17 × u64: rax rcx rdx rbx rsp rbp rsi rdi r8…r15 rip
    u64 code_end;   // [kPurgatoryEntryOffset, code_end) is code, never patched
    u64 code_xxh3;  // XXH3-64 of the code
};
static_assert(sizeof(PurgatoryHeader) == 56);

struct PurgatoryRegion {
    PhysAddr start;
    u64 bytes;
};
static_assert(sizeof(PurgatoryRegion) == 16);

enum PurgatoryRegister : u32 { kRax, kRcx, kRdx, kRbx, kRsp, kRbp, kRsi, kRdi, kR8, kRip = 16, kPurgatoryRegisters };

}  // namespace baton::kexec
