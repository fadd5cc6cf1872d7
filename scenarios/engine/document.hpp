// SPDX-License-Identifier: GPL-2.0-only
// A TOML file as plain values with their places: the only part of the parser that knows the TOML library.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/types.hpp"
#include "scenarios/engine/diagnostic.hpp"

namespace baton::scenarios {

struct Entry;

struct Value {
    enum class Type { kText, kInteger, kBoolean, kArray, kTable, kOther } type = Type::kOther;
    Place place;
    std::string text;            // kText; of kOther the name of its type
    i64 integer = 0;             // kInteger
    bool boolean = false;        // kBoolean
    std::vector<Value> items;    // kArray
    std::vector<Entry> entries;  // kTable, in file order

    const Entry* find(std::string_view key) const;
    /// "a string", "an integer", …: for messages.
    std::string_view type_name() const;
};

struct Entry {
    std::string key;
    Place place;  // of the key
    Value value;
};

/// The bytes of a scenario file. Nothing, and a diagnostic, when it cannot be read: missing, a directory, too large.
std::optional<std::string> read_scenario_file(const std::string& path, DiagnosticSink& sink);

/// The root table. Nothing, and one diagnostic, when the text is not TOML.
std::optional<Value> read_document(std::string_view text, DiagnosticSink& sink);

}  // namespace baton::scenarios
