// SPDX-License-Identifier: GPL-2.0-only
// Numbers that the assembler needs; firmware/x86_64/cpu.cpp asserts that they are those of the C++ headers.
#pragma once

// The Kernel object, reached through the direct map only, and the boot stack, whose guard it therefore is.
#define KERNEL_OFFSET 0x70000
#define BOOT_STACK_OFFSET 0x7c000
#define IMAGE_HEADER_OFFSET 0x400
#define ENTRY_OFFSET 0x200
#define MOVED_ENTRY_OFFSET 0x300
#define DIRECT_MAP_BASE 0xffff888000000000
#define TEXT_BASE 0xffffffff81000000
#define WINDOW_VA 0xffffc90000000000
#define WINDOW_PHYS 0xfd000000
#define WINDOW_BYTES 0x2000000

#define CODE_SELECTOR 0x10
#define DATA_SELECTOR 0x18

// What the relocation code is told through rsi: physical and virtual control page, root table, swap page.
#define RELOCATION_WORDS 4
