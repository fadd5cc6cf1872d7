// SPDX-License-Identifier: GPL-2.0-only
// What a scenario wants to happen at a schedule point happens there, or the run fails: on both targets, also where the
// step ends otherwise than by going through.
#include <fmt/format.h>

#include "scenarios/engine/engine.hpp"
#include "scenarios/engine/parse.hpp"
#include "scenarios/engine/runner.hpp"
#include "tests/catch.hpp"

namespace baton::scenarios {
namespace {

RunResult run(const std::string& steps, Target target = Target::kNative) {
    const Parsed parsed = parse_text(
        "title = 't'\nmachine = { arch = 'x86_64', ram = '256M' }\n[kernel.a]\n"
        "cmdline = 'kho=on kho_scratch=16M,32M,16M'\n" +
            steps,
        "reached.toml");
    for (const Diagnostic& d : parsed.diagnostics) UNSCOPED_INFO(d.message);
    REQUIRE(parsed.scenario);
    Cell cell = expand(parsed.scenario->machine).front();
    cell.target = target;
    return run_cell(*parsed.scenario, cell, {.image_folder = BATON_IMAGES});
}

std::string only_finding(const RunResult& r) {
    if (r.verdict == Verdict::kPass) return "pass";
    REQUIRE(r.findings.size() == 1);
    return fmt::format("{}: {}", r.findings[0].what, r.findings[0].detail);
}

const std::string kBoot = "[[step]]\ndo = 'boot'\nkernel = 'a'\n";
const std::string kPoke = "[[step.at]]\nsite = '{}'\nphys = '64M'\nxor = '01'\n";

std::string poke_at(std::string_view site) { return fmt::format(fmt::runtime(kPoke), site); }

TEST_CASE("reached: a poke where nothing comes is a finding, one that is reached is none") {
    for (const Target target : {Target::kNative, Target::kGuest}) {
        const std::string finalise = kBoot + "[[step]]\ndo = 'finalise'\n";
        CHECK(only_finding(run(finalise + poke_at("kho.finalise.begin"), target)) == "pass");
        CHECK(only_finding(run(finalise + poke_at("kho.finalise.begin#2"), target)) ==
              "kho.finalise.begin#2 was not reached in this step: so nothing was poked there");
        CHECK(only_finding(run(finalise + poke_at("relocate.page"), target)) ==
              "relocate.page#1 was not reached in this step: so nothing was poked there");
    }
}

TEST_CASE("reached: the same of power-on") {
    CHECK(only_finding(run(kBoot + poke_at("boot.memmap"))) == "pass");
    CHECK(only_finding(run(kBoot + poke_at("relocate.page"))) ==
          "relocate.page#1 was not reached in this step: so nothing was poked there");
}

TEST_CASE("reached: a break where nothing stops is a finding") {
    const std::string broken = "[[step]]\ndo = 'finalise'\nbreak = 'kho.finalise.begin{}'\n";
    const std::string go_on = "[[step]]\ndo = 'continue'\n";
    CHECK(only_finding(run(kBoot + fmt::format(fmt::runtime(broken), "") + go_on)) == "pass");
    CHECK(only_finding(run(kBoot + fmt::format(fmt::runtime(broken), ""))) == "pass");
    CHECK(only_finding(run(kBoot + fmt::format(fmt::runtime(broken), "#2"))) ==
          "kho.finalise.begin#2 was not reached in this step: so nothing stopped there");
    CHECK(
        only_finding(run(kBoot + fmt::format(fmt::runtime(broken), "") + go_on + "break = 'kho.finalise.begin#2'\n")) ==
        "kho.finalise.begin#2 was not reached in this step: so nothing stopped there");
}

TEST_CASE("reached: a continue has pokes of its own, and they are done or a finding") {
    const std::string broken = kBoot + "[[step]]\ndo = 'finalise'\nbreak = 'kho.finalise.begin'\n";
    const std::string go_on = "[[step]]\ndo = 'continue'\n";
    const std::string expect = "[[step]]\ndo = 'expect'\nlog = 'finalised'\n";
    for (const Target target : {Target::kNative, Target::kGuest}) {
        CHECK(only_finding(run(broken + go_on + poke_at("kho.finalise.end") + expect, target)) == "pass");
        CHECK(only_finding(run(broken + go_on + poke_at("relocate.page"), target)) ==
              "relocate.page#1 was not reached in this step: so nothing was poked there");
    }
}

TEST_CASE("reached: after a continue, times count on from the start of the step that broke") {
    const std::string broken = kBoot +
                               "[[step]]\ndo = 'finalise'\n[[step]]\ndo = 'kexec_file_load'\nkernel = 'a'\n"
                               "[[step]]\ndo = 'exec'\nbreak = 'relocate.page#2'\n[[step]]\ndo = 'continue'\n";
    CHECK(only_finding(run(broken + poke_at("relocate.page#3"))) == "pass");
    CHECK(only_finding(run(broken + poke_at("relocate.page#1"))) ==
          "relocate.page#1 was not reached in this step: so nothing was poked there");
}

TEST_CASE("reached: a scenario that ends at a break leaves no poke undone") {
    const std::string broken = kBoot + "[[step]]\ndo = 'finalise'\nbreak = 'kho.finalise.begin'\n";
    CHECK(only_finding(run(broken + poke_at("kho.finalise.begin"))) == "pass");
    CHECK(only_finding(run(broken + poke_at("kho.finalise.end"))) ==
          "kho.finalise.end#1 was not reached in this step: so nothing was poked there");
}

TEST_CASE("reached: an error that was expected does not excuse it") {
    const std::string exec = kBoot + "[[step]]\ndo = 'abort'\nexpect_error = 'ENOENT'\n";
    CHECK(only_finding(run(exec)) == "pass");
    CHECK(only_finding(run(exec + poke_at("relocate.page"))) ==
          "relocate.page#1 was not reached in this step: so nothing was poked there");
}

}  // namespace
}  // namespace baton::scenarios
