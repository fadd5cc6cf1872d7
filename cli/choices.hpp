// SPDX-License-Identifier: GPL-2.0-only
// Words of an option that choose among machines: names from a table, and seeds.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "scenarios/engine/diagnostic.hpp"
#include "scenarios/engine/fields.hpp"
#include "scenarios/engine/quantity.hpp"

namespace baton::cli {

/// Looks words of an option up in a table; unknown ones are diagnostics.
template <class Row, std::size_t kRows, class Value>
std::vector<Value> look_up(const std::vector<std::string>& words, std::string_view option, const Row (&table)[kRows],
                           Value Row::* member, std::vector<scenarios::Diagnostic>& diagnostics) {
    std::vector<Value> values;
    for (const std::string& word : words) {
        const Row* found = std::ranges::find(table, word, &Row::name);
        if (found != std::end(table)) {
            if (std::ranges::find(values, found->*member) == values.end()) values.push_back(found->*member);
        } else
            diagnostics.push_back({{},
                                   {},
                                   fmt::format("{}: unknown name \"{}\"", option, word),
                                   scenarios::suggestion(word, scenarios::names_of(table))});
    }
    return values;
}

inline std::vector<u64> seeds_of(const std::vector<std::string>& words,
                                 std::vector<scenarios::Diagnostic>& diagnostics) {
    std::vector<u64> seeds;
    for (const std::string& word : words) {
        if (const auto seed = scenarios::parse_quantity(word))
            seeds.push_back(*seed);
        else
            diagnostics.push_back({{}, {}, "--seed: " + seed.error().message, seed.error().hint});
    }
    return seeds;
}

}  // namespace baton::cli
