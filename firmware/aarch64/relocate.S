// SPDX-License-Identifier: GPL-2.0-only
// The last code of an AArch64 kernel: copies the next image over whatever is there (specs/kexec.md §11.4).
//
// It runs from its copy in the control page, through TTBR0's identity map of that page alone; the linear map's copy in
// TTBR1 is how it reaches memory, so the MMU and the caches stay on until all is copied. Position independent, at most
// 2048 bytes, and it touches no stack. Registers are those that the captures show at the next kernel's entry.
//
//   x0  what it needs (RelocationArguments of cpu.cpp), virtual; read whole before anything is copied over it
//
// Public labels are schedule points; what the host may read there is told in model/image_header.hpp.
#include "firmware/aarch64/layout.h"

#define PAGE (1 << PAGE_SHIFT)
#define BIT_DESTINATION 0
#define BIT_INDIRECTION 1
#define BIT_DONE 2
#define BIT_SOURCE 3

    .section .text.relocate, "ax"
    .balign 4096
    .globl relocate_kernel, relocate_label_start, relocate_label_word, relocate_label_page, relocate_label_done
    .globl relocate_end
relocate_kernel:
    ldp x28, x27, [x0, #0]            // start, EL2 vectors (none)
    ldp x26, x18, [x0, #16]           // device tree, empty table
    ldp x17, x16, [x0, #32]           // TTBR1, head
    ldr x22, [x0, #48]                // physical - virtual
    mrs x15, ctr_el0
    ubfx x15, x15, #16, #4
    mov x9, #4
    lsl x15, x9, x15                  // bytes of the shortest data cache line
    mov x14, #0                       // list; in terms of physical addresses it starts at 0, as does the destination
    mov x13, #0
    sub x14, x14, x22
    sub x13, x13, x22

    msr ttbr1_el1, x18                // break before make
    isb
    tlbi vmalle1
    dsb nsh
    msr ttbr1_el1, x17
    isb

relocate_label_start:
    tbnz x16, #BIT_DONE, relocate_label_done
1:  and x12, x16, #-PAGE
    sub x12, x12, x22
    tbz x16, #BIT_SOURCE, 4f
    mov x9, x12
    add x10, x13, #PAGE
2:  ldp x1, x2, [x9], #16
    ldp x3, x4, [x9], #16
    stp x1, x2, [x13], #16
    stp x3, x4, [x13], #16
    cmp x13, x10
    b.ne 2b
    sub x9, x13, #PAGE
3:  dc civac, x9
    add x9, x9, x15
    cmp x9, x13
    b.lo 3b
relocate_label_page:
    b 6f
4:  tbz x16, #BIT_INDIRECTION, 5f
    mov x14, x12
    b 6f
5:  tbz x16, #BIT_DESTINATION, 6f
    mov x13, x12
6:  ldr x16, [x14]
relocate_label_word:
    add x14, x14, #8
    tbz x16, #BIT_DONE, 1b

relocate_label_done:
    dsb nsh
    ic iallu
    dsb nsh
    isb
    ldr w9, mmu_off
    msr sctlr_el1, x9
    isb
    mov x0, x26
    mov x1, xzr
    mov x2, xzr
    mov x3, xzr
    mov x4, xzr
    br x28
    .balign 8
mmu_off:
    .word SCTLR_MMU_OFF
relocate_end:
    .section .note.GNU-stack, "", @progbits
