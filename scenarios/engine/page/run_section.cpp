// SPDX-License-Identifier: GPL-2.0-only
#include <fmt/format.h>

#include <algorithm>

#include "scenarios/engine/markup.hpp"
#include "scenarios/engine/page/sections.hpp"

namespace baton::scenarios::page {
namespace {

inline constexpr std::size_t kLogMax = 2'000;  // lines of one run
inline constexpr std::size_t kLogBefore = 8;   // a finding
inline constexpr u32 kSourceBefore = 2;        // lines
inline constexpr u32 kSourceAfter = 6;
inline constexpr std::size_t kLineMax = 400;  // bytes of one line of source

std::string folded(std::string_view summary, std::string_view body) {
    return fmt::format("<details class=\"more\"><summary>{}</summary>\n{}</details>\n", escaped(summary), body);
}

/// The scenario's own lines around a place, with their numbers.
std::string source_around(std::string_view source, u32 wanted) {
    if (wanted == 0) return {};  // no place in the file
    std::string out;
    u32 number = 0;
    while (!source.empty()) {
        const std::size_t end = std::min(source.find('\n'), source.size());
        const std::string_view line = source.substr(0, std::min(end, kLineMax));
        ++number;
        if (number + kSourceBefore >= wanted && number <= wanted + kSourceAfter)
            out += fmt::format("<span class=\"{}\"><span class=\"n\">{:>4}  </span>{}</span>\n",
                               number == wanted ? "here" : "line", number, escaped(line));
        source.remove_prefix(std::min(end + 1, source.size()));
    }
    return out.empty() ? out : "<pre>" + out + "</pre>\n";
}

std::string step_name(const RunResult& r, u32 step) {
    for (const StepReport& s : r.steps)
        if (s.step == step) return fmt::format("step {}, {}", step + 1, s.name);
    return fmt::format("step {}", step + 1);
}

std::string steps(const RunResult& r) {
    if (r.steps.empty()) return {};
    std::string rows;
    for (const StepReport& s : r.steps) {
        const bool wrong = std::ranges::count(r.findings, s.step, &Finding::step) != 0;
        rows += fmt::format(
            "<tr><td class=\"num\">{}</td><td>{}{}</td><td class=\"num\">{}</td><td class=\"num\">{}</td></tr>\n",
            s.step + 1, escaped(s.name), wrong ? " <span class=\"badge bad\">here</span>" : "", s.place.line,
            s.time_ns == 0 ? "" : time_text(s.time_ns));
    }
    return folded(fmt::format("{} steps", r.steps.size()),
                  "<table><thead><tr><th class=\"num\">step</th><th>what</th><th class=\"num\">line</th>"
                  "<th class=\"num\">time</th></tr></thead><tbody>\n" +
                      rows + "</tbody></table>\n");
}

std::string verified(const RunResult& r) {
    if (r.verified.empty()) return {};
    std::string out = "<h3>Verified</h3>\n<ul>\n";
    for (const std::string& line : r.verified) out += fmt::format("<li>{}</li>\n", escaped(line));
    return out + "</ul>\n";
}

std::string log(const RunResult& r) {
    if (r.log.empty()) return {};
    const std::size_t end = std::min(r.log.size(), kLogMax);
    std::string body = log_lines(r.log, 0, end, ~0u);
    if (end != r.log.size()) body += fmt::format("<p class=\"soft\">and {} more</p>\n", r.log.size() - end);
    return folded(fmt::format("{} lines of kernel log", r.log.size()), body);
}

std::string hashes(const RunResult& r) {
    std::string out;
    for (const auto& [name, value] : {std::pair("state", r.state_hash), std::pair("handover", r.handover_hash),
                                      std::pair("sequence", r.sequence_hash)})
        if (!value.empty()) out += fmt::format("{} <span class=\"m\">{}</span> ", name, escaped(value));
    return out.empty() ? out : "<p class=\"soft hashes\">" + out + "</p>\n";
}

}  // namespace

std::string log_lines(const std::vector<LogLine>& log, std::size_t first, std::size_t end, u32 step_of_interest) {
    std::string out = "<pre>";
    for (std::size_t i = first; i < end; ++i) {
        const LogLine& l = log[i];
        const bool past = step_of_interest != ~0u && l.step != step_of_interest;
        const std::string_view colour = l.level == "error" || l.level == "warn" ? std::string_view(l.level)
                                        : past                                  ? "past"
                                                                                : "line";
        out += fmt::format("<span class=\"n\">step {:<3} [{:>5}.{:06}] {:<8} </span><span class=\"{}\">{}</span>\n",
                           l.step + 1, l.time_ns / 1'000'000'000, l.time_ns / 1000 % 1'000'000, escaped(l.kernel),
                           colour, escaped(l.text));
    }
    return out + "</pre>\n";
}

std::string findings_section(const RunResult& r) {
    std::string out;
    for (const Finding& f : r.findings) {
        out += fmt::format("<div class=\"finding\"><b>{}</b>\n", escaped(f.what));
        if (!f.detail.empty()) out += fmt::format("<p>{}</p>\n", escaped(f.detail));
        out += fmt::format("<p class=\"soft\">{} · <span class=\"m\">{}:{}:{}</span></p>\n",
                           escaped(step_name(r, f.step)), escaped(r.scenario), f.place.line, f.place.col);
        out += source_around(r.source, f.place.line);
        // What the kernels said up to the end of the step.
        const auto after = std::ranges::find_if(r.log, [&](const LogLine& l) { return l.step > f.step; });
        const std::size_t end = static_cast<std::size_t>(after - r.log.begin());
        if (end != 0)
            out += "<p class=\"soft\">the kernel's last words</p>\n" +
                   log_lines(r.log, end - std::min(end, kLogBefore), end, f.step);
        out += "</div>\n";
    }
    return out;
}

std::string run_section(const RunResult& r, std::size_t index, bool open) {
    std::string out = fmt::format("<details class=\"run card\" id=\"run-{}\"{}><summary>{}<h2>{}</h2></summary>\n",
                                  index + 1, open ? " open" : "", verdict_badge(r), escaped(r.title));
    out += fmt::format("<p class=\"soft\"><span class=\"m\">{}</span> · {}</p>\n", escaped(r.scenario),
                       escaped(cell_name(r.cell)));
    if (!r.message.empty()) out += fmt::format("<div class=\"finding\"><b>{}</b></div>\n", escaped(r.message));
    out += findings_section(r);
    if (!r.crash.empty()) out += "<h3>The guest when it stopped</h3>\n<pre>" + escaped(r.crash) + "</pre>\n";
    for (std::size_t i = 0; i < r.hops.size(); ++i) out += hop_section(r, i);
    out += verified(r);
    if (!r.phases.empty())
        out += folded(r.hops.empty() ? "work of the whole run" : "work of all hops together", phase_table(r.phases));
    out += steps(r) + log(r) + hashes(r);
    if (!r.next.empty()) out += fmt::format("<p>next: <code>{}</code></p>\n", escaped(r.next));
    if (!r.saved.empty()) out += fmt::format("<p>saved: <code>{}</code></p>\n", escaped(r.saved));
    return out + "</details>\n";
}

}  // namespace baton::scenarios::page
