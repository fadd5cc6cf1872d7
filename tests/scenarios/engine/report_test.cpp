// SPDX-License-Identifier: GPL-2.0-only
// The three reports of one made-up result: what people, programs and CI servers get.
#include "scenarios/engine/report.hpp"

#include <nlohmann/json.hpp>

#include "tests/catch.hpp"

using namespace baton;
using namespace baton::scenarios;

namespace {

RunResult passed() {
    RunResult r;
    r.scenario = "a.toml";
    r.title = "it survives";
    r.cell = {GeometryId::kX86_64, Target::kNative, 512 * kMiB, nullptr, 7, 0};
    r.verdict = Verdict::kPass;
    r.state_hash = "00000000000000000000000000000001";
    r.handover_hash = "00000000000000000000000000000002";
    r.sequence_hash = "00000000000000000000000000000003";
    r.profile = "generic";
    PhaseWork load{Phase::kLoad, {}, 12};
    load.work[static_cast<u32>(Work::kPagesCopied)] = 77;
    PhaseWork relocation{Phase::kRelocation, {}, 1'234'567};
    relocation.work[static_cast<u32>(Work::kEntriesWalked)] = 79;
    r.phases = {load, relocation};
    Hop hop;
    hop.step = 3;
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
    hop.phases = {relocation};
    r.hops = {hop};
    r.verified = {"oops: 4 MiB intact at 0x000000001f800000"};
    r.log = {{0, "a", "info", "kernel at 0x1000000"}};
    return r;
}

RunResult failed() {
    RunResult r = passed();
    r.cell.arch = GeometryId::kAArch64_4K;
    r.verdict = Verdict::kFail;
    r.findings = {{5, {33, 1}, "oops is not intact", "byte 0x1 is <0x00> & was \"0x5a\""}};
    r.next = "baton run a.toml --arch aarch64 -v";
    return r;
}

TEST_CASE("report_text: what was handed over, where it landed, what was verified, what it cost") {
    const RunReport report{{passed()}, {}, 0};
    CHECK(report_text(report, {}) ==
          "pass     a.toml  [x86_64, native, 512M, seed 7]\n"
          "  it survives\n"
          "  hop 1  a -> b  handover accepted\n"
          "    preserved      2 blocks, 1025 pages, 4100 KiB\n"
          "    root FDT       0x000000001fc00000\n"
          "    subtree        0x000000001fc01000 memblock\n"
          "    scratch        0x000000001e000000 16 MiB\n"
          "    kernel         0x000000001e200000 512 KiB\n"
          "  verified\n"
          "    oops: 4 MiB intact at 0x000000001f800000\n"
          "  work (times: profile generic)\n"
          "    P0  load                    12 ns  pages_copied 77\n"
          "    P6  relocation          1234.5 us  entries_walked 79\n"
          "    dark in all hops        1234.5 us\n"
          "  state 00000000000000000000000000000001  handover 00000000000000000000000000000002\n"
          "\n"
          "1 run: 1 pass\n");
}

TEST_CASE("report_text: a failure says where, what, and what to do next; the log is for -v") {
    const RunReport report{{passed(), failed()}, {}, 1};
    const std::string text = report_text(report, {});
    CHECK(text.find("  findings\n    a.toml:33:1: step 6: oops is not intact\n      byte 0x1 is") != std::string::npos);
    CHECK(
        text.ends_with("2 runs: 1 pass, 1 fail\n1 scenario was left out: no machine as chosen\n"
                       "next: baton run a.toml --arch aarch64 -v\n"));
    CHECK(text.find("kernel at") == std::string::npos);
    CHECK(text.find('\x1b') == std::string::npos);
    CHECK(report_text(report, {.colour = false, .verbose = true}).find("kernel at 0x1000000") != std::string::npos);
    CHECK(report_text(report, {.colour = true, .verbose = false}).find("\x1b[1;31mfail") != std::string::npos);
}

TEST_CASE("report_text: of many runs only the failed are shown in full") {
    RunReport report;
    for (std::size_t i = 0; i < kRunsInFull; ++i) report.results.push_back(passed());
    RunResult hung = failed();
    hung.ending = Ending::kHang;
    hung.next.clear();
    report.results.push_back(hung);
    const std::string text = report_text(report, {});
    CHECK(text.starts_with("pass     a.toml  [x86_64, native, 512M, seed 7]\npass "));
    CHECK(text.find("hang     a.toml  [aarch64, native, 512M, seed 7]\n  it survives\n") != std::string::npos);
    CHECK(
        text.ends_with("5 runs: 4 pass, 1 fail\nnext: baton run a.toml --arch aarch64 --target native --seed 7 -v\n"));
}

TEST_CASE("report_json: the fields that others build on; addresses are hexadecimal strings") {
    const RunReport report{{failed()}, {}, 0};
    const auto json = nlohmann::json::parse(report_json(report, false));
    REQUIRE(json["runs"].size() == 1);
    const auto& run = json["runs"][0];
    CHECK(run["scenario"] == "a.toml");
    CHECK(run["arch"] == "aarch64");
    CHECK(run["target"] == "native");
    CHECK(run["seed"] == 7);
    CHECK(run["verdict"] == "fail");
    CHECK(run["exit_code"] == 1);
    CHECK(run["state_hash"] == "00000000000000000000000000000001");
    CHECK(run["handover_hash"] == "00000000000000000000000000000002");
    CHECK(run["sequence_hash"] == "00000000000000000000000000000003");
    CHECK(run["findings"][0]["step"] == 6);
    CHECK(run["findings"][0]["line"] == 33);
    CHECK(run["phases"][1] == nlohmann::json{{"name", "relocation"},
                                             {"code", "P6"},
                                             {"dark", true},
                                             {"work", {{"entries_walked", 79}}},
                                             {"time_ns", 1'234'567}});
    CHECK(run["hops"][0]["fdt"] == "0x000000001fc00000");
    CHECK(run["hops"][0]["segments"][0]["start"] == "0x000000001e200000");
    CHECK(run["hops"][0]["phases"] == nlohmann::json::array({run["phases"][1]}));
    CHECK_FALSE(run.contains("log"));
    CHECK(nlohmann::json::parse(report_json(report, true))["runs"][0]["log"][0]["text"] == "kernel at 0x1000000");
}

TEST_CASE("report_json: bad input is an error object and no runs") {
    const RunReport report{{}, {{"a.toml", {3, 7}, "wrong", "right"}}, 0};
    const auto json = nlohmann::json::parse(report_json(report, false));
    CHECK(json["error"]["line"] == 3);
    CHECK_FALSE(json.contains("runs"));
    CHECK(report.exit_code() == Exit::kBadInput);
}

TEST_CASE("report_junit: one suite a scenario, counts, and escaped text") {
    RunResult skipped = passed();
    skipped.scenario = "b.toml";
    skipped.verdict = Verdict::kSkipped;
    skipped.message = "no \x01 target";
    const std::string xml = report_junit({{passed(), failed(), skipped}, {}, 0});
    CHECK(xml.find("<testsuites name=\"baton\" tests=\"3\" failures=\"1\" errors=\"0\" skipped=\"1\">") !=
          std::string::npos);
    CHECK(xml.find("<testsuite name=\"a.toml\" tests=\"2\" failures=\"1\" errors=\"0\" skipped=\"0\">") !=
          std::string::npos);
    CHECK(xml.find("<testcase classname=\"a.toml\" name=\"x86_64, native, 512M, seed 7\"/>") != std::string::npos);
    CHECK(xml.find("byte 0x1 is &lt;0x00&gt; &amp; was &quot;0x5a&quot;") != std::string::npos);
    CHECK(xml.find("<skipped message=\"no \xef\xbf\xbd target\"/>") != std::string::npos);
    CHECK(xml.ends_with("  </testsuite>\n</testsuites>\n"));
}

TEST_CASE("report_junit: a path that is not valid UTF-8 is written as far as it is") {
    const auto written = [](std::string file) {
        RunResult r = passed();
        r.scenario = std::move(file);
        const std::string xml = report_junit({{r}, {}, 0});
        const std::size_t from = xml.find("classname=\"") + 11;
        return xml.substr(from, xml.find('"', from) - from);
    };
    const std::string u = "\xef\xbf\xbd";  // U+FFFD
    CHECK(written("gr\xc3\xbc\xc3\x9f/\xe2\x82\xac/\xf0\x9f\x90\xa7.toml") ==
          "gr\xc3\xbc\xc3\x9f/\xe2\x82\xac/\xf0\x9f\x90\xa7.toml");
    CHECK(written("gr\xfc\xdf.toml") == "gr" + u + u + ".toml");        // Latin-1
    CHECK(written("a\x80z") == "a" + u + "z");                          // a continuation alone
    CHECK(written("a\xc0\xafz") == "a" + u + u + "z");                  // '/' in two bytes
    CHECK(written("a\xed\xa0\x80z") == "a" + u + u + u + "z");          // a surrogate
    CHECK(written("a\xef\xbf\xbfz") == "a" + u + u + u + "z");          // no character
    CHECK(written("a\xf4\x90\x80\x80z") == "a" + u + u + u + u + "z");  // beyond the last
    CHECK(written("a\xe2\x82") == "a" + u + u);                         // cut off
    CHECK(written("a\xe2<") == "a" + u + "&lt;");                       // the '<' is not lost
}

TEST_CASE("report_junit: bad input is a suite of errors a file") {
    const std::string xml = report_junit(
        {{}, {{"a.toml", {3, 7}, "wrong", "right"}, {"a.toml", {4, 1}, "<so>", {}}, {"b.toml", {}, "no", {}}}, 0});
    CHECK(xml.find("<testsuites name=\"baton\" tests=\"3\" failures=\"0\" errors=\"3\" skipped=\"0\">") !=
          std::string::npos);
    CHECK(xml.find("<testsuite name=\"a.toml\" tests=\"2\" failures=\"0\" errors=\"2\" skipped=\"0\">") !=
          std::string::npos);
    CHECK(xml.find("<testcase classname=\"a.toml\" name=\"3:7\">") != std::string::npos);
    CHECK(xml.find("<error type=\"bad input\" message=\"wrong\">a.toml:3:7: wrong (right)</error>") !=
          std::string::npos);
    CHECK(xml.find("message=\"&lt;so&gt;\"") != std::string::npos);
    CHECK(xml.ends_with("  </testsuite>\n</testsuites>\n"));
}

TEST_CASE("exit code of a report: the most severe verdict; a skipped run is no pass") {
    RunReport report{{passed()}, {}, 0};
    CHECK(report.exit_code() == Exit::kPass);
    report.results.push_back(failed());
    CHECK(report.exit_code() == Exit::kFail);
    report.results.push_back(passed());
    report.results.back().verdict = Verdict::kSkipped;
    CHECK(report.exit_code() == Exit::kBadInput);
    report.results.back().verdict = Verdict::kInternal;
    CHECK(report.exit_code() == Exit::kInternal);
}

}  // namespace
