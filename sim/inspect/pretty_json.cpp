// SPDX-License-Identifier: GPL-2.0-only
#include "sim/inspect/pretty_json.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace baton::sim {
namespace {

using nlohmann::ordered_json;

std::string scalar(const ordered_json& v) { return v.dump(-1, ' ', false, ordered_json::error_handler_t::replace); }

bool on_one_line(const ordered_json& v) {
    return v.empty() || !v.is_structured() ||
           (v.is_array() && std::ranges::none_of(v, [](const ordered_json& x) { return x.is_structured(); }));
}

void print(const ordered_json& v, std::string& out, unsigned depth) {
    if (v.is_array() && on_one_line(v)) {
        out += '[';
        for (std::size_t i = 0; i < v.size(); ++i) out += (i == 0 ? "" : ", ") + scalar(v[i]);
        out += ']';
        return;
    }
    if (on_one_line(v)) {
        out += scalar(v);
        return;
    }
    const std::string indent((depth + 1) * 2, ' ');
    out += v.is_object() ? '{' : '[';
    bool first = true;
    for (const auto& [key, item] : v.items()) {
        out += (first ? "\n" : ",\n") + indent;
        if (v.is_object()) out += scalar(key) + ": ";
        print(item, out, depth + 1);
        first = false;
    }
    out += "\n" + std::string(depth * 2, ' ') + (v.is_object() ? '}' : ']');
}

}  // namespace

std::string pretty(const ordered_json& value) {
    std::string out;
    print(value, out, 0);
    return out;
}

}  // namespace baton::sim
