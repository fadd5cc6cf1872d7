// SPDX-License-Identifier: GPL-2.0-only
// A document back to text that reads as the same document; and the few edits that explorers make to one.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include "scenarios/engine/document.hpp"

namespace baton::scenarios {

/// The root table as TOML: tables as [sections], arrays of tables as [[sections]], everything else inline.
std::string to_toml(const Value& root);

Value text_value(std::string text);
Value integer_value(u64 number);
Value array_value(std::vector<Value> items);
Value table_value(std::initializer_list<std::pair<std::string_view, Value>> entries);

Value* find_value(Value& table, std::string_view key);
/// Replaces the value, or adds the key at the end.
void set_value(Value& table, std::string_view key, Value value);
void remove_key(Value& table, std::string_view key);

}  // namespace baton::scenarios
