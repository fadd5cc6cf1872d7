// SPDX-License-Identifier: GPL-2.0-only
// Numbers that the assembler needs, by granule (PAGE_SHIFT); firmware/aarch64/cpu.cpp asserts that they are those of
// the C++ headers.
#pragma once

// The Kernel object, reached through the direct map only, and the boot stack, whose guard it therefore is.
#define KERNEL_OFFSET 0x70000
#define BOOT_STACK_OFFSET 0x7c000
#define IMAGE_HEADER_OFFSET 0x40
#define WINDOW_VA 0xffffffffc0000000
#define WINDOW_PHYS 0x08000000
#define WINDOW_BYTES 0x2000000

#if PAGE_SHIFT == 16
#define VA_BITS 42
#define DIRECT_MAP_BASE 0xfffffc0000000000
#define TEXT_BASE 0xfffffe0080000000
#define TG0 (1 << 14)
#define TG1 (3 << 30)
#else
#define VA_BITS 48
#define DIRECT_MAP_BASE 0xffff000000000000
#define TEXT_BASE 0xffff800080000000
#if PAGE_SHIFT == 14
#define TG0 (2 << 14)
#define TG1 (1 << 30)
#else
#define TG0 (0 << 14)
#define TG1 (2 << 30)
#endif
#endif

// MAIR_EL1 (specs/boot.md §4): 0 write-back, 1 tagged, 2 non-cacheable, 3 nGnRnE, 4 nGnRE.
#define MAIR 0x040044f0ff
// TCR_EL1: walks cacheable and inner shareable in both halves, 48-bit physical addresses.
#define TCR_COMMON (1 << 8 | 1 << 10 | 3 << 12 | 1 << 24 | 1 << 26 | 3 << 28 | 5 << 32)
#define TCR_TG1_4K (2 << 30)
#define TCR_EPD0 (1 << 7)             // the lower half is closed
// T0SZ of the entry code's own identity map (39 bits), and of the relocation code's (48).
#define T0SZ_ENTRY 25
#define T0SZ_KEXEC 16
#define T1SZ_ENTRY 16
#define T1SZ_KERNEL (64 - VA_BITS)

#define SCTLR_MMU_OFF 0x30500800
#define SCTLR_MMU_ON (SCTLR_MMU_OFF | 1 << 0 | 1 << 2 | 1 << 3 | 1 << 4 | 1 << 12) // M C SA SA0 I
