// SPDX-License-Identifier: GPL-2.0-only
#include "scenarios/engine/quantity.hpp"

#include <fmt/format.h>

#include <charconv>

#include "scenarios/engine/limits.hpp"

namespace baton::scenarios {
namespace {

struct Suffix {
    char letter;
    u32 shift;
};
constexpr Suffix kSuffixes[] = {{'T', 40}, {'G', 30}, {'M', 20}, {'K', 10}};
constexpr std::string_view kForm = "a number with K, M, G or T, such as \"512M\"";

std::unexpected<NumberError> wrong(std::string message, std::string_view hint = kForm) {
    return std::unexpected(NumberError{std::move(message), std::string(hint)});
}

int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

}  // namespace

std::expected<u64, NumberError> parse_quantity(std::string_view text) {
    if (text.empty()) return wrong("an empty string is not a number");
    if (text.front() == '-') return wrong(fmt::format("\"{}\" is negative", text), "sizes and addresses are not");

    const bool hexadecimal = text.starts_with("0x") || text.starts_with("0X");
    const std::string_view digits = hexadecimal ? text.substr(2) : text;
    u64 value = 0;
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), value, hexadecimal ? 16 : 10);
    if (error == std::errc::invalid_argument) return wrong(fmt::format("\"{}\" is not a number", text));
    const auto too_large = [&] {
        return wrong(fmt::format("\"{}\" does not fit 64 bits", text), "the largest number is 18446744073709551615");
    };
    if (error == std::errc::result_out_of_range) return too_large();

    const std::string_view suffix = digits.substr(static_cast<std::size_t>(end - digits.data()));
    if (suffix.empty()) return value;
    for (const Suffix& s : kSuffixes) {
        if (suffix.size() != 1 || (suffix[0] & ~0x20) != s.letter) continue;
        if (value > (~u64{0} >> s.shift)) return too_large();
        return value << s.shift;
    }
    return wrong(fmt::format("\"{}\" ends in an unknown suffix \"{}\"", text, suffix));
}

std::expected<std::vector<u8>, NumberError> parse_hex_bytes(std::string_view text) {
    constexpr std::string_view kBytes = "two hexadecimal digits a byte, in memory order, such as \"de ad be ef\"";
    std::vector<u8> bytes;
    for (std::size_t i = 0; i < text.size();) {
        if (text[i] == ' ') {
            ++i;
            continue;
        }
        const int high = hex_digit(text[i]);
        const int low = i + 1 < text.size() ? hex_digit(text[i + 1]) : -1;
        if (high < 0 || low < 0) return wrong(fmt::format("\"{}\" is not a byte", text.substr(i, 2)), kBytes);
        bytes.push_back(static_cast<u8>(high << 4 | low));
        i += 2;
    }
    if (bytes.empty()) return wrong("no bytes are given", kBytes);
    if (bytes.size() > kPokeBytesMax)
        return wrong(fmt::format("{} bytes are too many", bytes.size()), fmt::format("at most {}", kPokeBytesMax));
    return bytes;
}

std::string quantity_text(u64 value) {
    for (const Suffix& s : kSuffixes) {
        const u64 unit = u64{1} << s.shift;
        if (value != 0 && value % unit == 0) return fmt::format("{}{}", value / unit, s.letter);
    }
    return fmt::format("{}", value);
}

}  // namespace baton::scenarios
