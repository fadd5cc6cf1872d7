// SPDX-License-Identifier: GPL-2.0-only
// A table of what a scenario file can have wrong, and what a person is told: the first diagnostic of each.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "scenarios/engine/parse.hpp"
#include "tests/catch.hpp"

namespace baton::test {

struct Case {
    std::string_view what;
    std::string_view text;  // after what it needs before it; alone if it has a title or begins with a comment
    u32 line;
    u32 col;
    std::string_view message;
    std::string_view hint;
};

inline void check_cases(std::span<const Case> cases, const std::string& before) {
    for (const Case& c : cases) {
        INFO(c.what);
        const bool alone = c.text.starts_with("title") || c.text.starts_with("#");
        const scenarios::Parsed parsed =
            scenarios::parse_text((alone ? "" : before) + std::string(c.text), "file.toml");
        CHECK_FALSE(parsed.scenario);
        REQUIRE_FALSE(parsed.diagnostics.empty());
        const scenarios::Diagnostic& d = parsed.diagnostics.front();
        CAPTURE(to_text(d));
        CHECK(d.file == "file.toml");
        CHECK(d.place.line == c.line);
        CHECK(d.place.col == c.col);
        CHECK(d.message.find(c.message) != std::string::npos);
        CHECK(d.hint.find(c.hint) != std::string::npos);
    }
}

}  // namespace baton::test
