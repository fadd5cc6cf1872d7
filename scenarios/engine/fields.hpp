// SPDX-License-Identifier: GPL-2.0-only
// Reads the keys of one table of a scenario file and says exactly what is wrong with each.
//
// Every reader returns nothing when the key is absent or wrong; wrong has then been reported. Callers that must know
// whether a whole table was right compare DiagnosticSink::count() before and after.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "scenarios/engine/document.hpp"

namespace baton::scenarios {

/// The `name` column of a table of the model.
template <class Row, std::size_t kRows, class Member = std::string_view Row::*>
std::vector<std::string_view> names_of(const Row (&table)[kRows], Member member = &Row::name) {
    std::vector<std::string_view> names;
    for (const Row& row : table) names.push_back(row.*member);
    return names;
}

/// What a name is looked up in.
struct Choices {
    std::string_view noun;  // "step", "generation", …
    std::span<const std::string_view> names;
    std::string_view elsewhere = {};  // where a long list is printed
};

// One value, whoever holds it. `key` is for the message.
std::optional<std::string> as_text(const Value& value, std::string_view key, DiagnosticSink& sink);
std::optional<u64> as_integer(const Value& value, std::string_view key, u64 min, u64 max, DiagnosticSink& sink);
/// An integer or a string with a suffix; 0 is an error unless allowed.
std::optional<u64> as_quantity(const Value& value, std::string_view key, bool zero_allowed, DiagnosticSink& sink);
std::optional<std::size_t> as_choice(const Value& value, std::string_view key, const Choices& choices,
                                     DiagnosticSink& sink);

class Fields {
public:
    /// `what` names the table in messages: `[kernel.a]`, `step "alloc"`.
    Fields(const Value& table, Place place, std::string what, DiagnosticSink& sink)
        : table_(table), place_(place), what_(std::move(what)), sink_(sink) {}

    const std::string& what() const { return what_; }
    DiagnosticSink& sink() { return sink_; }
    bool has(std::string_view key) const { return table_.find(key) != nullptr; }
    /// Of the table, or of a key's value.
    Place place() const { return place_; }
    Place place(std::string_view key) const;
    const Value* value(std::string_view key) const;

    /// Reports every key that is not in the list.
    void allow_only(std::span<const std::string_view> keys);
    /// Reports a missing key.
    bool require(std::string_view key, std::string_view hint = {});
    /// The one of these keys that is given; none or several are reported.
    std::optional<std::string_view> exactly_one(std::span<const std::string_view> keys);

    std::optional<std::string> text(std::string_view key);
    /// A region, kernel or subtree: 1 … kNameBytesMax letters, digits, `_`, `-`, `.`
    std::optional<std::string> name(std::string_view key);
    std::optional<bool> boolean(std::string_view key);
    std::optional<u64> integer(std::string_view key, u64 min, u64 max);
    std::optional<u64> quantity(std::string_view key, bool zero_allowed = false);
    /// A size within [min, max].
    std::optional<u64> size(std::string_view key, u64 min, u64 max);
    std::optional<std::size_t> choice(std::string_view key, const Choices& choices);
    std::optional<std::vector<u8>> hex_bytes(std::string_view key);
    /// The values of a key that takes one or an array of them; an empty array is reported.
    std::vector<const Value*> each(std::string_view key);
    std::vector<std::string> texts(std::string_view key);

    void error(std::string_view key, std::string message, std::string hint = {});

private:
    const Value& table_;
    Place place_;
    std::string what_;
    DiagnosticSink& sink_;
};

}  // namespace baton::scenarios
