// SPDX-License-Identifier: GPL-2.0-only
#include <fmt/format.h>

#include <algorithm>

#include "scenarios/engine/markup.hpp"
#include "scenarios/engine/page/sections.hpp"

namespace baton::scenarios::page {
namespace {

/// Who works in a phase: the old kernel, the machine code between, the new kernel.
std::string_view worker(Phase phase) {
    if (phase < Phase::kRelocation) return "old";
    return phase < Phase::kEarlyBoot ? "machine" : "new";
}

std::string work_text(const PhaseWork& p) {
    std::string out;
    for (const WorkInfo& unit : kWorks)
        if (const u64 amount = p.work[static_cast<u32>(unit.work)]; amount != 0)
            out += fmt::format("{}<span title=\"{}\">{} {}</span>", out.empty() ? "" : ", ", escaped(unit.meaning),
                               amount, escaped(unit.name));
    return out;
}

/// The blackout as one bar.
std::string blackout(const std::vector<PhaseWork>& phases) {
    std::string out = "<div class=\"stack\">";
    const u64 whole = std::max<u64>(dark_ns(phases), 1);
    for (const PhaseWork& p : phases) {
        const PhaseInfo& phase = info(p.phase);
        if (!phase.dark || p.time_ns == 0) continue;
        const u64 promille = static_cast<u64>(static_cast<unsigned __int128>(p.time_ns) * 1000 / whole);
        const std::string label = promille >= 110  ? fmt::format("{} {}", phase.code, escaped(phase.name))
                                  : promille >= 40 ? std::string(phase.code)
                                                   : "";
        out += fmt::format("<i class=\"{}\" style=\"flex:{} 1 0\" title=\"{} {}: {}\">{}</i>", worker(p.phase),
                           std::max<u64>(promille, 1), phase.code, escaped(phase.name), time_text(p.time_ns), label);
    }
    return out +
           "</div>\n<div class=\"key\"><span><i class=\"old\"></i>old kernel</span><span><i class=\"machine\"></i>"
           "machine code between</span><span><i class=\"new\"></i>new kernel</span></div>\n";
}

std::string figure(std::string_view value, std::string_view meaning) {
    return fmt::format("<div><b>{}</b><span>{}</span></div>", escaped(value), escaped(meaning));
}

std::string row(std::string_view name, std::string_view meaning, PhysRange range) {
    return fmt::format("<tr><td>{}</td><td class=\"m\">{}</td><td class=\"num\">{}</td><td>{}</td></tr>\n",
                       escaped(name), hex(range.start), range.size == 0 ? "" : size_text(range.size), escaped(meaning));
}

std::string places(const Hop& h) {
    std::string rows;
    if (h.fdt.value != 0) rows += row("root FDT", "the handover begins here", {h.fdt, 0});
    for (const SubtreeReport& s : h.subtrees) rows += row(s.name, "subtree", {s.blob, 0});
    for (const PhysRange& area : h.scratch) rows += row("scratch", "the next kernel boots in it", area);
    for (const SegmentReport& s : h.segments)
        rows += row(s.name, fmt::format("segment, {} of content", size_text(s.content_bytes)), s.destination);
    return "<details class=\"more\"><summary>where everything lies</summary>\n<table><thead><tr><th>what</th>"
           "<th>address</th><th class=\"num\">size</th><th></th></tr></thead><tbody>\n" +
           rows + "</tbody></table>\n</details>\n";
}

}  // namespace

std::string phase_table(const std::vector<PhaseWork>& phases) {
    u64 longest = 1;
    for (const PhaseWork& p : phases) longest = std::max(longest, p.time_ns);
    std::string out =
        "<table class=\"phases\"><thead><tr><th>phase</th><th></th><th "
        "class=\"num\">time</th><th>work</th></tr></thead>"
        "<tbody>\n";
    for (const PhaseWork& p : phases) {
        const PhaseInfo& phase = info(p.phase);
        const double percent = 100.0 * static_cast<double>(p.time_ns) / static_cast<double>(longest);
        out += fmt::format(
            "<tr><td>{} {}{}</td><td><span class=\"bar {}\" style=\"width:{:.1f}%\"></span></td>"
            "<td class=\"num\">{}</td><td class=\"soft\">{}</td></tr>\n",
            phase.code, escaped(phase.name), phase.dark ? "" : " <span class=\"soft\">(service runs)</span>",
            worker(p.phase), percent, time_text(p.time_ns), work_text(p));
    }
    return out + "</tbody></table>\n";
}

std::string hop_section(const RunResult& r, std::size_t index) {
    const Hop& h = r.hops[index];
    const std::string_view came = !h.arrived ? "did not arrive" : h.kho_boot ? "handover accepted" : "cold boot";
    std::string out =
        fmt::format("<h3>Hop {}: {} → {} <span class=\"badge {}\">{}</span></h3>\n<div class=\"figures\">", index + 1,
                    escaped(h.from), escaped(h.to),
                    h.arrived && h.kho_boot ? "good"
                    : h.arrived             ? "wait"
                                            : "bad",
                    came);
    if (!h.phases.empty()) out += figure(time_text(dark_ns(h.phases)), "dark: the service stands still");
    out += figure(fmt::format("{}", h.blocks), "preserved blocks");
    out += figure(fmt::format("{}", h.pages), "pages");
    out += figure(size_text(h.bytes), "preserved") + "</div>\n";
    if (!h.phases.empty()) out += blackout(h.phases);
    out += memory_strips(r, h);
    if (!h.phases.empty())
        out += "<details class=\"more\"><summary>phases and work</summary>\n" + phase_table(h.phases) + "</details>\n";
    return out + places(h);
}

}  // namespace baton::scenarios::page
