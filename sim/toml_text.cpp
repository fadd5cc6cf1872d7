// SPDX-License-Identifier: GPL-2.0-only
#include "sim/toml_text.hpp"

#include <fmt/format.h>

namespace baton::sim {
namespace {

inline constexpr u32 kDotsMax = 1000;

// toml++ descends once a part of a dotted key, and a file can ask for more stack than there is.
void refuse_depth(std::string_view text, const std::string& name) {
    u32 line = 1;
    u32 dots = 0;
    for (const char c : text) {
        if (c == '\n') {
            ++line;
            dots = 0;
        } else if (c == '.' && ++dots > kDotsMax) {
            throw InputError(name, line, 1, fmt::format("more than {} dots on one line", kDotsMax),
                             "a key has a few parts at most");
        }
    }
}

}  // namespace

toml::table parse_toml(std::string_view text, const std::string& name, const std::string& manual) {
    refuse_depth(text, name);
    try {
        return toml::parse(text);
    } catch (const toml::parse_error& error) {
        const std::string message(error.description());
        // Where the library finds a number too large it says so; say what to do about it.
        const std::string hint =
            message.find("64 bits") != std::string::npos || message.find("representable") != std::string::npos
                ? "a TOML integer has 64 bits with sign; write large sizes as \"512G\""
                : "this is not TOML; see " + manual;
        throw InputError(name, error.source().begin.line, error.source().begin.column, message, hint);
    }
}

}  // namespace baton::sim
