// SPDX-License-Identifier: GPL-2.0-only
// What libgcc would supply: baseline x86-64 has no instruction that counts ones.
int __popcountdi2(unsigned long x) {
    x -= x >> 1 & 0x5555555555555555;
    x = (x & 0x3333333333333333) + (x >> 2 & 0x3333333333333333);
    x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0f;
    return (int)(x * 0x0101010101010101 >> 56);
}
