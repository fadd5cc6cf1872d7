// SPDX-License-Identifier: GPL-2.0-only
#include "scenarios/engine/diagnostic.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "scenarios/engine/limits.hpp"

namespace baton::scenarios {
namespace {

/// Damerau's distance restricted to adjacent swaps: what typing slips are made of.
std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::vector<std::size_t>> cost(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
    for (std::size_t i = 0; i <= a.size(); ++i) cost[i][0] = i;
    for (std::size_t j = 0; j <= b.size(); ++j) cost[0][j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t replaced = cost[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
            cost[i][j] = std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1, replaced});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
        }
    }
    return cost[a.size()][b.size()];
}

constexpr std::size_t kNamesShownMax = 12;
constexpr std::size_t kWordMax = 64;  // longer words are no slip of any name

}  // namespace

void DiagnosticSink::add(Place place, std::string message, std::string hint) {
    ++count_;
    if (found_.size() < kDiagnosticsMax) found_.push_back({file_, place, std::move(message), std::move(hint)});
}

std::vector<Diagnostic> DiagnosticSink::take() {
    std::vector<Diagnostic> sorted = std::move(found_);
    found_.clear();
    std::ranges::stable_sort(sorted, {}, [](const Diagnostic& d) { return std::pair(d.place.line, d.place.col); });
    if (count_ > sorted.size())
        sorted.push_back({file_, {}, fmt::format("{} more errors are not shown", count_ - sorted.size()), {}});
    return sorted;
}

std::string to_text(const Diagnostic& d) {
    std::string text = d.file;
    if (d.place.line != 0) text += fmt::format(":{}:{}", d.place.line, d.place.col);
    text += text.empty() ? d.message : ": " + d.message;
    if (!d.hint.empty()) text += " (" + d.hint + ")";
    return text;
}

nlohmann::json to_json(const Diagnostic& d) {
    return {{"file", d.file}, {"line", d.place.line}, {"col", d.place.col}, {"message", d.message}, {"hint", d.hint}};
}

std::string error_json(const std::vector<Diagnostic>& diagnostics) {
    nlohmann::json out;
    if (!diagnostics.empty()) out["error"] = to_json(diagnostics.front());
    if (diagnostics.size() > 1)
        for (const Diagnostic& d : diagnostics) out["errors"].push_back(to_json(d));
    return out.dump(2, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string_view nearest(std::string_view word, std::span<const std::string_view> names) {
    if (word.empty() || word.size() > kWordMax) return {};
    std::string_view best;
    std::size_t best_distance = std::max<std::size_t>(1, word.size() / 3) + 1;
    for (std::string_view name : names) {
        const std::size_t distance = edit_distance(word, name);
        if (distance < best_distance) {
            best = name;
            best_distance = distance;
        }
    }
    return best;
}

std::string quoted_list(std::span<const std::string_view> names) {
    std::string list;
    for (std::string_view name : names) list += fmt::format("{}\"{}\"", list.empty() ? "" : ", ", name);
    return list;
}

std::string suggestion(std::string_view word, std::span<const std::string_view> names, std::string_view elsewhere) {
    std::string hint;
    if (const std::string_view near = nearest(word, names); !near.empty())
        hint = fmt::format("did you mean \"{}\"?", near);
    std::string rest(elsewhere);
    if (names.size() <= kNamesShownMax) rest = names.empty() ? "none is known here" : "one of " + quoted_list(names);
    if (!hint.empty() && !rest.empty()) hint += " ";
    return hint + rest;
}

}  // namespace baton::scenarios
