// SPDX-License-Identifier: GPL-2.0-only
// mem* for guest kernels and the purgatory: nothing of the host's C library is linked (docs/architecture.md §1).
//
// Words of eight bytes, four a turn: an emulator pays by the instruction, and a page is what is copied most. Built with
// -ffreestanding -fno-tree-loop-distribute-patterns, or the compiler would turn these loops into calls of themselves.
#include <stddef.h>
#include <stdint.h>

// Neither aligned nor of any other type than what it overlays.
typedef uint64_t __attribute__((may_alias, aligned(1))) word;

void* memcpy(void* restrict to, const void* restrict from, size_t n) {
    unsigned char* d = to;
    const unsigned char* s = from;
    for (; n >= 32; n -= 32, d += 32, s += 32) {
        const uint64_t a = ((const word*)s)[0], b = ((const word*)s)[1];
        const uint64_t c = ((const word*)s)[2], e = ((const word*)s)[3];
        ((word*)d)[0] = a;
        ((word*)d)[1] = b;
        ((word*)d)[2] = c;
        ((word*)d)[3] = e;
    }
    for (; n >= 8; n -= 8, d += 8, s += 8) *(word*)d = *(const word*)s;
    for (; n != 0; --n) *d++ = *s++;
    return to;
}

void* memmove(void* to, const void* from, size_t n) {
    unsigned char* d = to;
    const unsigned char* s = from;
    // Forward is right unless the destination begins inside the source: then every store would hit a byte still needed.
    if ((uintptr_t)d - (uintptr_t)s >= n) {
        for (; n >= 8; n -= 8, d += 8, s += 8) *(word*)d = *(const word*)s;
        for (; n != 0; --n) *d++ = *s++;
        return to;
    }
    for (d += n, s += n; n >= 8; n -= 8) {
        d -= 8;
        s -= 8;
        *(word*)d = *(const word*)s;
    }
    for (; n != 0; --n) *--d = *--s;
    return to;
}

void* memset(void* to, int value, size_t n) {
    unsigned char* d = to;
    const uint64_t v = (unsigned char)value * 0x0101010101010101u;
    for (; n >= 32; n -= 32, d += 32) {
        ((word*)d)[0] = v;
        ((word*)d)[1] = v;
        ((word*)d)[2] = v;
        ((word*)d)[3] = v;
    }
    for (; n >= 8; n -= 8, d += 8) *(word*)d = v;
    for (; n != 0; --n) *d++ = (unsigned char)value;
    return to;
}

int memcmp(const void* left, const void* right, size_t n) {
    const unsigned char* a = left;
    const unsigned char* b = right;
    for (; n >= 8 && *(const word*)a == *(const word*)b; n -= 8) {
        a += 8;
        b += 8;
    }
    for (; n != 0; --n, ++a, ++b)
        if (*a != *b) return *a < *b ? -1 : 1;
    return 0;
}

void* memchr(const void* from, int value, size_t n) {
    for (const unsigned char* p = from; n != 0; --n, ++p)
        if (*p == (unsigned char)value) return (void*)p;
    return NULL;
}
