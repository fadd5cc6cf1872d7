// SPDX-License-Identifier: GPL-2.0-only
// The command line itself: verbs, help, exit code 2, and readers that go away.
#include <nlohmann/json.hpp>

#include "model/sites.hpp"
#include "tests/catch.hpp"
#include "tests/cli/binary.hpp"

using baton::tests::run_baton;
using baton::tests::Said;

namespace {

TEST_CASE("usage errors exit with 2 and say what would be right") {
    struct {
        const char* arguments;
        std::string_view said;
    } const cases[] = {
        {"", "no verb is given"},
        {"rum", "there is no verb \"rum\" (did you mean \"run\"?"},
        {"run", "required"},
        {"run x.toml --sead 3", "--sead"},
        {"run x.toml --arch x86", "--arch: unknown name \"x86\""},
        {"run x.toml --target gust", "did you mean \"guest\"?"},
        {"run x.toml --seed many", "--seed: \"many\" is not a number"},
        {"run x.toml --seed -1", "--seed: \"-1\" is negative"},
        {"run x.toml --seed 18446744073709551616", "does not fit 64 bits"},
        {"run x.toml --junit", "--junit"},
        {"check", "required"},
        {"list --stepps", "--stepps"},
        {"compare", "required"},
        {"trace x.toml", "--at"},
        {"points extra", "extra"},
        {"help nothing", "there is no verb \"nothing\""},
    };
    for (const auto& c : cases) {
        CAPTURE(c.arguments);
        const Said said = run_baton(c.arguments);
        CAPTURE(said.err);
        CHECK(said.exit == 2);
        CHECK(said.out.empty());
        CHECK(said.err.find(c.said) != std::string::npos);
    }
    for (const char* arguments :
         {"run --json", "check --json", "list --json --stepps", "points --json extra", "--json", "rum --json",
          "run --json --arch vax x.toml", "compare --json", "trace --json x.toml"}) {
        CAPTURE(arguments);
        const Said json = run_baton(arguments);
        CHECK(json.exit == 2);
        CHECK(json.err.empty());
        const auto error = nlohmann::json::parse(json.out).at("error");
        CHECK_FALSE(error.at("message").get<std::string>().empty());
        CHECK(error.at("line") == 0);
    }
}

TEST_CASE("help and version are answers, not errors") {
    for (const char* arguments : {"help", "--help", "-h", "help run", "run --help", "--version"}) {
        CAPTURE(arguments);
        const Said said = run_baton(arguments);
        CHECK(said.exit == 0);
        CHECK(said.err.empty());
        CHECK_FALSE(said.out.empty());
    }
    CHECK(run_baton("--help").out.find("Exit codes: 0 all expectations hold") != std::string::npos);
    CHECK(run_baton("help run").out == run_baton("run --help").out);
    CHECK(run_baton("run --help").out.find("Usage: baton run [OPTIONS] FILE|DIR...") != std::string::npos);
    CHECK(run_baton("--version").out.starts_with("baton "));
}

TEST_CASE("options that take a list leave the next word alone") {
    const std::string file = BATON_SOURCE_DIR "/scenarios/library/kexec/digest_mismatch.toml";
    for (const std::string& arguments :
         {"--arch x86_64 " + file + " --seed 8", "--seed 8 " + file + " --arch x86_64",
          "--target native " + file + " --seed 8", "--seed 7,8 --seed 9 " + file + " --json"}) {
        CAPTURE(arguments);
        CHECK(run_baton("run " + arguments).exit == 0);
    }
    CHECK(run_baton("run --seed 7,8 --seed 9 " + file).out.ends_with("3 runs: 3 pass\n"));
}

TEST_CASE("points lists every schedule point with its phase") {
    const std::string text = run_baton("points").out;
    const auto json = nlohmann::json::parse(run_baton("points --json").out).at("points");
    REQUIRE(json.size() == baton::kSiteCount);
    for (const baton::SiteInfo& site : baton::kSites) {
        CAPTURE(site.name);
        CHECK(text.find(site.name) != std::string::npos);
        const auto& row = json.at(static_cast<std::size_t>(site.site));
        CHECK(row.at("name") == std::string(site.name));
        CHECK(row.at("phase") == std::string(info(site.phase).code));
        CHECK(row.at("meaning") == std::string(site.meaning));
    }
}

TEST_CASE("list: the library by default, from any folder; tables on request") {
    const Said library = run_baton("list");
    CHECK(library.exit == 0);
    CHECK(library.out.find("scenarios/library/quickstart.toml") != std::string::npos);
    CHECK(library.out.find("reserve_mem survives two kexecs") != std::string::npos);
    for (const char* topic : {"steps", "defects", "generations", "sites", "places", "verdicts", "errors"}) {
        CAPTURE(topic);
        const auto json = nlohmann::json::parse(run_baton(std::string("list --json --") + topic).out);
        REQUIRE(json.size() == 1);
        CHECK(json.at(topic).size() >= 2);
        CHECK_FALSE(run_baton(std::string("list --") + topic).out.empty());
    }
    const auto steps = nlohmann::json::parse(run_baton("list --json --steps").out).at("steps");
    CHECK(steps[0].at("name") == "boot");
    CHECK(steps[0].at("keys")[0].at("name") == "kernel");
}

TEST_CASE("check: what is right, in numbers") {
    const auto json = nlohmann::json::parse(run_baton("check --json " BATON_SOURCE_DIR "/scenarios/library").out);
    CHECK(json.at("scenarios").size() >= 30);
    CHECK(run_baton("check " BATON_SOURCE_DIR "/scenarios/library/quickstart.toml").out ==
          "1 scenario is right: 10 steps, 2 machines\n");
}

TEST_CASE("a reader that goes away is not an error, and no signal kills us") {
    const Said said = run_baton("list --steps --sites --errors", "true");
    CHECK(said.exit == 0);
    CHECK(said.err.empty());
}

}  // namespace
