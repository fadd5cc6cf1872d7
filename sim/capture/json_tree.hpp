// SPDX-License-Identifier: GPL-2.0-only
// A JSON document that remembers where each value stood, so that what is wrong with one can be said as file:line:col.
//
// nlohmann::json parses; its events come in the order of the text, so one look at the text per event gives the place
// of the token. Depth and size are bounded: a document of a million brackets is refused, not recursed into.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/types.hpp"

namespace baton::sim {

struct JsonNode {
    enum class Kind { kNull, kBool, kNumber, kOther, kString, kArray, kObject };  // kOther: negative, fraction
    Kind kind = Kind::kNull;
    u64 offset = 0;  // of its first byte in the text
    u64 number = 0;
    std::string text;
    std::vector<std::string> keys;  // of an object, as many as children
    std::vector<JsonNode> children;

    bool is(Kind k) const { return kind == k; }
    const JsonNode* find(std::string_view key) const;
};

/// "a number", "a string", … for messages.
std::string_view name_of(JsonNode::Kind kind);

class JsonTree {
public:
    static constexpr u64 kBytesMax = 256 * kMiB;
    static constexpr u64 kDepthMax = 16;

    /// `file` is for messages. Throws InputError.
    JsonTree(std::string_view text, std::string file);

    const JsonNode& root() const { return root_; }
    const std::string& file() const { return file_; }
    /// Throws InputError at the place of a node.
    [[noreturn]] void fail(const JsonNode& at, const std::string& message, const std::string& hint = {}) const;

private:
    std::string text_;
    std::string file_;
    JsonNode root_;
};

}  // namespace baton::sim
