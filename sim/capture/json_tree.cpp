// SPDX-License-Identifier: GPL-2.0-only
#include "sim/capture/json_tree.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "sim/input_error.hpp"

namespace baton::sim {
namespace {

struct Place {
    u32 line;
    u32 col;
};

Place place_of(std::string_view text, u64 offset) {
    const std::string_view before = text.substr(0, std::min<u64>(offset, text.size()));
    const auto newline = before.rfind('\n');
    const u64 line_start = newline == std::string_view::npos ? 0 : newline + 1;
    return {static_cast<u32>(std::ranges::count(before, '\n') + 1), static_cast<u32>(before.size() - line_start + 1)};
}

/// Receives the parser's events and builds the tree.
class Builder {
public:
    using json = nlohmann::json;

    Builder(std::string_view text, const std::string& file, JsonNode& root) : text_(text), file_(file) {
        if (text_.starts_with("\xef\xbb\xbf")) at_ = 3;  // the parser skips a byte order mark
        open_.push_back(&root);
    }

    bool null() { return leaf(JsonNode::Kind::kNull); }
    bool boolean(bool v) { return leaf(JsonNode::Kind::kBool, v ? 1 : 0); }
    bool number_integer(json::number_integer_t) { return leaf(JsonNode::Kind::kOther); }
    bool number_unsigned(json::number_unsigned_t v) { return leaf(JsonNode::Kind::kNumber, v); }
    bool number_float(json::number_float_t, const std::string&) { return leaf(JsonNode::Kind::kOther); }
    bool string(std::string& v) {
        leaf(JsonNode::Kind::kString).text = std::move(v);
        return true;
    }
    bool binary(json::binary_t&) { return false; }  // JSON text has none
    bool start_object(std::size_t) { return begin(JsonNode::Kind::kObject); }
    bool start_array(std::size_t) { return begin(JsonNode::Kind::kArray); }
    bool end_object() { return end(); }
    bool end_array() { return end(); }
    bool key(std::string& k) {
        const u64 offset = token();
        JsonNode& object = *open_.back();
        if (object.find(k) != nullptr && object.keys.size() < kKeysChecked)
            fail(offset, fmt::format("\"{}\" is there twice", k), "leave one");
        object.keys.push_back(std::move(k));
        return true;
    }
    bool parse_error(std::size_t position, const std::string&, const json::exception& error) {
        const std::string_view what = error.what();
        const auto colon = what.find(": ", std::min(what.find("column"), what.size()));  // after "line 1, column 2"
        fail(position > 0 ? position - 1 : 0,
             fmt::format("is not JSON: {}", colon == std::string_view::npos ? what : what.substr(colon + 2)));
    }

private:
    static constexpr u64 kKeysChecked = 1024;  // looking for a twin is quadratic

    struct Leaf {
        JsonNode& node;
        std::string& text = node.text;
        operator bool() const { return true; }
    };

    [[noreturn]] void fail(u64 offset, const std::string& message, std::string hint = {}) const {
        const Place p = place_of(text_, offset);
        throw InputError(file_, p.line, p.col, message, std::move(hint));
    }

    /// The place of the token the parser has just accepted; goes past it.
    u64 token() {
        const auto start = text_.find_first_not_of(" \t\r\n,:", at_);
        if (start == std::string_view::npos) return at_;
        at_ = start + 1;
        if (text_[start] == '"') {
            while (at_ < text_.size() && text_[at_] != '"') at_ += text_[at_] == '\\' ? 2 : 1;
            ++at_;
        } else if (std::string_view("{}[]").find(text_[start]) == std::string_view::npos) {
            at_ = std::min(text_.find_first_of(" \t\r\n,:]}", at_), text_.size());
        }
        at_ = std::min<u64>(at_, text_.size());
        return start;
    }
    JsonNode& add(JsonNode::Kind kind) {
        JsonNode& parent = *open_.back();
        JsonNode& node = started_ ? parent.children.emplace_back() : parent;
        started_ = true;
        node.kind = kind;
        node.offset = token();
        return node;
    }
    Leaf leaf(JsonNode::Kind kind, u64 number = 0) {
        JsonNode& node = add(kind);
        node.number = number;
        return {node};
    }
    bool begin(JsonNode::Kind kind) {
        JsonNode& node = add(kind);
        if (open_.size() > JsonTree::kDepthMax) fail(node.offset, "is nested too deeply");
        open_.push_back(&node);
        return true;
    }
    bool end() {
        token();
        open_.pop_back();
        return true;
    }

    std::string_view text_;
    const std::string& file_;
    u64 at_ = 0;
    bool started_ = false;
    // Pointers stay good: only the innermost open node gets children.
    std::vector<JsonNode*> open_;
};

}  // namespace

const JsonNode* JsonNode::find(std::string_view key) const {
    for (u64 i = 0; i < keys.size() && i < children.size(); ++i)
        if (keys[i] == key) return &children[i];
    return nullptr;
}

std::string_view name_of(JsonNode::Kind kind) {
    switch (kind) {
        case JsonNode::Kind::kNull: return "null";
        case JsonNode::Kind::kBool: return "true or false";
        case JsonNode::Kind::kNumber: return "a number";
        case JsonNode::Kind::kOther: return "a negative or broken number";
        case JsonNode::Kind::kString: return "a string";
        case JsonNode::Kind::kArray: return "an array";
        case JsonNode::Kind::kObject: return "an object";
    }
    return "?";
}

JsonTree::JsonTree(std::string_view text, std::string file) : file_(std::move(file)) {
    if (text.size() > kBytesMax) throw InputError(file_, "is larger than a manifest can be");
    text_ = text;
    Builder builder(text_, file_, root_);
    nlohmann::json::sax_parse(text_, &builder);
}

void JsonTree::fail(const JsonNode& at, const std::string& message, const std::string& hint) const {
    const Place p = place_of(text_, at.offset);
    throw InputError(file_, p.line, p.col, message, hint);
}

}  // namespace baton::sim
