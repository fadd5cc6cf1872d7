// SPDX-License-Identifier: GPL-2.0-only
#include "scenarios/engine/document.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "scenarios/engine/limits.hpp"
#include "scenarios/engine/quantity.hpp"
#include "sim/toml_text.hpp"

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

std::optional<Value> read_document(std::string_view text, DiagnosticSink& sink) {
    try {
        return convert(sim::parse_toml(text, {}, "docs/scenarios.md"));
    } catch (const sim::InputError& e) {
        sink.add({e.line, e.col}, e.what(), e.hint);
        return {};
    }
}

}  // namespace baton::scenarios
