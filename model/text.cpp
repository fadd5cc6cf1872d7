// SPDX-License-Identifier: GPL-2.0-only
// The grammar of kernel command lines, as Linux reads them.
//
// Four rules surprise people: a quote anywhere toggles "spaces belong to me"; quotes are dropped only at the very start
// and end of a value (or of the whole option); `-` and `_` in a key are the same; a bare `--` ends the kernel's part.
#include "model/text.hpp"

#include <algorithm>

#include "model/bits.hpp"

namespace baton::text {
namespace {

// string_view::substr throws, which nothing here may; the callers' bounds hold.
std::string_view slice(std::string_view s, std::size_t from, std::size_t to) { return {s.data() + from, to - from}; }

// The C locale's isspace, plus NBSP as Linux's table has it.
constexpr bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r') || c == '\xa0'; }
constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

constexpr u32 kNoDigit = 99;
constexpr u32 digit_value(char c) {
    if (c >= '0' && c <= '9') return static_cast<u32>(c - '0');
    const char l = lower(c);
    return l >= 'a' && l <= 'f' ? static_cast<u32>(l - 'a') + 10 : kNoDigit;
}

// Recognises and removes a base prefix. `0x` counts only in front of a digit: "0xyz" is the number 0, then "xyz".
u64 take_base(std::string_view& s) {
    if (s.size() < 2 || s[0] != '0') return 10;
    if (lower(s[1]) != 'x') return 8;
    if (s.size() < 3 || digit_value(s[2]) >= 16) return 10;
    s.remove_prefix(2);
    return 16;
}

std::string_view without_quotes(std::string_view s) {
    if (s.empty() || s.front() != '"') return s;
    s.remove_prefix(1);
    if (!s.empty() && s.back() == '"') s.remove_suffix(1);
    return s;
}

bool same_key(std::string_view a, std::string_view b) {
    const auto fold = [](char c) { return c == '-' ? '_' : c; };
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [&](char x, char y) { return fold(x) == fold(y); });
}

bool same_word(std::string_view a, std::string_view b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) { return lower(x) == lower(y); });
}

}  // namespace

std::optional<Option> next_option(std::string_view line, std::size_t& position) {
    while (position < line.size() && is_space(line[position])) ++position;
    if (position >= line.size()) return {};

    const std::size_t start = position;
    std::size_t equals = 0;  // an option cannot start with its `=`
    bool quoted = false;
    for (; position < line.size() && (quoted || !is_space(line[position])); ++position) {
        if (line[position] == '"') quoted = !quoted;
        if (line[position] == '=' && equals == 0 && position != start) equals = position;
    }

    const std::string_view whole = slice(line, start, position);
    if (equals == 0) {
        if (whole == "--") {
            position = line.size();
            return {};
        }
        return Option{.key = without_quotes(whole)};
    }
    std::string_view key = slice(line, start, equals);
    std::string_view value = slice(line, equals + 1, position);
    if (key.front() == '"') {  // the whole option is quoted
        key.remove_prefix(1);
        if (!value.empty() && value.back() == '"') value.remove_suffix(1);
    }
    return Option{.key = key, .value = without_quotes(value), .has_value = true};
}

std::optional<Option> last_option(std::string_view line, std::string_view key) {
    std::optional<Option> found;
    std::size_t position = 0;
    while (const auto option = next_option(line, position))
        if (same_key(option->key, key)) found = option;
    return found;
}

std::optional<u64> take_size(std::string_view& s) {
    std::string_view rest = s;
    const u64 base = take_base(rest);
    u64 value = 0;
    std::size_t digits = 0;
    for (; digits < rest.size() && digit_value(rest[digits]) < base; ++digits) {
        u64 scaled = 0;
        if (__builtin_mul_overflow(value, base, &scaled) ||
            __builtin_add_overflow(scaled, u64{digit_value(rest[digits])}, &value))
            return {};
    }
    if (digits == 0) return {};
    rest.remove_prefix(digits);

    constexpr std::string_view kSuffixes = "kmgtpe";
    const auto power = rest.empty() ? std::string_view::npos : kSuffixes.find(lower(rest.front()));
    if (power != std::string_view::npos) {
        const u32 shift = 10 * (static_cast<u32>(power) + 1);
        if (shr(shl(value, shift), shift) != value) return {};
        value = shl(value, shift);
        rest.remove_prefix(1);
    }
    s = rest;
    return value;
}

std::optional<bool> parse_bool(std::string_view s) {
    constexpr std::string_view kTrue[] = {"on", "1", "y", "yes", "true"};
    constexpr std::string_view kFalse[] = {"off", "0", "n", "no", "false"};
    for (const std::string_view word : kTrue)
        if (same_word(s, word)) return true;
    for (const std::string_view word : kFalse)
        if (same_word(s, word)) return false;
    return {};
}

}  // namespace baton::text
