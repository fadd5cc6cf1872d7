// SPDX-License-Identifier: GPL-2.0-only
// The first page of an AArch64 Image, and the way from the boot protocol to the kernel's own address space
// (specs/kexec.md §11.5, §11.6; specs/boot.md §3, §4).
//
// On entry the MMU is off and x0 is the device tree. The tables built here lie in bss and serve until the kernel has
// its own (paging::init_kernel_space): the image at its text base, write xor execute; 512 GiB of direct map; the port
// window. They always have 4 KiB pages: a kernel with larger ones would need hundreds of KiB of them, and the granule
// changes with the root (load_kernel_root).
//
// Where the direct map begins depends on where DRAM does, which only the device tree tells. So it is read first,
// through a direct map that begins at physical 0, by the very functions that the kernel reads it with
// (memstart_of_tree).
#include "firmware/aarch64/layout.h"

#define TABLE 3
#define BLOCK 0x701                   /* valid, accessed, inner shareable, MAIR index 0 */
#define PAGE (BLOCK | 2)
#define DEVICE 0x10                   /* MAIR index 4 */
#define READ_ONLY (1 << 7)
#define PXN (1 << 53)
#define UXN (1 << 54)
#define DATA (PXN | UXN)
#define TEXT (READ_ONLY | UXN)

.macro ldconst reg, value
    ldr \reg, =(\value)
.endm

// reg := physical or virtual address of sym, like the pc
.macro ladr reg, sym
    adrp \reg, \sym
    add \reg, \reg, :lo12:\sym
.endm

// table[index] := next | TABLE, with the MMU off
.macro link table, index, next
    ladr x9, \table
    ladr x10, \next
    orr x10, x10, #TABLE
    ldconst x11, 8 * (\index)
    str x10, [x9, x11]
.endm

// `count` entries at x9: the memory from x10 on, in steps of 1 << shift, with the flags in x11
.macro leaves count, shift
    mov x12, #\count
    mov x13, #(1 << \shift)
1:  orr x14, x10, x11
    str x14, [x9], #8
    add x10, x10, x13
    subs x12, x12, #1
    b.ne 1b
.endm

    .section .head, "ax"
    .globl image_start, image_entry
image_start:
image_entry:
    b check_state
    nop
    .org IMAGE_HEADER_OFFSET          // the rest of the Image header, and
    .skip 0x100                       // ImageHeader: baton_mkimage fills both

check_state:
    msr daifset, #15
    mov x21, x0                       // device tree
    adr x20, image_start              // where we are
    tst x20, #0x1fffff
    b.ne unusable
    mrs x9, CurrentEL
    cmp x9, #(1 << 2)                 // EL1: the machine has no EL2
    b.eq set_up
unusable:
    wfi
    b unusable

    .text
set_up:
    bl clear_bss
    bl build_tables
    ldconst x9, MAIR
    msr mair_el1, x9
    ldconst x9, TCR_COMMON | TCR_TG1_4K | T0SZ_ENTRY | T1SZ_ENTRY << 16
    msr tcr_el1, x9
    ladr x9, identity_table1
    msr ttbr0_el1, x9
    ladr x9, root_table
    msr ttbr1_el1, x9
    mov x9, #(3 << 20)                // FP and SIMD are usable
    msr cpacr_el1, x9
    isb
    tlbi vmalle1
    dsb nsh
    ic iallu
    dsb nsh
    isb
    ldconst x9, SCTLR_MMU_ON
    msr sctlr_el1, x9
    isb
    ldr x9, =in_kernel_space
    br x9
    .ltorg

// From the end of the file to the end of the image. The MMU is off, so lines that a cache may hold of it are stale.
clear_bss:
    ladr x9, bss_start
    ladr x10, boot_stack_end
    mov x11, x9
1:  stp xzr, xzr, [x11], #16
    cmp x11, x10
    b.lo 1b
    mrs x12, ctr_el0
    ubfx x12, x12, #16, #4
    mov x11, #4
    lsl x11, x11, x12                 // bytes of the shortest data cache line
2:  dc ivac, x9
    add x9, x9, x11
    cmp x9, x10
    b.lo 2b
    dsb sy
    ret

build_tables:
    // The gigabyte around this code, where it is: read-only, for the instructions around a change of tables.
    ladr x9, identity_table1
    lsr x10, x20, #30
    lsl x11, x10, #30
    ldconst x12, BLOCK | TEXT
    orr x11, x11, x12
    and x10, x10, #511
    str x11, [x9, x10, lsl #3]

    link root_table, (DIRECT_MAP_BASE >> 39) & 511, direct_table1
    ladr x9, direct_table1
    mov x10, #0
    ldconst x11, BLOCK | DATA
    leaves 512, 30

    link root_table, (WINDOW_VA >> 39) & 511, window_table1
    link window_table1, (WINDOW_VA >> 30) & 511, window_table2
    ladr x9, window_table2
    mov x10, #WINDOW_PHYS
    ldconst x11, BLOCK | DATA
    leaves WINDOW_BYTES / 2 >> 21, 21
    ldconst x11, BLOCK | DATA | DEVICE
    leaves WINDOW_BYTES / 2 >> 21, 21

    link root_table, (TEXT_BASE >> 39) & 511, image_table1
    link image_table1, (TEXT_BASE >> 30) & 511, image_table2
    link image_table2, 0, image_table3
    ladr x9, image_table3
    ladr x10, image_start
    ladr x13, text_start
    ladr x14, text_end
    ladr x15, boot_stack_end
    ldconst x11, PAGE | TEXT
    ldconst x12, PAGE | DATA
1:  cmp x10, x13
    ccmp x10, x14, #2, hs             // below text: as if not below its end
    csel x16, x11, x12, lo
    orr x16, x16, x10
    str x16, [x9], #8
    add x10, x10, #4096
    cmp x10, x15
    b.lo 1b
    ladr x9, image_table3
    add x10, x9, #(8 * (BOOT_STACK_OFFSET >> 12))
    add x9, x9, #(8 * (KERNEL_OFFSET >> 12))
2:  str xzr, [x9], #8
    cmp x9, x10
    b.lo 2b
    dsb sy
    ret
    .ltorg

in_kernel_space:
    ladr x9, boot_stack_end
    mov sp, x9
    mov x29, #0
    mov x30, #0
    mov x0, x20
    mov x1, x21
    bl memstart_of_tree
    mov x22, x0

    // The direct map again, from memstart on: large blocks only, which every start of DRAM that machines have allows.
    ladr x9, direct_table1
    mov x10, x22
    ldconst x11, BLOCK | DATA
    leaves 512, 30
    dsb ishst
    tlbi vmalle1
    dsb nsh
    isb
    adrp x9, direct_map_start
    str x22, [x9, :lo12:direct_map_start]

    // What changes the root runs where both the old and the new tables are out of sight.
    ladr x9, switch_root
    ladr x10, image_start
    sub x9, x9, x10
    add x9, x9, x20
    adrp x10, switch_root_phys
    str x9, [x10, :lo12:switch_root_phys]

    mov x0, x20
    add x1, x20, #IMAGE_HEADER_OFFSET
    mov x2, x21
    mov x3, xzr                       // it was nowhere else before
    bl firmware_start
    brk #0

// load_kernel_root(table): TTBR1 and its granule change together, so nothing may be fetched or loaded through TTBR1 in
// between: it happens in the identity map. That is open for as long as this takes only, as it makes all memory around
// the image executable.
    .globl load_kernel_root
load_kernel_root:
    mov x11, x30
    mrs x9, tcr_el1
    and x9, x9, #~TCR_EPD0
    msr tcr_el1, x9
    isb
    adrp x9, switch_root_phys
    ldr x9, [x9, :lo12:switch_root_phys]
    ldconst x10, TCR_COMMON | TG1 | T0SZ_ENTRY | T1SZ_KERNEL << 16
    blr x9
    orr x10, x10, #TCR_EPD0
    msr tcr_el1, x10
    isb
    tlbi vmalle1
    dsb nsh
    isb
    ret x11
    .ltorg
switch_root:
    dsb sy
    msr tcr_el1, x10
    msr ttbr1_el1, x0
    isb
    tlbi vmalle1
    dsb nsh
    isb
    ret

// enter_relocation(arguments, code page, identity map): to the copy of the relocation code (specs/kexec.md §11.3).
    .globl enter_relocation
enter_relocation:
    msr daifset, #15
    ldconst x9, TCR_COMMON | TG0 | TG1 | T0SZ_KEXEC | T1SZ_KERNEL << 16
    dsb sy
    msr ttbr0_el1, x2
    msr tcr_el1, x9
    isb
    tlbi vmalle1
    dsb nsh
    isb
    br x1
    .ltorg

    .section .bss.tables, "aw", @nobits
    .balign 4096
    // Never written: TTBR1 while the relocation code changes tables. First in bss, which begins at a multiple of the
    // kernel's page size, as a root must. With 64K pages it covers the first 256 GiB of the direct map, and no more
    // is used.
    .globl empty_root_table
empty_root_table: .skip 4096
root_table: .skip 4096
identity_table1: .skip 4096
direct_table1: .skip 4096
window_table1: .skip 4096
window_table2: .skip 4096
image_table1: .skip 4096
image_table2: .skip 4096
image_table3: .skip 4096

    .section .bss.words, "aw", @nobits
    .balign 8
    .globl direct_map_start
direct_map_start: .skip 8             // physical address at the base of the direct map
switch_root_phys: .skip 8
    .section .note.GNU-stack, "", @progbits
