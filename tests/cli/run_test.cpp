// SPDX-License-Identifier: GPL-2.0-only
// `baton run` end to end: verdicts, exit codes, and the three reports of real runs.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "tests/catch.hpp"
#include "tests/cli/binary.hpp"

using baton::tests::run_baton;
using baton::tests::Said;
using baton::tests::TemporaryFolder;

namespace {

constexpr std::string_view kQuickstart = BATON_SOURCE_DIR "/scenarios/library/quickstart.toml";

/// A handover in which a step `after` follows the exec.
std::string handover(std::string_view after, std::string_view exec = {}) {
    return fmt::format(
        "title = 't'\nmachine = {{ arch = 'x86_64' }}\n"
        "kernel.a = {{ cmdline = 'kho=on kho_scratch=16M,64M,16M reserve_mem=4M:4M:oops' }}\n"
        "step = [\n"
        "{{ do = 'boot', kernel = 'a' }},\n{{ do = 'fill', region = 'oops' }},\n{{ do = 'finalise' }},\n"
        "{{ do = 'kexec_file_load', kernel = 'a' }},\n{{ do = 'exec'{} }},\n{}]\n",
        exec, after);
}

TEST_CASE("run: the quickstart passes on both architectures, for people and for programs") {
    const Said text = run_baton(fmt::format("run {}", kQuickstart));
    CAPTURE(text.out, text.err);
    CHECK(text.exit == 0);
    CHECK(text.err.empty());  // no progress in a pipe
    CHECK(text.out.find("oops: 4 MiB at") != std::string::npos);
    CHECK(text.out.ends_with("2 runs: 2 pass\n"));

    const Said said = run_baton(fmt::format("run --json {}", kQuickstart));
    CHECK(said.exit == 0);
    const auto runs = nlohmann::json::parse(said.out).at("runs");
    REQUIRE(runs.size() == 2);
    for (const auto& run : runs) {
        CHECK(run.at("verdict") == "pass");
        CHECK(run.at("findings").empty());
        CHECK(run.at("state_hash").get<std::string>().size() == 32);
        CHECK(run.at("handover_hash").get<std::string>().size() == 32);
        CHECK(run.at("sequence_hash").get<std::string>().size() == 32);
        CHECK(run.at("hops").size() == 2);
        CHECK(run.at("hops")[0].at("kho_boot") == true);
        CHECK(run.at("phases").size() >= 5);
    }
    CHECK(run_baton(fmt::format("run --json {}", kQuickstart)).out == said.out);
    CHECK(runs[0].at("state_hash") != runs[1].at("state_hash"));
    const auto other =
        nlohmann::json::parse(run_baton(fmt::format("run --json --seed 8 --arch x86_64 {}", kQuickstart)).out);
    REQUIRE(other.at("runs").size() == 1);
    CHECK(other.at("runs")[0].at("state_hash") != runs[0].at("state_hash"));
}

TEST_CASE("run: an expectation that does not hold exits with 1 and says what to look at") {
    const TemporaryFolder folder;
    const std::string file = folder.write("t.toml", handover("{ do = 'expect', region = 'oops', intact = false }"));
    const Said text = run_baton("run " + file);
    CAPTURE(text.out);
    CHECK(text.exit == 1);
    CHECK(text.out.starts_with("fail "));
    CHECK(text.out.find(file + ":10:1: step 6: oops is intact") != std::string::npos);
    CHECK(text.out.find("\nnext: ") != std::string::npos);

    const Said junit = run_baton(fmt::format("run {} --junit {}", file, folder.path("out.xml")));
    CHECK(junit.exit == 1);
    const std::string xml = folder.read("out.xml");
    CHECK(xml.find("<testsuites name=\"baton\" tests=\"1\" failures=\"1\" errors=\"0\" skipped=\"0\">") !=
          std::string::npos);
    CHECK(xml.find("message=\"oops is intact\"") != std::string::npos);
}

TEST_CASE("run: a byte that changes during relocation is seen") {
    const TemporaryFolder folder;
    const std::string file = folder.write(
        "t.toml", handover("{ do = 'expect', region = 'oops', intact = true }",
                           ", at = [{ site = 'relocate.page#3', region = 'oops', offset = 4097, xor = '01' }]"));
    const Said said = run_baton("run --json " + file);
    CHECK(said.exit == 1);
    const auto run = nlohmann::json::parse(said.out).at("runs").at(0);
    CHECK(run.at("verdict") == "fail");
    CHECK(run.at("findings").at(0).at("what") == "oops is not intact");
}

TEST_CASE("run: an endless scenario is a hang, exit 1; expected, it passes") {
    const TemporaryFolder folder;
    const std::string endless =
        "title = 't'\nmachine = { arch = 'x86_64' }\nbudget = 1_000_000\n"
        "kernel.a = { cmdline = 'kho=on kho_scratch=16M,64M,16M', defects = ['+B15'] }\n"
        "step = [{ do = 'boot', kernel = 'a' }, { do = 'alloc', region = 'r', pages = 1 },\n"
        "{ do = 'unpreserve', region = 'r' EXPECT }]\n";
    const auto with = [&](std::string_view expectation) {
        std::string text = endless;
        text.replace(text.find("EXPECT"), 6, expectation);
        return run_baton("run --json " + folder.write("t.toml", text));
    };
    const Said hang = with("");
    CHECK(hang.exit == 1);
    CHECK(nlohmann::json::parse(hang.out).at("runs").at(0).at("verdict") == "hang");
    const Said expected = with(", expect_verdict = 'hang'");
    CHECK(expected.exit == 0);
}

TEST_CASE("run: the most severe of several results is the exit code") {
    const TemporaryFolder folder;
    folder.write("a.toml", handover("{ do = 'expect', region = 'oops', intact = true }"));
    CHECK(run_baton("run " + folder.path()).exit == 0);
    folder.write("b.toml", handover("{ do = 'expect', kho_boot = false }"));
    CHECK(run_baton("run " + folder.path()).exit == 1);
    folder.write("c.toml",
                 "title = 't'\nkernel.a = { image = 'nowhere.img' }\nstep = [{ do = 'boot', kernel = 'a' }]\n");
    const Said unusable = run_baton("run " + folder.path());
    CHECK(unusable.exit == 3);
    CHECK((unusable.out + unusable.err).find("nowhere.img") != std::string::npos);
}

}  // namespace
