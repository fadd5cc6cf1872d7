// SPDX-License-Identifier: GPL-2.0-only
// The purgatory: checks that the next kernel arrived as it was loaded, and enters it (specs/kexec.md §6, §7.5, §7.6).
//
// It runs where it was copied, under the relocation code's identity map, without SSE, interrupts or anybody to talk to:
// a wrong digest is an endless loop. Regions, digest and the registers to load were filled in by the outgoing kernel.
// What it wrote is cleared before it is left, so that no stray bytes lie where the next kernel finds free memory.
// Public labels are schedule points; what the host may read there is told in model/image_header.hpp.
#define CODE_SELECTOR 0x10
#define DATA_SELECTOR 0x18
#define REGIONS 16
#define DIGEST_BYTES 32
#define REGISTERS 17

    .section .header, "ax"
    .globl purgatory_start, purgatory_label_region, purgatory_label_done, purgatory_label_loop
    .globl purgatory_regions, purgatory_digest, purgatory_registers
// PurgatoryHeader of model/kexec/purgatory.hpp.
header:
    .ascii "BTNPURGA"
    .quad purgatory_blob_end - header
    .quad purgatory_regions - header
    .quad purgatory_digest - header
    .quad purgatory_registers - header
    .quad purgatory_code_end - header
    .quad 0                           // XXH3-64 of the code: baton_mkimage
    .org 0x40

purgatory_start:
    cld
    lea own_stack_end(%rip), %rsp
    call load_segments
    call purgatory_hash_begin
    lea purgatory_regions(%rip), %rbx
    mov $REGIONS, %ebp

1:  mov (%rbx), %r12                  // start
    mov 8(%rbx), %r13                 // bytes
    add $16, %rbx
    test %r13, %r13
    jz 2f
    mov %r12, %rdi
    mov %r13, %rsi
    call purgatory_hash
purgatory_label_region:
    dec %ebp
    jnz 1b
    jmp 3f
2:  dec %ebp
    jnz 1b

3:  lea computed_digest(%rip), %rdi
    call purgatory_hash_end
    lea computed_digest(%rip), %rsi
    lea purgatory_digest(%rip), %rdi
    mov $DIGEST_BYTES, %ecx
    repe cmpsb
    setne %bl
    call load_segments
    lea written(%rip), %rdi
    lea own_stack_end(%rip), %rcx
    sub %rdi, %rcx
    shr $3, %rcx
    xor %eax, %eax
    rep stosq
    test %bl, %bl                     // flags that the captures show at the kernel's entry: ZF and PF
    jz purgatory_label_done
purgatory_label_loop:
    jmp purgatory_label_loop

purgatory_label_done:
    mov purgatory_registers + 0(%rip), %rax
    mov purgatory_registers + 8(%rip), %rcx
    mov purgatory_registers + 16(%rip), %rdx
    mov purgatory_registers + 24(%rip), %rbx
    mov purgatory_registers + 32(%rip), %rsp
    mov purgatory_registers + 40(%rip), %rbp
    mov purgatory_registers + 48(%rip), %rsi
    mov purgatory_registers + 56(%rip), %rdi
    mov purgatory_registers + 64(%rip), %r8
    mov purgatory_registers + 72(%rip), %r9
    mov purgatory_registers + 80(%rip), %r10
    mov purgatory_registers + 88(%rip), %r11
    mov purgatory_registers + 96(%rip), %r12
    mov purgatory_registers + 104(%rip), %r13
    mov purgatory_registers + 112(%rip), %r14
    mov purgatory_registers + 120(%rip), %r15
    jmp *purgatory_registers + 128(%rip)

// Code selector 0x10, data selector 0x18 everywhere else.
load_segments:
    lea gdt(%rip), %rax
    push %rax
    pushw $(gdt_end - gdt - 1)
    lgdt (%rsp)
    add $10, %rsp
    mov $DATA_SELECTOR, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    mov %eax, %fs
    mov %eax, %gs
    pop %rax
    push $CODE_SELECTOR
    push %rax
    lretq

    .section .rodata
    .balign 16
gdt:
    .quad 0
    .quad 0
    .quad 0x00af9b000000ffff
    .quad 0x00cf93000000ffff
gdt_end:

    .data
    .balign 16
purgatory_regions:
    .skip REGIONS * 16
purgatory_digest:
    .skip DIGEST_BYTES
purgatory_registers:
    .skip REGISTERS * 8

    .bss
    .balign 16
computed_digest:
    .skip DIGEST_BYTES

// Ours, then the page whose end the next kernel finds in rsp.
    .section .stack, "aw"
    .skip 4096
own_stack_end:
    .skip 4096
    .section .note.GNU-stack, "", @progbits
