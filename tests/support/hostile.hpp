// SPDX-License-Identifier: GPL-2.0-only
// Damage to the bytes of a saved component: every byte changed in several ways, and every length.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "model/types.hpp"

namespace baton::test {

inline void for_each_damage(const std::vector<u8>& bytes, const std::function<void(std::span<const u8>)>& visit) {
    for (std::size_t length = 0; length < bytes.size(); ++length) {
        // Of its own size, so that a read beyond the end is one that a sanitizer sees.
        const std::vector<u8> cut(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(length));
        visit(cut);
    }
    std::vector<u8> changed = bytes;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        for (const u8 value :
             {u8{0xff}, u8{0}, u8{0x7f}, static_cast<u8>(bytes[i] + 1), static_cast<u8>(bytes[i] ^ 0x80)}) {
            changed[i] = value;
            visit(changed);
        }
        changed[i] = bytes[i];
    }
}

}  // namespace baton::test
