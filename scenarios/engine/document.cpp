// SPDX-License-Identifier: GPL-2.0-only
#include "scenarios/engine/document.hpp"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "scenarios/engine/limits.hpp"
#include "scenarios/engine/quantity.hpp"

namespace baton::scenarios {
namespace {

Place place_of(const toml::source_region& source) { return {source.begin.line, source.begin.column}; }

std::string_view other_name(toml::node_type type) {
    switch (type) {
        case toml::node_type::floating_point: return "a floating-point number";
        case toml::node_type::date: return "a date";
        case toml::node_type::time: return "a time";
        case toml::node_type::date_time: return "a date and time";
        default: return "nothing";
    }
}

Value convert(const toml::node& node) {
    Value value;
    value.place = place_of(node.source());
    if (const auto* text = node.as_string()) {
        value.type = Value::Type::kText;
        value.text = text->get();
    } else if (const auto* integer = node.as_integer()) {
        value.type = Value::Type::kInteger;
        value.integer = integer->get();
    } else if (const auto* boolean = node.as_boolean()) {
        value.type = Value::Type::kBoolean;
        value.boolean = boolean->get();
    } else if (const auto* array = node.as_array()) {
        value.type = Value::Type::kArray;
        for (const toml::node& item : *array) value.items.push_back(convert(item));
    } else if (const auto* table = node.as_table()) {
        value.type = Value::Type::kTable;
        for (const auto& [key, child] : *table)
            value.entries.push_back({std::string(key.str()), place_of(key.source()), convert(child)});
        // The library keeps tables sorted by key; people read files from the top.
        std::ranges::stable_sort(value.entries, {},
                                 [](const Entry& e) { return std::pair(e.place.line, e.place.col); });
    } else {
        value.text = other_name(node.type());
    }
    return value;
}

}  // namespace

const Entry* Value::find(std::string_view key) const {
    const auto found = std::ranges::find(entries, key, &Entry::key);
    return found == entries.end() ? nullptr : &*found;
}

std::string_view Value::type_name() const {
    switch (type) {
        case Type::kText: return "a string";
        case Type::kInteger: return "an integer";
        case Type::kBoolean: return "a boolean";
        case Type::kArray: return "an array";
        case Type::kTable: return "a table";
        case Type::kOther: break;
    }
    return text;
}

std::optional<std::string> read_scenario_file(const std::string& path, DiagnosticSink& sink) {
    namespace fs = std::filesystem;
    std::error_code error;
    const fs::file_status status = fs::status(path, error);
    if (!fs::exists(status)) {
        sink.add({}, "there is no such file");
        return {};
    }
    if (fs::is_directory(status)) {
        sink.add({}, "is a directory", "name a scenario file, such as scenarios/library/quickstart.toml");
        return {};
    }
    if (!fs::is_regular_file(status)) {
        sink.add({}, "is not a regular file");
        return {};
    }
    if (const auto size = fs::file_size(path, error); error || size > kFileBytesMax) {
        sink.add({}, fmt::format("is {} bytes long", size),
                 fmt::format("a scenario file has at most {} bytes", quantity_text(kFileBytesMax)));
        return {};
    }
    std::ifstream in(path, std::ios::binary);
    std::string text{std::istreambuf_iterator<char>(in), {}};
    if (!in || in.bad()) {
        sink.add({}, fmt::format("cannot be read: {}", std::strerror(errno)));
        return {};
    }
    return text;
}

namespace {

inline constexpr u32 kDotsMax = 1000;

// toml++ descends once a part of a dotted key, and a file can ask for more stack than there is.
std::optional<Place> too_deep(std::string_view text) {
    u32 line = 1;
    u32 dots = 0;
    for (const char c : text) {
        if (c == '\n') {
            ++line;
            dots = 0;
        } else if (c == '.' && ++dots > kDotsMax) {
            return Place{line, 1};
        }
    }
    return std::nullopt;
}

}  // namespace

std::optional<Value> read_document(std::string_view text, DiagnosticSink& sink) {
    try {
        if (const auto place = too_deep(text)) {
            sink.add(*place, fmt::format("more than {} dots on one line", kDotsMax), "a key has a few parts at most");
            return std::nullopt;
        }
        return convert(toml::parse(text));
    } catch (const toml::parse_error& error) {
        std::string message(error.description());
        // Where the library finds a number too large it says so; say what to do about it.
        std::string hint =
            message.find("64 bits") != std::string::npos || message.find("representable") != std::string::npos
                ? "a TOML integer has 64 bits with sign; write large sizes as \"512G\""
                : "this is not TOML; see docs/scenarios.md";
        sink.add(place_of(error.source()), std::move(message), std::move(hint));
        return {};
    }
}

}  // namespace baton::scenarios
