// SPDX-License-Identifier: GPL-2.0-only
// Kernel command lines: options, sizes with suffixes, booleans (specs/kho.md §2.12; specs/memblock.md §6).
// Freestanding: no locale, no allocation.
#pragma once

#include <optional>
#include <string_view>

#include "model/types.hpp"

namespace baton::text {

/// One `key=value` (or bare `key`) of a command line; views into the line.
struct Option {
    std::string_view key;
    std::string_view value;
    bool has_value = false;
};

/// Steps through a command line. `position` starts at 0; returns nothing at the end. Options are separated by spaces;
/// a double-quoted stretch keeps its spaces.
std::optional<Option> next_option(std::string_view line, std::size_t& position);
/// The last occurrence wins, as for kernel parameters.
std::optional<Option> last_option(std::string_view line, std::string_view key);

/// Reads digits (decimal, 0x, leading-0 octal) with an optional suffix K M G T P E (either case) from the front of
/// `s`, advances it. Nothing if there is no digit or the value does not fit in 64 bits.
std::optional<u64> take_size(std::string_view& s);
/// on/off/1/0/y/n/yes/no/true/false; nothing for anything else.
std::optional<bool> parse_bool(std::string_view s);

}  // namespace baton::text
