// SPDX-License-Identifier: GPL-2.0-only
// A run for people: what was handed over, where it landed, what was verified, what it cost, what to look at next.
#include <fmt/format.h>

#include <algorithm>

#include "scenarios/engine/report.hpp"

namespace baton::scenarios {
namespace {

constexpr std::size_t kLabelWidth = 14;

class TextReport {
public:
    TextReport(const RunReport& report, const TextStyle& style) : report_(report), style_(style) {}

    std::string text() {
        const bool few = report_.results.size() <= kRunsInFull;
        for (const RunResult& r : report_.results) {
            head(r);
            if (few || style_.verbose || r.verdict != Verdict::kPass) body(r);
        }
        summary();
        return std::move(out_);
    }

private:
    std::string painted(std::string_view text, const RunResult& r) const {
        if (!style_.colour) return std::string(text);
        const std::string_view code = r.verdict == Verdict::kPass ? "32" : r.verdict == Verdict::kSkipped ? "33" : "31";
        return fmt::format("\x1b[1;{}m{}\x1b[0m", code, text);
    }
    void row(std::string_view label, std::string_view text) {
        out_ += fmt::format("    {:<{}} {}\n", label, kLabelWidth, text);
    }

    void head(const RunResult& r) {
        out_ += fmt::format("{}  {}  [{}]\n", painted(fmt::format("{:<7}", r.verdict_name()), r), r.scenario,
                            cell_name(r.cell));
    }

    void body(const RunResult& r) {
        out_ += fmt::format("  {}\n", r.title);
        if (!r.message.empty()) out_ += fmt::format("  {}\n", r.message);
        for (std::size_t i = 0; i < r.hops.size(); ++i) hop(i, r.hops[i]);
        if (!r.verified.empty()) out_ += "  verified\n";
        for (const std::string& line : r.verified) out_ += "    " + line + "\n";
        phases(r);
        if (style_.verbose) log(r);
        if (!r.findings.empty()) out_ += "  findings\n";
        for (const Finding& f : r.findings) {
            out_ +=
                fmt::format("    {}:{}:{}: step {}: {}\n", r.scenario, f.place.line, f.place.col, f.step + 1, f.what);
            if (!f.detail.empty()) out_ += "      " + f.detail + "\n";
        }
        if (!r.crash.empty()) out_ += "  guest\n" + indented(r.crash);
        if (!r.state_hash.empty())
            out_ += fmt::format("  state {}{}{}\n", r.state_hash, r.handover_hash.empty() ? "" : "  handover ",
                                r.handover_hash);
        if (!r.saved.empty()) out_ += fmt::format("  saved {}\n", r.saved);
        out_ += "\n";
    }

    static std::string indented(std::string_view lines) {
        std::string out;
        while (!lines.empty()) {
            const std::size_t end = std::min(lines.find('\n'), lines.size());
            out.append("    ").append(lines.substr(0, end)).push_back('\n');
            lines.remove_prefix(std::min(end + 1, lines.size()));
        }
        return out;
    }

    void hop(std::size_t index, const Hop& h) {
        const std::string_view arrived = !h.arrived ? "did not arrive" : h.kho_boot ? "handover accepted" : "cold boot";
        out_ += fmt::format("  hop {}  {} -> {}  {}\n", index + 1, h.from, h.to, arrived);
        row("preserved", fmt::format("{} blocks, {} pages, {}", h.blocks, h.pages, size_text(h.bytes)));
        if (h.fdt.value != 0) row("root FDT", hex(h.fdt));
        for (const SubtreeReport& s : h.subtrees) row("subtree", fmt::format("{} {}", hex(s.blob), s.name));
        for (const PhysRange& area : h.scratch) row("scratch", range_text(area));
        for (const SegmentReport& s : h.segments) row(s.name, range_text(s.destination));
    }
    static std::string range_text(const PhysRange& range) {
        return fmt::format("{} {}", hex(range.start), size_text(range.size));
    }

    static std::string time_text(u64 ns) {
        if (ns < 10'000) return fmt::format("{} ns", ns);
        if (ns < 10'000'000) return fmt::format("{}.{} us", ns / 1000, ns % 1000 / 100);
        return fmt::format("{}.{} ms", ns / 1'000'000, ns % 1'000'000 / 100'000);
    }

    void phases(const RunResult& r) {
        if (r.phases.empty()) return;
        u64 dark_ns = 0;
        out_ += fmt::format("  work{}\n", r.profile.empty() ? "" : " (times: profile " + r.profile + ")");
        for (const PhaseWork& p : r.phases) {
            const PhaseInfo& phase = info(p.phase);
            dark_ns += phase.dark ? p.time_ns : 0;
            std::string units;
            for (const WorkInfo& unit : kWorks)
                if (const u64 amount = p.work[static_cast<u32>(unit.work)]; amount != 0)
                    units += fmt::format("  {} {}", unit.name, amount);
            out_ += fmt::format("    {:<4}{:<17}{:>12}{}\n", phase.code, phase.name, time_text(p.time_ns), units);
        }
        out_ += fmt::format("    {:<21}{:>12}\n", "dark in all hops", time_text(dark_ns));
    }

    void log(const RunResult& r) {
        if (!r.log.empty()) out_ += "  log\n";
        for (const LogLine& l : r.log)
            out_ += fmt::format("    step {:<3} {:<8} {:<6} {}\n", l.step + 1, l.kernel, l.level, l.text);
    }

    void summary() {
        std::string counts;
        for (const VerdictInfo& v : kVerdicts) {
            const auto n = std::ranges::count(report_.results, v.verdict, &RunResult::verdict);
            if (n != 0) counts += fmt::format("{}{} {}", counts.empty() ? "" : ", ", n, v.name);
        }
        const std::size_t runs = report_.results.size();
        out_ += fmt::format("{} run{}: {}\n", runs, runs == 1 ? "" : "s", counts);
        if (report_.left_out != 0)
            out_ += fmt::format("{} scenario{} left out: no machine as chosen\n", report_.left_out,
                                report_.left_out == 1 ? " was" : "s were");
        const RunResult* worst = nullptr;
        for (const RunResult& r : report_.results)
            if (r.verdict != Verdict::kPass && r.exit_code() == report_.exit_code() && worst == nullptr) worst = &r;
        if (worst != nullptr) out_ += "next: " + (worst->next.empty() ? reproducer(*worst) : worst->next) + "\n";
    }

    static std::string reproducer(const RunResult& r) {
        return fmt::format("baton run {} --arch {} --target {} --seed {} -v", r.scenario, geometry_of(r.cell.arch).name,
                           info(r.cell.target).name, r.cell.seed);
    }

    const RunReport& report_;
    const TextStyle& style_;
    std::string out_;
};

}  // namespace

std::string report_text(const RunReport& report, const TextStyle& style) { return TextReport(report, style).text(); }

}  // namespace baton::scenarios
