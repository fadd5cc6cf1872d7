// SPDX-License-Identifier: GPL-2.0-only
// Bad input from a person: a diagnostic with its place on standard error, exit code 3, and nothing run.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "tests/catch.hpp"
#include "tests/cli/binary.hpp"

using baton::tests::run_baton;
using baton::tests::Said;
using baton::tests::TemporaryFolder;

namespace {

constexpr std::string_view kHead = "title = \"t\"\n[kernel.a]\n";

struct Case {
    std::string_view what;
    std::string_view text;  // after kHead, from line 3
    std::string_view said;  // after the file's name
};

constexpr Case kCases[] = {
    {"unknown step", "[[step]]\ndo = \"boto\"\n", ":4:6: unknown step \"boto\" (did you mean \"boot\"?"},
    {"unknown key", "[[step]]\ndo = \"boot\"\nkernel = \"a\"\nkernle = \"a\"\n", ":6:1: unknown key \"kernle\""},
    {"missing kernel", "[[step]]\ndo = \"boot\"\nkernel = \"b\"\n", ":5:10: unknown kernel \"b\""},
    {"impossible machine", "[machine]\nram = \"8M\"\n[[step]]\ndo = \"boot\"\nkernel = \"a\"\n",
     ":4:7: a machine cannot have 8M of RAM (x86_64 has 64M to 16T)"},
    {"size 0", "[[step]]\ndo = \"boot\"\nkernel = \"a\"\ninitrd = 0\n", ":6:10: \"initrd\" is 0"},
    {"size 2^64", "[[step]]\ndo = \"boot\"\nkernel = \"a\"\ninitrd = \"16777216T\"\n",
     ":6:10: \"initrd\": \"16777216T\" does "
     "not fit 64 bits"},
    {"negative size", "[[step]]\ndo = \"boot\"\nkernel = \"a\"\ninitrd = -4\n", ":6:10: \"initrd\": -4 is negative"},
    {"nonsense suffix", "[[step]]\ndo = \"boot\"\nkernel = \"a\"\ninitrd = \"4X\"\n",
     ":6:10: \"initrd\": \"4X\" ends in an unknown suffix \"X\""},
    {"not TOML", "this is no TOML\n", ":3:6: "},
};

TEST_CASE("bad scenarios: the diagnostic names the place, the exit code is 3, for check and for run") {
    const TemporaryFolder folder;
    for (const Case& c : kCases) {
        CAPTURE(c.what);
        const std::string file = folder.write("bad.toml", std::string(kHead) + std::string(c.text));
        for (const char* verb : {"check", "run", "list"}) {
            CAPTURE(verb);
            const Said said = run_baton(fmt::format("{} {}", verb, file));
            CAPTURE(said.err);
            CHECK(said.exit == 3);
            CHECK(said.out.empty());
            CHECK(said.err.find(file + std::string(c.said)) != std::string::npos);
        }
    }
}

TEST_CASE("bad scenarios: with --json the diagnostic is an object on standard output") {
    const TemporaryFolder folder;
    const std::string file = folder.write("bad.toml", std::string(kHead) + "[[step]]\ndo = \"boto\"\n");
    for (const char* verb : {"check", "run", "list"}) {
        const Said said = run_baton(fmt::format("{} --json {}", verb, file));
        CHECK(said.exit == 3);
        CHECK(said.err.empty());
        const auto error = nlohmann::json::parse(said.out).at("error");
        CHECK(error.at("file") == file);
        CHECK(error.at("line") == 4);
        CHECK(error.at("col") == 6);
        CHECK(error.at("message") == "unknown step \"boto\"");
        CHECK(error.at("hint").get<std::string>().starts_with("did you mean \"boot\"?"));
    }
}

TEST_CASE("bad paths: no such file, no scenario in a folder, not a file, too large") {
    const TemporaryFolder folder;
    const auto says = [](const std::string& arguments, std::string_view text) {
        const Said said = run_baton(arguments);
        CAPTURE(arguments, said.err);
        CHECK(said.exit == 3);
        CHECK(said.err.find(text) != std::string::npos);
    };
    says("run nowhere.toml", "nowhere.toml: there is no such file");
    says("run " + folder.path(), folder.path() + ": the folder holds no scenario (scenarios are files named *.toml)");
    says("check /dev/null", "/dev/null: is not a regular file");
    const std::string huge = folder.write("huge.toml", std::string(5 << 20, '#'));
    says("check " + huge, "a scenario file has at most 4M bytes");
    const std::string binary = folder.write("binary.toml", std::string_view("\x7f"
                                                                            "ELF\0\0\xff",
                                                                            7));
    says("check " + binary, "binary.toml:1:");
}

TEST_CASE("unwritable output is found before anything runs") {
    const TemporaryFolder folder;
    const std::string file = folder.write("t.toml", std::string(kHead) + "[[step]]\ndo = \"boot\"\nkernel = \"a\"\n");
    const Said said = run_baton(fmt::format("run {} --junit {}/no/such/folder.xml", file, folder.path()));
    CHECK(said.exit == 3);
    CHECK(said.out.empty());
    CHECK(said.err.find("/no/such/folder.xml: cannot be written: No such file or directory") != std::string::npos);
    CHECK(run_baton("points >/dev/full").exit == 3);
}

TEST_CASE("a key of a hundred thousand parts is refused, not followed") {
    const TemporaryFolder folder;
    std::string deep;
    for (int i = 0; i < 100'000; ++i) deep += "a.";
    const Said said = run_baton("check " + folder.write("deep.toml", deep + "b = 1\n"));
    CHECK(said.exit == 3);
    CHECK(said.err.find("deep.toml:1:1: more than 1000 dots on one line") != std::string::npos);
}

}  // namespace
