// SPDX-License-Identifier: GPL-2.0-only
// The last code of an x86-64 kernel: copies the next image over whatever is there (specs/kexec.md §7.4).
//
// It is called in the kernel's text, and goes on in its copy in the control page the moment the kexec page tables are
// loaded, because those map this page's virtual address to the copy. Position independent, at most 2048 bytes; the rest
// of the control page is saved state, and a stack that grows down from its end.
//
//   rdi  head: the first word of the entry list, with its flags
//   rsi  4 words: control page (physical), control page (virtual), root table, swap page
//   rdx  start: where to go in the end
//   ecx  not 0: exchange source and destination through the swap page, as the 6.12 base does; 0: copy (6.14 on)
//
// Public labels are schedule points; what the host may read there is told in model/image_header.hpp.
#define PAGE 4096
#define ADDRESS -PAGE                 /* bits of an entry that are its address, as a sign-extended immediate */
#define DESTINATION 1
#define INDIRECTION 2
#define DONE 4
#define SOURCE 8

#define SAVED_RSP 0x800
#define SAVED_CR0 0x808
#define SAVED_CR3 0x810
#define SAVED_CR4 0x818
#define SAVED_ROOT 0x820
#define SAVED_SWAP 0x828
#define SAVED_HEAD 0x830

#define CR0_CLEAR 0x5000c             /* AM WP TS EM */
#define CR0_SET 0x80000001            /* PG PE */
#define CR4_KEEP 0x1020               /* LA57 PAE */

    .section .text.relocate, "ax"
    .balign PAGE
    .globl relocate_kernel, relocate_label_start, relocate_label_word, relocate_label_page, relocate_label_done
    .globl relocate_end
relocate_kernel:
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    pushfq
    mov 8(%rsi), %r11
    mov %rsp, SAVED_RSP(%r11)
    mov %cr0, %rax
    mov %rax, SAVED_CR0(%r11)
    mov %cr3, %rax
    mov %rax, SAVED_CR3(%r11)
    mov %cr4, %r13
    mov %r13, SAVED_CR4(%r11)
    pushq $0
    popfq
    mov %ecx, %r12d
    mov (%rsi), %r8
    mov 16(%rsi), %r9
    mov 24(%rsi), %r10
    mov %r9, SAVED_ROOT(%r11)
    mov %r10, SAVED_SWAP(%r11)
    mov %rdi, SAVED_HEAD(%r11)

    mov %r9, %cr3                     // the next instruction comes from the copy
    lea PAGE(%r8), %rsp
    lea (relocate_label_start - relocate_kernel)(%r8), %rax
    jmp *%rax

relocate_label_start:
    pushq $0                          // where the next image would return to
    push %rdx
    mov %cr0, %rax
    and $~CR0_CLEAR, %eax
    or $CR0_SET, %eax
    mov %rax, %cr0
    and $CR4_KEEP, %r13d
    mov %r13, %cr4
    mov %r9, %cr3

    mov %rdi, %rcx
    xor %edi, %edi                    // destination
    xor %ebx, %ebx                    // list
    jmp 2f

1:  mov (%rbx), %rcx
relocate_label_word:
    add $8, %rbx
2:  test $DESTINATION, %cl
    jz 3f
    mov %rcx, %rdi
    and $ADDRESS, %rdi
    jmp 1b
3:  test $INDIRECTION, %cl
    jz 4f
    mov %rcx, %rbx
    and $ADDRESS, %rbx
    jmp 1b
4:  test $DONE, %cl
    jnz relocate_label_done
    test $SOURCE, %cl
    jz 1b

    mov %rcx, %rsi
    and $ADDRESS, %rsi
    mov %rsi, %rax
    mov %rdi, %rdx
    test %r12d, %r12d
    jz 5f
    mov %r10, %rdi
    mov $(PAGE / 8), %ecx
    rep movsq
    mov %rax, %rdi
    mov %rdx, %rsi
    mov $(PAGE / 8), %ecx
    rep movsq
    mov %rdx, %rdi
    mov %r10, %rsi
5:  mov $(PAGE / 8), %ecx
    rep movsq
relocate_label_page:
    jmp 1b

relocate_label_done:
    mov %r9, %cr3                     // serialises: what was copied may be what runs next
    xor %eax, %eax
    xor %ebx, %ebx
    xor %ecx, %ecx
    xor %edx, %edx
    xor %esi, %esi
    xor %edi, %edi
    xor %ebp, %ebp
    xor %r8d, %r8d
    xor %r9d, %r9d
    xor %r10d, %r10d
    xor %r11d, %r11d
    xor %r12d, %r12d
    xor %r13d, %r13d
    xor %r14d, %r14d
    xor %r15d, %r15d
    ret
relocate_end:
    .balign PAGE
    .section .note.GNU-stack, "", @progbits
