// SPDX-License-Identifier: GPL-2.0-only
// Random numbers that are the same everywhere: one stream per component, all from the run's one seed (architecture §5).
//
// The generator is xoshiro256** (Blackman, Vigna 2018), seeded through splitmix64. Distributions of the standard
// library differ between implementations, so `bounded` is our own. A Random is plain data: copying it is its snapshot.
#pragma once

#include <array>
#include <bit>

#include "model/types.hpp"

namespace baton::sim {

/// One step of splitmix64: advances `state`, returns the next number.
constexpr u64 splitmix64(u64& state) {
    u64 z = state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

class Random {
public:
    /// Streams of one seed are independent: adding a component does not change what the others draw.
    constexpr Random(u64 seed, u64 stream) {
        u64 mix = seed;
        u64 state = splitmix64(mix) ^ stream;
        for (u64& word : state_) word = splitmix64(state);
    }
    /// The generator's own state, not all zero.
    constexpr explicit Random(const std::array<u64, 4>& state) : state_(state) {}
    constexpr const std::array<u64, 4>& state() const { return state_; }

    constexpr u64 next() {
        const u64 result = std::rotl(state_[1] * 5, 7) * 9;
        const u64 shifted = state_[1] << 17;
        state_[2] ^= state_[0];
        state_[3] ^= state_[1];
        state_[1] ^= state_[2];
        state_[0] ^= state_[3];
        state_[2] ^= shifted;
        state_[3] = std::rotl(state_[3], 45);
        return result;
    }
    /// Uniform in [0, limit), without bias; `limit` > 0. (Lemire 2019: the high half of a product, few rejections.)
    constexpr u64 bounded(u64 limit) {
        unsigned __int128 product = static_cast<unsigned __int128>(next()) * limit;
        if (static_cast<u64>(product) < limit) {
            const u64 rejected = (0 - limit) % limit;
            while (static_cast<u64>(product) < rejected) product = static_cast<unsigned __int128>(next()) * limit;
        }
        return static_cast<u64>(product >> 64);
    }
    constexpr bool operator==(const Random&) const = default;

private:
    std::array<u64, 4> state_{};
};

}  // namespace baton::sim
