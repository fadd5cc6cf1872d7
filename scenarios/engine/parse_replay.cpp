// SPDX-License-Identifier: GPL-2.0-only
// `[replay]`: what a run came to when `baton explore` wrote the file (docs/explore.md).
#include <fmt/format.h>

#include <algorithm>

#include "scenarios/engine/limits.hpp"
#include "scenarios/engine/parse.hpp"

namespace baton::scenarios {
namespace {

constexpr std::string_view kKeys[] = {"from", "finding", "verdict", "steps", "writes", "state_native", "state_guest"};
inline constexpr std::size_t kHashDigits = 32;

bool is_hash(std::string_view text) {
    return text.size() == kHashDigits &&
           std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

std::string hash_of(Fields& fields, std::string_view key) {
    const auto text = fields.text(key);
    if (!text) return {};
    if (!is_hash(*text))
        fields.error(key, fmt::format("\"{}\" is no hash", key), "32 hexadecimal digits, as baton wrote them");
    return *text;
}

}  // namespace

std::optional<ReplayRecord> parse_replay(const Value& root, std::size_t steps, DiagnosticSink& sink) {
    const Entry* entry = root.find("replay");
    if (entry == nullptr) return std::nullopt;
    if (entry->value.type != Value::Type::kTable) {
        sink.add(entry->value.place, fmt::format("\"replay\" is {}", entry->value.type_name()),
                 "[replay] and its keys, as `baton explore` writes them");
        return std::nullopt;
    }
    Fields fields(entry->value, entry->place, "[replay]", sink);
    fields.allow_only(kKeys);
    ReplayRecord record;
    record.place = entry->place;
    for (const std::string_view key : {"from", "finding", "verdict", "steps", "writes"}) fields.require(key);
    if (const auto from = fields.integer("from", 1, std::max<u64>(steps, 1))) record.from = static_cast<u32>(*from - 1);
    record.finding = fields.text("finding").value_or("");
    record.verdict = fields.text("verdict").value_or("");
    for (const Value* v : fields.each("steps")) {
        const auto text = as_text(*v, "steps", sink);
        if (text && !is_hash(*text)) sink.add(v->place, "\"steps\" holds what is no hash", "32 hexadecimal digits");
        if (text) record.steps.push_back(*text);
    }
    record.writes = hash_of(fields, "writes");
    record.state_native = hash_of(fields, "state_native");
    record.state_guest = hash_of(fields, "state_guest");
    return record;
}

}  // namespace baton::scenarios
