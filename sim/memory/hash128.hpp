// SPDX-License-Identifier: GPL-2.0-only
// A 128-bit hash value that can be added modulo 2^128: what makes the state hash free of order and incremental (D32).
#pragma once

#include <string>

#include "model/types.hpp"

namespace baton::sim {

using u128 = unsigned __int128;

struct Hash128 {
    u128 value = 0;
    constexpr bool operator==(const Hash128&) const = default;
    constexpr Hash128& operator+=(Hash128 other) {
        value += other.value;
        return *this;
    }
    constexpr Hash128& operator-=(Hash128 other) {
        value -= other.value;
        return *this;
    }
    constexpr u64 high() const { return static_cast<u64>(value >> 64); }
    constexpr u64 low() const { return static_cast<u64>(value); }
    /// 32 hexadecimal digits.
    std::string hex() const {
        std::string digits(32, '0');
        for (u32 i = 0; i < 32; ++i) digits[i] = "0123456789abcdef"[static_cast<u32>(value >> (124 - 4 * i)) & 15];
        return digits;
    }
};

}  // namespace baton::sim
