// SPDX-License-Identifier: GPL-2.0-only
// The HTML report of made-up results: it is a page, it holds what it should, and nothing in it comes from strangers.
#include <algorithm>

#include "scenarios/engine/report.hpp"
#include "tests/catch.hpp"
#include "tests/support/markup_check.hpp"

using namespace baton;
using namespace baton::scenarios;
using baton::tests::MarkupCheck;

namespace {

constexpr std::string_view kHostile = "</title><script>alert('x')</script>\"'&<!-- \xff\x01";

bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

RunResult passed() {
    RunResult r;
    r.scenario = "a.toml";
    r.title = "it survives";
    r.cell = {GeometryId::kX86_64, Target::kNative, 512 * kMiB, nullptr, 7, 0};
    r.verdict = Verdict::kPass;
    r.state_hash = "00000000000000000000000000000001";
    PhaseWork load{Phase::kLoad, {}, 12};
    PhaseWork relocation{Phase::kRelocation, {}, 1'234'567};
    relocation.work[static_cast<u32>(Work::kEntriesWalked)] = 79;
    Hop hop;
    hop.step = 1;
    hop.from = "a";
    hop.to = "b";
    hop.arrived = hop.kho_boot = true;
    hop.blocks = 2;
    hop.pages = 1025;
    hop.bytes = 1025 * 4096;
    hop.fdt = {0x1fc00000};
    hop.subtrees = {{"memblock", {0x1fc01000}}};
    hop.scratch = {{{0x1e000000}, 16 * kMiB}};
    hop.segments = {{"kernel", {{0x1e200000}, 512 * kKiB}, 1000}};
    hop.phases = r.phases = {load, relocation};
    hop.before = {{{{0}, 64 * kMiB}, Owner::kFree}, {{{0x1f800000}, 4 * kMiB}, Owner::kPreserved}};
    hop.after = {{{{0}, 32 * kMiB}, Owner::kFree}, {{{0x1f800000}, 4 * kMiB}, Owner::kPreserved}};
    r.hops = {hop};
    r.verified = {"oops: 4 MiB intact at 0x000000001f800000"};
    r.steps = {{0, "boot", {5, 1}, 1000}, {1, "exec", {9, 1}, 1'234'567}, {2, "expect", {12, 1}, 0}};
    r.ram = {{{0}, 512 * kMiB}};
    r.log = {{0, "a", "info", "kernel at 0x1000000", 1'500'000}, {1, "b", "warn", "something odd", 2'500'000}};
    return r;
}

RunResult failed() {
    RunResult r = passed();
    r.cell.arch = GeometryId::kAArch64_4K;
    r.verdict = Verdict::kFail;
    r.findings = {{2, {3, 1}, "oops is not intact", "byte 0x1 is 0x00, was 0x5a"}};
    r.source = "line one\nline two\n[[step]]\nline four\n";
    r.next = "baton run a.toml --arch aarch64 -v";
    return r;
}

RunReport report_of(std::vector<RunResult> results) {
    RunReport report;
    report.results = std::move(results);
    return report;
}

std::vector<std::string> faults_of(const std::string& page) { return MarkupCheck(page).faults(); }

TEST_CASE("report_html: a page by itself: tags are closed, links lead to what is there, nothing from outside") {
    const std::string page = report_html(report_of({passed(), failed()}));
    MarkupCheck check(page);
    CHECK(check.faults() == std::vector<std::string>{});
    CHECK(check.outside().empty());
    CHECK_FALSE(check.links().empty());
    for (const std::string& link : check.links()) CHECK(check.ids().count(link) == 1);
    CHECK_FALSE(has(page, "http://"));
    CHECK_FALSE(has(page, "https://"));
    CHECK(page == report_html(report_of({passed(), failed()})));
}

TEST_CASE("report_html: a finding is told with its place, the scenario's lines and the kernel's last words") {
    const std::string page = report_html(report_of({failed()}));
    for (const std::string_view part :
         {"1 run: 1 fail", "oops is not intact", "byte 0x1 is 0x00, was 0x5a", "step 3, expect", "a.toml:3:1",
          "<span class=\"here\"><span class=\"n\">   3  </span>[[step]]</span>", "line four", "something odd",
          "[    0.002500] b", "baton run a.toml --arch aarch64 -v"})
        CHECK(has(page, part));
    CHECK(has(page, "<details class=\"run card\" id=\"run-1\" open>"));
    CHECK_FALSE(has(report_html(report_of({passed()})), "class=\"finding\""));
}

TEST_CASE("report_html: what was handed over, what it cost, whose memory it was") {
    const std::string page = report_html(report_of({passed()}));
    for (const std::string_view part :
         {"Hop 1: a → b", "handover accepted", "1234.5 µs", "1025", "4100 KiB", "0x000000001fc00000", "memblock",
          "entries_walked", "P6 relocation", "free 64 MiB → 32 MiB", "preserved 4 MiB → 4 MiB", "var(--preserved)",
          "at the jump", "when the next kernel was up", "oops: 4 MiB intact", "2 lines of kernel log"})
        CHECK(has(page, part));
    RunResult bare = passed();
    bare.hops[0].before.clear();
    bare.hops[0].after.clear();
    CHECK_FALSE(has(report_html(report_of({bare})), "<svg"));
}

TEST_CASE("report_html: words of strangers stay words") {
    RunResult r = failed();
    const std::string hostile(kHostile);
    r.scenario = r.title = r.message = r.next = r.saved = r.crash = r.state_hash = hostile;
    r.findings[0].what = r.findings[0].detail = hostile;
    r.source = hostile + "\n" + hostile + "\n" + hostile;
    r.verified = {hostile};
    for (LogLine& l : r.log) l.kernel = l.text = hostile;
    for (StepReport& s : r.steps) s.name = hostile;
    Hop& hop = r.hops[0];
    hop.from = hop.to = hop.subtrees[0].name = hop.segments[0].name = hostile;
    const RunReport report = report_of({r});
    const std::string page = report_html(report);
    CHECK(faults_of(page) == std::vector<std::string>{});
    CHECK_FALSE(has(page, "alert('x')</script>"));
    CHECK_FALSE(has(page, "\xff"));
    CHECK_FALSE(has(page, "\x01"));
    CHECK(has(page, "&lt;script&gt;alert"));
    // The page's own script is the only one.
    std::size_t scripts = 0;
    for (std::size_t at = 0; (at = page.find("<script", at)) != std::string::npos; ++at) ++scripts;
    CHECK(scripts == 1);
}

TEST_CASE("report_html: of many runs those that passed are lines; those that failed are shown") {
    std::vector<RunResult> runs(kRunsOnPage, passed());
    runs.push_back(failed());
    const std::string page = report_html(report_of(runs));
    MarkupCheck check(page);
    CHECK(check.faults() == std::vector<std::string>{});
    CHECK(has(page, "65 runs: 64 pass, 1 fail"));
    CHECK(check.ids().count("run-65") == 1);
    CHECK(check.ids().count("run-1") == 0);
    for (const std::string& link : check.links()) CHECK(check.ids().count(link) == 1);
    CHECK(has(page, "id=\"filter\""));
}

TEST_CASE("report_html: every verdict, nothing known, ranges at the ends of the address space") {
    for (const VerdictInfo& v : kVerdicts) {
        RunResult r;
        r.verdict = v.verdict;
        CHECK(faults_of(report_html(report_of({r}))) == std::vector<std::string>{});
    }
    RunResult r = failed();
    r.findings[0].place = {0, 0};
    r.findings[0].step = 77;
    r.hops[0].segments = {{"wraps", {{~u64{0} - 4096}, 8192}, 0}, {"empty", {{0}, 0}, 0}};
    r.hops[0].scratch = {{{~u64{0}}, 2}};
    r.hops[0].before = {{{{u64{1} << 47}, u64{1} << 46}, Owner::kPreserved}};
    r.hops[0].phases = {{Phase::kRelocation, {}, ~u64{0}}, {Phase::kPurgatory, {}, 0}};
    CHECK(faults_of(report_html(report_of({r}))) == std::vector<std::string>{});
    CHECK(faults_of(report_html(report_of({}))) == std::vector<std::string>{});
    RunReport wrong;
    wrong.diagnostics = {{"<b>", {1, 2}, "<i>", "<u>"}};
    CHECK(faults_of(report_html(wrong)) == std::vector<std::string>{});
}

TEST_CASE("report_html: the check of a page finds what it looks for") {
    CHECK(faults_of("<p>a<br>b &amp; c</p>").empty());
    for (const char* page :
         {"<p>", "</p>", "<p><b></p></b>", "<p a=b></p>", "a < b", "a & b is not it", "<p a=\"<\"></p>"})
        CHECK_FALSE(faults_of(page).empty());
    MarkupCheck check("<a href=\"x.css\"></a><a href=\"#y\" id=\"z\"></a>");
    CHECK(check.faults().empty());
    CHECK(check.outside() == std::vector<std::string>{"x.css"});
    CHECK(check.links().count("y") == 1);
    CHECK(check.ids().count("z") == 1);
}

}  // namespace
