// SPDX-License-Identifier: GPL-2.0-only
// Numbers as people write them: "512M", "0x1fc00000", "de ad be ef".
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "model/types.hpp"

namespace baton::scenarios {

/// What is wrong with a number, and what would be right.
struct NumberError {
    std::string message;
    std::string hint;
};

/// Decimal or 0x-hexadecimal, with an optional binary suffix K, M, G or T in either case.
std::expected<u64, NumberError> parse_quantity(std::string_view text);

/// Bytes in memory order, two hexadecimal digits each, with blanks anywhere between bytes.
std::expected<std::vector<u8>, NumberError> parse_hex_bytes(std::string_view text);

/// The shortest form that parse_quantity reads back: "512M", "4100".
std::string quantity_text(u64 value);

}  // namespace baton::scenarios
