// SPDX-License-Identifier: GPL-2.0-only
// JUnit's XML, as CI servers read it. Times are left out: they would be the host's, and results hold none of those.
#include <fmt/format.h>

#include <algorithm>

#include "scenarios/engine/report.hpp"

namespace baton::scenarios {
namespace {

/// Bytes of the UTF-8 sequence at the front of a text that XML 1.0 can hold; 0 if there is none.
std::size_t sequence_bytes(std::string_view text) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const std::size_t bytes = byte(0) < 0x80 ? 1 : byte(0) >= 0xf0 ? 4 : byte(0) >= 0xe0 ? 3 : 2;
    if (bytes == 1) return byte(0) >= 0x20 && byte(0) != 0x7f ? 1 : 0;
    if (bytes > text.size()) return 0;
    u32 point = byte(0) & (0xffu >> (bytes + 1));
    for (std::size_t i = 1; i < bytes; ++i) {
        if ((byte(i) & 0xc0) != 0x80) return 0;
        point = point << 6 | (byte(i) & 0x3f);
    }
    constexpr u32 kLeast[] = {0, 0, 0x80, 0x800, 0x10000};  // what is shorter has a shorter form
    const bool surrogate = point >= 0xd800 && point < 0xe000;
    const bool lead = byte(0) >= 0xc2 && byte(0) <= 0xf4;
    return lead && point >= kLeast[bytes] && point < 0x110000 && !surrogate && point != 0xfffe && point != 0xffff
               ? bytes
               : 0;
}

/// Paths are bytes, and XML 1.0 has no way to write most control characters: what it cannot hold becomes U+FFFD.
std::string escaped(std::string_view text) {
    constexpr std::string_view kReplacement = "\xef\xbf\xbd";
    std::string out;
    while (!text.empty()) {
        const std::size_t bytes = sequence_bytes(text);
        switch (text.front()) {
            case '&': out += "&amp;"; break;
            case '<': out += "&lt;"; break;
            case '>': out += "&gt;"; break;
            case '"': out += "&quot;"; break;
            case '\n': out += "&#10;"; break;
            case '\t': out += "&#9;"; break;
            default: out += bytes == 0 ? kReplacement : text.substr(0, bytes);
        }
        text.remove_prefix(std::max<std::size_t>(bytes, 1));
    }
    return out;
}

std::string outcome(const RunResult& r) {
    switch (r.verdict) {
        case Verdict::kPass: return {};
        case Verdict::kSkipped: return fmt::format("      <skipped message=\"{}\"/>\n", escaped(r.message));
        case Verdict::kFail:
        case Verdict::kDiverged:
        case Verdict::kBudget: {
            std::string text;
            for (const Finding& f : r.findings)
                text += fmt::format("{}:{}: step {}: {}: {}\n", r.scenario, f.place.line, f.step + 1, f.what, f.detail);
            if (!r.next.empty()) text += "next: " + r.next + "\n";
            const std::string_view what = r.findings.empty() ? r.message : r.findings.front().what;
            return fmt::format("      <failure type=\"{}\" message=\"{}\">{}</failure>\n", escaped(r.verdict_name()),
                               escaped(what), escaped(text));
        }
        default:
            return fmt::format("      <error type=\"{}\" message=\"{}\"/>\n", escaped(r.verdict_name()),
                               escaped(r.message));
    }
}

struct Counts {
    std::size_t tests = 0, failures = 0, errors = 0, skipped = 0;
};

Counts count(const std::vector<RunResult>& results, std::string_view scenario) {
    Counts n;
    for (const RunResult& r : results) {
        if (!scenario.empty() && r.scenario != scenario) continue;
        ++n.tests;
        n.failures += r.verdict == Verdict::kFail || r.verdict == Verdict::kDiverged || r.verdict == Verdict::kBudget;
        n.errors += r.verdict == Verdict::kBadInput || r.verdict == Verdict::kInternal;
        n.skipped += r.verdict == Verdict::kSkipped;
    }
    return n;
}

std::string attributes(std::string_view name, const Counts& n) {
    return fmt::format("name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\"", escaped(name), n.tests,
                       n.failures, n.errors, n.skipped);
}

/// Bad input: nothing ran. A suite a file, an error a mistake, so that a CI server shows them where it shows results.
std::string errors_of(const std::vector<Diagnostic>& diagnostics) {
    std::string out = fmt::format("<testsuites {}>\n",
                                  attributes("baton", {.tests = diagnostics.size(), .errors = diagnostics.size()}));
    for (std::size_t i = 0; i < diagnostics.size();) {
        const std::string& file = diagnostics[i].file;
        std::string cases;
        Counts n;
        for (; i < diagnostics.size() && diagnostics[i].file == file; ++i, ++n.tests, ++n.errors) {
            const Diagnostic& d = diagnostics[i];
            cases += fmt::format("    <testcase classname=\"{}\" name=\"{}:{}\">\n", escaped(file), d.place.line,
                                 d.place.col);
            cases += fmt::format("      <error type=\"bad input\" message=\"{}\">{}</error>\n    </testcase>\n",
                                 escaped(d.message), escaped(to_text(d)));
        }
        out += fmt::format("  <testsuite {}>\n{}  </testsuite>\n", attributes(file, n), cases);
    }
    return out + "</testsuites>\n";
}

}  // namespace

std::string report_junit(const RunReport& report) {
    std::string out = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
    if (!report.diagnostics.empty()) return out + errors_of(report.diagnostics);
    out += fmt::format("<testsuites {}>\n", attributes("baton", count(report.results, {})));
    std::string_view suite;  // results of one scenario stand together
    for (const RunResult& r : report.results) {
        if (r.scenario != suite) {
            if (!suite.empty()) out += "  </testsuite>\n";
            suite = r.scenario;
            out += fmt::format("  <testsuite {}>\n", attributes(suite, count(report.results, suite)));
        }
        const std::string what = outcome(r);
        out +=
            fmt::format("    <testcase classname=\"{}\" name=\"{}\"", escaped(r.scenario), escaped(cell_name(r.cell)));
        out += what.empty() ? "/>\n" : ">\n" + what + "    </testcase>\n";
    }
    if (!suite.empty()) out += "  </testsuite>\n";
    return out + "</testsuites>\n";
}

}  // namespace baton::scenarios
