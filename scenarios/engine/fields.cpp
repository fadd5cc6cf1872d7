// SPDX-License-Identifier: GPL-2.0-only
#include "scenarios/engine/fields.hpp"

#include <fmt/format.h>

#include "scenarios/engine/limits.hpp"
#include "scenarios/engine/quantity.hpp"

namespace baton::scenarios {
namespace {

void wrong_type(const Value& value, std::string_view key, std::string_view wanted, DiagnosticSink& sink) {
    sink.add(value.place, fmt::format("\"{}\" is {}", key, value.type_name()), fmt::format("it takes {}", wanted));
}

}  // namespace

std::optional<std::string> as_text(const Value& value, std::string_view key, DiagnosticSink& sink) {
    if (value.type == Value::Type::kText) return value.text;
    wrong_type(value, key, "a string", sink);
    return {};
}

std::optional<u64> as_integer(const Value& value, std::string_view key, u64 min, u64 max, DiagnosticSink& sink) {
    if (value.type != Value::Type::kInteger) {
        wrong_type(value, key, "an integer", sink);
        return {};
    }
    if (value.integer >= 0 && static_cast<u64>(value.integer) >= min && static_cast<u64>(value.integer) <= max)
        return static_cast<u64>(value.integer);
    sink.add(value.place, fmt::format("\"{}\" is {}", key, value.integer), fmt::format("it takes {} to {}", min, max));
    return {};
}

std::optional<u64> as_quantity(const Value& value, std::string_view key, bool zero_allowed, DiagnosticSink& sink) {
    std::optional<u64> number;
    if (value.type == Value::Type::kInteger) {
        if (value.integer < 0) {
            sink.add(value.place, fmt::format("\"{}\": {} is negative", key, value.integer),
                     "sizes and addresses are not");
            return {};
        }
        number = static_cast<u64>(value.integer);
    } else if (value.type == Value::Type::kText) {
        auto parsed = parse_quantity(value.text);
        if (!parsed) {
            sink.add(value.place, fmt::format("\"{}\": {}", key, parsed.error().message), parsed.error().hint);
            return {};
        }
        number = *parsed;
    } else {
        wrong_type(value, key, "an integer or a string such as \"512M\"", sink);
        return {};
    }
    if (*number == 0 && !zero_allowed) {
        sink.add(value.place, fmt::format("\"{}\" is 0", key), "it takes a size above 0");
        return {};
    }
    return number;
}

std::optional<std::size_t> as_choice(const Value& value, std::string_view key, const Choices& choices,
                                     DiagnosticSink& sink) {
    if (value.type != Value::Type::kText) {
        wrong_type(value, key, fmt::format("the name of a {}", choices.noun), sink);
        return {};
    }
    const auto found = std::ranges::find(choices.names, value.text);
    if (found != choices.names.end()) return static_cast<std::size_t>(found - choices.names.begin());
    sink.add(value.place, fmt::format("unknown {} \"{}\"", choices.noun, value.text),
             suggestion(value.text, choices.names, choices.elsewhere));
    return {};
}

Place Fields::place(std::string_view key) const {
    const Entry* entry = table_.find(key);
    return entry == nullptr ? place_ : entry->value.place;
}

const Value* Fields::value(std::string_view key) const {
    const Entry* entry = table_.find(key);
    return entry == nullptr ? nullptr : &entry->value;
}

void Fields::allow_only(std::span<const std::string_view> keys) {
    for (const Entry& entry : table_.entries)
        if (std::ranges::find(keys, entry.key) == keys.end())
            sink_.add(entry.place, fmt::format("unknown key \"{}\" in {}", entry.key, what_),
                      suggestion(entry.key, keys, "docs/scenarios.md lists them"));
}

bool Fields::require(std::string_view key, std::string_view hint) {
    if (has(key)) return true;
    sink_.add(place_, fmt::format("{} needs \"{}\"", what_, key), std::string(hint));
    return false;
}

std::optional<std::string_view> Fields::exactly_one(std::span<const std::string_view> keys) {
    std::vector<std::string_view> given;
    for (std::string_view key : keys)
        if (has(key)) given.push_back(key);
    if (given.size() == 1) return given.front();
    if (given.empty())
        sink_.add(place_, fmt::format("{} needs one of {}", what_, quoted_list(keys)));
    else
        sink_.add(place(given.back()), fmt::format("{} has {}", what_, quoted_list(given)), "give only one of them");
    return {};
}

std::optional<std::string> Fields::text(std::string_view key) {
    const Value* v = value(key);
    return v == nullptr ? std::nullopt : as_text(*v, key, sink_);
}

std::optional<std::string> Fields::name(std::string_view key) {
    auto text = this->text(key);
    if (!text) return {};
    const auto legal = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
               c == '.';
    };
    if (!text->empty() && text->size() <= kNameBytesMax && std::ranges::all_of(*text, legal)) return text;
    error(key, fmt::format("\"{}\" is not a name", *text),
          fmt::format("1 to {} letters, digits, '_', '-' and '.'", kNameBytesMax));
    return {};
}

std::optional<bool> Fields::boolean(std::string_view key) {
    const Value* v = value(key);
    if (v == nullptr) return {};
    if (v->type == Value::Type::kBoolean) return v->boolean;
    wrong_type(*v, key, "true or false", sink_);
    return {};
}

std::optional<u64> Fields::integer(std::string_view key, u64 min, u64 max) {
    const Value* v = value(key);
    return v == nullptr ? std::nullopt : as_integer(*v, key, min, max, sink_);
}

std::optional<u64> Fields::quantity(std::string_view key, bool zero_allowed) {
    const Value* v = value(key);
    return v == nullptr ? std::nullopt : as_quantity(*v, key, zero_allowed, sink_);
}

std::optional<u64> Fields::size(std::string_view key, u64 min, u64 max) {
    const auto bytes = quantity(key);
    if (!bytes || (*bytes >= min && *bytes <= max)) return bytes;
    error(key, fmt::format("\"{}\" is {}", key, quantity_text(*bytes)),
          fmt::format("it takes {} to {}", quantity_text(min), quantity_text(max)));
    return {};
}

std::optional<std::size_t> Fields::choice(std::string_view key, const Choices& choices) {
    const Value* v = value(key);
    return v == nullptr ? std::nullopt : as_choice(*v, key, choices, sink_);
}

std::optional<std::vector<u8>> Fields::hex_bytes(std::string_view key) {
    const auto digits = text(key);
    if (!digits) return {};
    auto bytes = parse_hex_bytes(*digits);
    if (bytes) return std::move(*bytes);
    error(key, fmt::format("\"{}\": {}", key, bytes.error().message), bytes.error().hint);
    return {};
}

std::vector<const Value*> Fields::each(std::string_view key) {
    const Value* v = value(key);
    if (v == nullptr) return {};
    if (v->type != Value::Type::kArray) return {v};
    if (v->items.empty())
        error(key, fmt::format("\"{}\" is an empty array", key), "leave it out, or name at least one");
    std::vector<const Value*> values;
    values.reserve(v->items.size());
    for (const Value& item : v->items) values.push_back(&item);
    return values;
}

std::vector<std::string> Fields::texts(std::string_view key) {
    std::vector<std::string> list;
    for (const Value* v : each(key))
        if (auto text = as_text(*v, key, sink_)) list.push_back(std::move(*text));
    return list;
}

void Fields::error(std::string_view key, std::string message, std::string hint) {
    sink_.add(place(key), std::move(message), std::move(hint));
}

}  // namespace baton::scenarios
