// SPDX-License-Identifier: GPL-2.0-only
// Bit arithmetic whose edge cases differ between ISAs, done once and defined everywhere (decision D6d):
// shifts by >= width give 0, counting zeros of 0 gives 64.
#pragma once

#include <bit>

#include "model/types.hpp"

namespace baton {

constexpr u64 shl(u64 x, u32 n) { return n < 64 ? x << n : 0; }
constexpr u64 shr(u64 x, u32 n) { return n < 64 ? x >> n : 0; }
/// Number of trailing zero bits; 64 for 0 (kho.md B69: the kernel's own helper gives -1 there).
constexpr u32 ctz(u64 x) { return static_cast<u32>(std::countr_zero(x)); }
/// floor(log2(x)); x must not be 0.
constexpr u32 floor_log2(u64 x) { return 63u - static_cast<u32>(std::countl_zero(x | 1)); }
constexpr bool is_power_of_two(u64 x) { return std::has_single_bit(x); }
/// `align` must be a power of two. align_up wraps to 0 at the top of the address space, as the kernel's does.
constexpr u64 align_down(u64 x, u64 align) { return x & ~(align - 1); }
constexpr u64 align_up(u64 x, u64 align) { return (x + align - 1) & ~(align - 1); }
constexpr bool is_aligned(u64 x, u64 align) { return (x & (align - 1)) == 0; }
constexpr PhysAddr align_down(PhysAddr x, u64 align) { return {align_down(x.value, align)}; }
constexpr PhysAddr align_up(PhysAddr x, u64 align) { return {align_up(x.value, align)}; }
constexpr bool is_aligned(PhysAddr x, u64 align) { return is_aligned(x.value, align); }
constexpr u64 div_round_up(u64 x, u64 y) { return x / y + (x % y != 0 ? 1 : 0); }

}  // namespace baton
