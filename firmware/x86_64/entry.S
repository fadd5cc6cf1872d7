// SPDX-License-Identifier: GPL-2.0-only
// The first page of an x86-64 image, and the way from the 64-bit boot protocol to the kernel's own address space
// (specs/kexec.md §7.7, §9; specs/boot.md §3).
//
// An image that moved itself (KASLR) leaves through enter_image and comes in again in the other place, where it is told
// by rdi.
//
// On entry the CPU is in long mode under somebody else's identity map, at any 2 MiB-aligned address, with rsi = zero
// page. Nothing is believed of that state but this. The tables built here live in bss and serve until the kernel has
// its own (paging::init_kernel_space): the image at its text base, write xor execute; the low 512 GiB of the direct
// map; the port window. Accessed and dirty are set everywhere, so the CPU never writes to a table.
#include "firmware/x86_64/layout.h"

#define TABLE_FLAGS 0x63              /* present, writable, accessed, dirty */
#define LEAF 0xe3                     /* the same for a large page */
#define UNCACHED 0x18
#define NX (1 << 63)

#define MSR_EFER 0xc0000080
#define MSR_FS_BASE 0xc0000100
#define EFER_SCE_NXE 0x801
#define CR0_KERNEL 0x80050033         /* PG AM WP NE ET MP PE: SSE usable, read-only means read-only */
#define CR4_KERNEL 0x6a0              /* PAE PGE OSFXSR OSXMMEXCPT */

    .section .head, "ax"
    .code64
    .globl image_start
image_start:
    // A 32-bit entry would be here.
    hlt
    jmp image_start

    .org ENTRY_OFFSET
    .globl image_entry
image_entry:
    cli
    xor %r13d, %r13d                  // nowhere else before
entered:
    cld
    mov %rsi, %r15                    // zero page
    lea image_start(%rip), %r14       // where we are
    test $0x1fffff, %r14d
    jnz unusable
    lea boot_stack_end(%rip), %rsp
    jmp set_up

unusable:
    hlt
    jmp unusable

    .org MOVED_ENTRY_OFFSET
    .globl image_moved
image_moved:
    cli
    mov %rdi, %r13                    // where the image was before
    jmp entered

    .org IMAGE_HEADER_OFFSET
    .skip 0x100                       // ImageHeader: baton_mkimage fills it

    .text
set_up:
    call clear_bss
    call load_segments
    call build_tables

    mov $MSR_EFER, %ecx
    rdmsr
    or $EFER_SCE_NXE, %eax
    wrmsr
    mov $CR0_KERNEL, %eax
    mov %rax, %cr0
    lea root_table(%rip), %rax
    mov %rax, %cr3
    mov $CR4_KERNEL, %eax
    mov %rax, %cr4
    movabs $in_kernel_space, %rax
    jmp *%rax

// From the end of the file to the end of the image, but for the return address on the stack.
clear_bss:
    pop %rdx
    lea bss_start(%rip), %rdi
    lea boot_stack_end(%rip), %rcx
    sub %rdi, %rcx
    shr $3, %rcx
    xor %eax, %eax
    rep stosq
    jmp *%rdx

// Own GDT, reached through wherever this runs: identity map first, kernel space later. No IDT: an exception is a triple
// fault, which is what the host makes a verdict of (decision D29).
load_segments:
    sub $16, %rsp
    lea gdt(%rip), %rax
    mov %rax, 2(%rsp)
    movw $(.Lgdt_end - gdt - 1), (%rsp)
    lgdt (%rsp)
    movq $0, (%rsp)
    movq $0, 8(%rsp)
    lidt (%rsp)
    add $16, %rsp
    mov $DATA_SELECTOR, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    xor %eax, %eax
    mov %eax, %fs
    mov %eax, %gs
    pop %rax
    push $CODE_SELECTOR
    push %rax
    lretq

// table_at(table, index) := next | flags
.macro link table, index, next
    lea \next(%rip), %rax
    or $TABLE_FLAGS, %rax
    mov %rax, \table + 8 * (\index)(%rip)
.endm

// `count` large leaves of 1 << shift bytes at rdi: of physical memory from rsi on, with the flags in rdx.
.macro large_leaves count, shift
    mov $\count, %ecx
1:  mov %rsi, %rax
    or %rdx, %rax
    mov %rax, (%rdi)
    add $8, %rdi
    add $(1 << \shift), %rsi
    dec %ecx
    jnz 1b
.endm

build_tables:
    // The 2 MiB around this code, where they are, for the few instructions until the jump.
    mov %r14, %rax
    shr $39, %rax
    and $511, %eax
    lea root_table(%rip), %rdi
    lea identity_table3(%rip), %rcx
    or $TABLE_FLAGS, %rcx
    mov %rcx, (%rdi, %rax, 8)
    mov %r14, %rax
    shr $30, %rax
    and $511, %eax
    lea identity_table3(%rip), %rdi
    lea identity_table2(%rip), %rcx
    or $TABLE_FLAGS, %rcx
    mov %rcx, (%rdi, %rax, 8)
    mov %r14, %rax
    shr $21, %rax
    and $511, %eax
    lea identity_table2(%rip), %rdi
    lea LEAF(%r14), %rcx
    mov %rcx, (%rdi, %rax, 8)

    link root_table, (DIRECT_MAP_BASE >> 39) & 511, direct_table3
    lea direct_table3(%rip), %rdi
    xor %esi, %esi
    movabs $(NX | LEAF), %rdx
    large_leaves 512, 30

    link root_table, (WINDOW_VA >> 39) & 511, window_table3
    link window_table3, (WINDOW_VA >> 30) & 511, window_table2
    lea window_table2 + 8 * ((WINDOW_VA >> 21) & 511)(%rip), %rdi
    mov $WINDOW_PHYS, %esi
    large_leaves WINDOW_BYTES / 2 >> 21, 21
    or $UNCACHED, %rdx
    large_leaves WINDOW_BYTES / 2 >> 21, 21

    link root_table, (TEXT_BASE >> 39) & 511, image_table3
    link image_table3, (TEXT_BASE >> 30) & 511, image_table2
    link image_table2, (TEXT_BASE >> 21) & 511, image_table1
    lea image_table1 + 8 * ((TEXT_BASE >> 12) & 511)(%rip), %rdi
    mov %r14, %rsi
    lea text_start(%rip), %r8
    lea text_end(%rip), %r9
    lea boot_stack_end(%rip), %r10
1:  lea (TABLE_FLAGS & ~2)(%rsi), %rax    // text: read-only
    cmp %r8, %rsi
    jb 2f
    cmp %r9, %rsi
    jb 3f
2:  lea TABLE_FLAGS(%rsi), %rax           // data: no-execute
    bts $63, %rax
3:  mov %rax, (%rdi)
    add $8, %rdi
    add $4096, %rsi
    cmp %r10, %rsi
    jb 1b
    lea image_table1 + 8 * (KERNEL_OFFSET >> 12)(%rip), %rdi
    mov $((BOOT_STACK_OFFSET - KERNEL_OFFSET) >> 12), %ecx
    xor %eax, %eax
    rep stosq
    ret

    .balign 16
gdt:
    .quad 0
    .quad 0
    .quad 0x00af9b000000ffff          // CODE_SELECTOR: flat, 64-bit
    .quad 0x00cf93000000ffff          // DATA_SELECTOR: flat
.Lgdt_end:

in_kernel_space:
    lea boot_stack_end(%rip), %rsp
    xor %ebp, %ebp
    call load_segments

    lea stack_guard(%rip), %rax       // libfdt.a looks for its canary at %fs:0x28
    mov %rax, %rdx
    shr $32, %rdx
    mov $MSR_FS_BASE, %ecx
    wrmsr

    // Drop the identity map: from here on nothing is writable and executable.
    mov %r14, %rax
    shr $39, %rax
    and $511, %eax
    lea root_table(%rip), %rdi
    movq $0, (%rdi, %rax, 8)
    mov %cr3, %rax
    mov %rax, %cr3

    mov %r14, %rdi
    lea IMAGE_HEADER_OFFSET(%r14), %rsi
    mov %r15, %rdx
    mov %r13, %rcx
    call firmware_start
    ud2

// enter_image(image, zero page, where this one is): an identity map of the 2 MiB at the image, and there. What lay at a
// table's address while it was built is now reached through the kernel's space, so addresses for the CPU are computed.
    .globl enter_image
enter_image:
    lea image_start(%rip), %r8
    sub %rdx, %r8                     // virtual minus physical
    mov %rdi, %rax
    shr $39, %rax
    and $511, %eax
    lea identity_table3(%rip), %rcx
    sub %r8, %rcx
    or $TABLE_FLAGS, %rcx
    lea root_table(%rip), %r9
    mov %rcx, (%r9, %rax, 8)
    mov %rdi, %rax
    shr $30, %rax
    and $511, %eax
    lea identity_table2(%rip), %rcx
    sub %r8, %rcx
    or $TABLE_FLAGS, %rcx
    lea identity_table3(%rip), %r9
    mov %rcx, (%r9, %rax, 8)
    mov %rdi, %rax
    shr $21, %rax
    and $511, %eax
    lea LEAF(%rdi), %rcx
    lea identity_table2(%rip), %r9
    mov %rcx, (%r9, %rax, 8)
    mov %cr3, %rax
    mov %rax, %cr3
    lea MOVED_ENTRY_OFFSET(%rdi), %rax
    mov %rdx, %rdi
    jmp *%rax

    .section .bss.tables, "aw", @nobits
    .balign 4096
root_table: .skip 4096
identity_table3: .skip 4096
identity_table2: .skip 4096
direct_table3: .skip 4096
window_table3: .skip 4096
window_table2: .skip 4096
image_table3: .skip 4096
image_table2: .skip 4096
image_table1: .skip 4096

    .section .bss.guard, "aw", @nobits
    .balign 64
stack_guard: .skip 64
    .section .note.GNU-stack, "", @progbits
