// SPDX-License-Identifier: GPL-2.0-only
#include "scenarios/explore/toml_text.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace baton::scenarios {
namespace {

bool is_bare(std::string_view key) {
    return !key.empty() && std::ranges::all_of(key, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
    });
}

/// A basic string; lines stay lines where there are several.
std::string quoted(std::string_view text) {
    const bool lines = text.find('\n') != std::string_view::npos;
    std::string out = lines ? "\"\"\"\n" : "\"";
    for (const char c : text) {
        const u8 byte = static_cast<u8>(c);
        if (c == '"' || c == '\\')
            out += fmt::format("\\{}", c);
        else if ((c == '\n' && lines) || (byte >= 0x20 && byte != 0x7f))
            out += c;
        else
            out += fmt::format("\\u{:04x}", byte);
    }
    return out + (lines ? "\"\"\"" : "\"");
}

std::string key_text(std::string_view key) { return is_bare(key) ? std::string(key) : quoted(key); }

std::string inline_text(const Value& value) {
    switch (value.type) {
        case Value::Type::kText: return quoted(value.text);
        case Value::Type::kInteger: return fmt::format("{}", value.integer);
        case Value::Type::kBoolean: return value.boolean ? "true" : "false";
        case Value::Type::kArray: {
            std::string out = "[";
            for (const Value& item : value.items) out += (out.size() > 1 ? ", " : "") + inline_text(item);
            return out + "]";
        }
        case Value::Type::kTable: {
            std::string out = "{";
            for (const Entry& e : value.entries)
                out += fmt::format("{} {} = {}", out.size() > 1 ? "," : "", key_text(e.key), inline_text(e.value));
            return out + " }";
        }
        case Value::Type::kOther: break;
    }
    return "\"\"";  // a date or a fraction: no scenario that parses has one
}

bool is_sections(const Value& value) {
    return value.type == Value::Type::kArray && !value.items.empty() &&
           std::ranges::all_of(value.items, [](const Value& v) { return v.type == Value::Type::kTable; });
}

// What stands on a line of its own first: behind a section's header, everything belongs to that section.
void append_table(const Value& table, const std::string& path, std::string& out) {
    const auto is_section = [](const Value& v) { return v.type == Value::Type::kTable || is_sections(v); };
    for (const Entry& e : table.entries)
        if (!is_section(e.value)) out += fmt::format("{} = {}\n", key_text(e.key), inline_text(e.value));
    for (const Entry& e : table.entries) {
        if (!is_section(e.value)) continue;
        const std::string name = path.empty() ? key_text(e.key) : path + "." + key_text(e.key);
        if (e.value.type == Value::Type::kTable) {
            out += fmt::format("\n[{}]\n", name);
            append_table(e.value, name, out);
        } else {
            for (const Value& item : e.value.items) {
                out += fmt::format("\n[[{}]]\n", name);
                append_table(item, name, out);
            }
        }
    }
}

}  // namespace

std::string to_toml(const Value& root) {
    std::string out;
    append_table(root, "", out);
    return out;
}

Value text_value(std::string text) {
    Value v;
    v.type = Value::Type::kText;
    v.text = std::move(text);
    return v;
}

Value integer_value(u64 number) {
    Value v;
    v.type = Value::Type::kInteger;
    v.integer = static_cast<i64>(number);
    return v;
}

Value array_value(std::vector<Value> items) {
    Value v;
    v.type = Value::Type::kArray;
    v.items = std::move(items);
    return v;
}

Value table_value(std::initializer_list<std::pair<std::string_view, Value>> entries) {
    Value v;
    v.type = Value::Type::kTable;
    for (const auto& [key, value] : entries) v.entries.push_back({std::string(key), {}, value});
    return v;
}

Value* find_value(Value& table, std::string_view key) {
    for (Entry& e : table.entries)
        if (e.key == key) return &e.value;
    return nullptr;
}

void set_value(Value& table, std::string_view key, Value value) {
    if (Value* const there = find_value(table, key))
        *there = std::move(value);
    else
        table.entries.push_back({std::string(key), {}, std::move(value)});
}

void remove_key(Value& table, std::string_view key) {
    std::erase_if(table.entries, [&](const Entry& e) { return e.key == key; });
}

}  // namespace baton::scenarios
