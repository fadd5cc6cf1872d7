// SPDX-License-Identifier: GPL-2.0-only
// What a step is to come to is looked at wherever it is written, and a step that says something wrong of memory fails.
#include <fmt/format.h>

#include "scenarios/engine/engine.hpp"
#include "scenarios/engine/parse.hpp"
#include "scenarios/engine/runner.hpp"
#include "tests/catch.hpp"

namespace baton::scenarios {
namespace {

const std::string kHead =
    "title = 't'\nmachine = { arch = 'x86_64', ram = '256M' }\n[kernel.a]\ncmdline = 'kho=on "
    "kho_scratch=16M,32M,16M'\n[[step]]\ndo = 'boot'\nkernel = 'a'\n";

Parsed parsed(const std::string& steps) { return parse_text(kHead + steps, "expected.toml"); }

/// "pass", or the only finding.
std::string run(const std::string& steps) {
    const Parsed p = parsed(steps);
    for (const Diagnostic& d : p.diagnostics) UNSCOPED_INFO(d.message);
    REQUIRE(p.scenario);
    const RunResult r = run_cell(*p.scenario, expand(p.scenario->machine).front(), {.image_folder = BATON_IMAGES});
    if (r.verdict == Verdict::kPass) return "pass";
    REQUIRE(r.findings.size() == 1);
    return fmt::format("{}: {}", r.findings[0].what, r.findings[0].detail);
}

std::string step(std::string_view text) { return fmt::format("[[step]]\n{}\n", text); }

const std::string kLoad = step("do = 'finalise'") + step("do = 'kexec_file_load'\nkernel = 'a'");
const std::string kBroken = kLoad + step("do = 'exec'\nbreak = 'relocate.page'");

TEST_CASE("expected: a continue answers for the step it goes on with") {
    CHECK(run(kBroken + step("do = 'continue'")) == "pass");
    CHECK(run(kBroken + step("do = 'continue'\nexpect_error = 'ENOMEM'")) == "continue succeeded: expected ENOMEM");
    CHECK(run(kBroken + step("do = 'continue'\nexpect_verdict = 'panic'")) == "continue went through: expected panic");
    CHECK(run(kBroken + step("do = 'continue'\nexpect_census = 'x'")) == "every page is accounted for: expected: x");
    const std::string wrong = step("do = 'poke'\nplace = 'segment.3'\noffset = 0x1000\nxor = 'ff'");
    CHECK(run(kLoad + step("do = 'exec'\nbreak = 'relocate.done'") + wrong +
              step("do = 'continue'\nexpect_verdict = 'purgatory loop'")) == "pass");
}

TEST_CASE("expected: a page census that was not taken, or says something else, is a finding") {
    const std::string broken = step("do = 'poke'\nplace = 'kernel.free_lists'\nbytes = 'ff'\nrepeat = 'all'");
    const std::string look = "do = 'expect'\nkho_enabled = true";
    CHECK(run(step(look)) == "pass");
    CHECK(run(broken + step(look)).starts_with("the page census does not add up: the free list of order 0"));
    CHECK(run(step("do = 'alloc'\nregion = 'r'\norder = 1\nexpect_census = 'lost'")) ==
          "every page is accounted for: expected: lost");
    const std::string preserve =
        "do = 'preserve'\nas = 'pages'\nphys = '64M'\nexpect_claim = 'from free to preserved'\nexpect_census = ";
    const std::string off = step(preserve + "'nobody, ever'");
    CHECK(run(off).find("expected: nobody, ever") != std::string::npos);
    const std::string once = step(preserve + "'preserved owns it'");
    CHECK(run(once) == "pass");
    CHECK(run(once + step("do = 'alloc'\nregion = 'r'\norder = 1\nexpect_census = 'x'")) ==
          "no page census after this step: this kernel has lost pages before");
}

TEST_CASE("expected: a claim about memory that is right, or wrong otherwise, is a finding") {
    const std::string preserve = "do = 'preserve'\nas = 'pages'\nphys = '64M'\nexpect_census = 'preserved owns it'\n";
    const std::string wrong = "0x4000000: nothing goes from free to preserved (P13 restore)";
    CHECK(run(step(preserve)) == "the kernel's claim about memory is wrong: " + wrong);
    CHECK(run(step(preserve + "expect_claim = 'nothing goes from free to preserved'")) == "pass");
    CHECK(run(step(preserve + "expect_claim = 'image source'")) == wrong + ": expected: image source");
    CHECK(run(step("do = 'finalise'\nexpect_claim = 'free'")) == "every claim about memory is right: expected: free");
    // At a break the step goes on, and its `continue` answers for it.
    const std::string poke = kLoad + step("do = 'poke'\nplace = 'kexec.list'\noffset = 8\nxor = '00 00 80 00'") +
                             step("do = 'exec'\nbreak = 'relocate.start'");
    const std::string go = "do = 'continue'\nexpect_verdict = 'purgatory loop'\n";
    CHECK(run(poke + step(go + "expect_claim = 'no entry of the list reads it'")) == "pass");
    CHECK(run(poke + step(go)).starts_with("the kernel's claim about memory is wrong: "));
    CHECK(run(poke).starts_with("the kernel's claim about memory is wrong: "));  // it ends there
}

TEST_CASE("expected: memory that nobody asked for was not refused") {
    CHECK(run(step("do = 'alloc'\nregion = 'r'\norder = 1\nfail_alloc = 'user#1'\nexpect_error = 'ENOMEM'")) == "pass");
    CHECK(run(step("do = 'alloc'\nregion = 'r'\norder = 1\nfail_alloc = 'user#2'"))
              .starts_with("alloc was refused nothing"));
    CHECK(run(step("do = 'alloc'\nregion = 'r'\norder = 1\nfail_alloc = 'kho.chunk#each'"))
              .starts_with("alloc was refused nothing"));
    CHECK(run(step("do = 'alloc'\nregion = 'r'\norder = 1\nfail_alloc = 'any#1'"))
              .starts_with("alloc failed with ENOMEM"));
}

TEST_CASE("expected: what can refuse nothing is told so") {
    for (const std::string_view text :
         {"do = 'exec'\nfail_alloc = 'any'", "do = 'continue'\nfail_alloc = 'any'",
          "do = 'finalise'\nfail_alloc = 'any#0'", "do = 'finalise'\nfail_alloc = 'nowhere'",
          "do = 'finalise'\nfail_alloc = 'any#each+'", "do = 'finalise'\nfail_alloc = 'boot.memmap'",
          "do = 'finalise'\nexpect_census = ''", "do = 'finalise'\nexpect_claim = ''",
          "do = 'finalise'\nexpect_census = 'x'\nexpect_verdict = 'panic'"}) {
        CAPTURE(text);
        const Parsed p = parsed(step(text));
        CHECK_FALSE(p.scenario);
        CHECK(p.diagnostics.size() == 1);
    }
}

}  // namespace
}  // namespace baton::scenarios
