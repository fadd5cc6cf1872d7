// SPDX-License-Identifier: GPL-2.0-only
#include "scenarios/engine/markup.hpp"

#include <algorithm>

#include "model/types.hpp"

namespace baton::scenarios {
namespace {

/// Bytes of the UTF-8 sequence at the front of a text that XML 1.0 can hold; 0 if there is none.
std::size_t sequence_bytes(std::string_view text) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const std::size_t bytes = byte(0) < 0x80 ? 1 : byte(0) >= 0xf0 ? 4 : byte(0) >= 0xe0 ? 3 : 2;
    if (bytes == 1) return byte(0) >= 0x20 && byte(0) != 0x7f ? 1 : 0;
    if (bytes > text.size()) return 0;
    u32 point = byte(0) & (0xffu >> (bytes + 1));
    for (std::size_t i = 1; i < bytes; ++i) {
        if ((byte(i) & 0xc0) != 0x80) return 0;
        point = point << 6 | (byte(i) & 0x3f);
    }
    constexpr u32 kLeast[] = {0, 0, 0x80, 0x800, 0x10000};  // what is shorter has a shorter form
    const bool surrogate = point >= 0xd800 && point < 0xe000;
    const bool lead = byte(0) >= 0xc2 && byte(0) <= 0xf4;
    return lead && point >= kLeast[bytes] && point < 0x110000 && !surrogate && point != 0xfffe && point != 0xffff
               ? bytes
               : 0;
}

}  // namespace

std::string escaped(std::string_view text) {
    constexpr std::string_view kReplacement = "\xef\xbf\xbd";
    std::string out;
    while (!text.empty()) {
        const std::size_t bytes = sequence_bytes(text);
        switch (text.front()) {
            case '&': out += "&amp;"; break;
            case '<': out += "&lt;"; break;
            case '>': out += "&gt;"; break;
            case '"': out += "&quot;"; break;
            case '\n': out += "&#10;"; break;
            case '\t': out += "&#9;"; break;
            default: out += bytes == 0 ? kReplacement : text.substr(0, bytes);
        }
        text.remove_prefix(std::max<std::size_t>(bytes, 1));
    }
    return out;
}

}  // namespace baton::scenarios
