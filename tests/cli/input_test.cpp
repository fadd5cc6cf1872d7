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
    {"a machine without RAM", "[machine]\nram = 0\n", ":4:7: \"ram\" is 0 (it takes a size above 0)"},
    {"RAM of 2^64", "[machine]\nram = \"18446744073709551616\"\n",
     ":4:7: \"ram\": \"18446744073709551616\" does not fit 64 bits (the largest number is 18446744073709551615)"},
    {"RAM of 2^64, not quoted", "[machine]\nram = 18446744073709551616\n",
     ":4:27: Error while parsing decimal integer: '18446744073709551616' is not representable in 64 bits"},
    {"negative RAM", "[machine]\nram = -1\n", ":4:7: \"ram\": -1 is negative (sizes and addresses are not)"},
    {"RAM with a nonsense suffix", "[machine]\nram = \"512MiB\"\n",
     ":4:7: \"ram\": \"512MiB\" ends in an unknown suffix \"MiB\" (a number with K, M, G or T, such as \"512M\")"},
    {"RAM that is no size", "[machine]\nram = \"\"\n", ":4:7: \"ram\": an empty string is not a number"},
    {"RAM of another type", "[machine]\nram = 1.5\n", ":4:7: \"ram\" is a floating-point number (it takes an integer"},
    {"RAM beyond the architecture", "[machine]\nram = \"32T\"\n", ":4:7: a machine cannot have 32T of RAM (x86_64 has"},
    {"unknown architecture", "[machine]\narch = \"vax\"\n", ":4:8: unknown architecture \"vax\" (one of \"x86_64\""},
    {"order out of range", "[[step]]\ndo = \"alloc\"\nregion = \"r\"\norder = 64\n",
     ":6:9: \"order\" is 64 (it takes 0 to 20)"},
    {"no pages", "[[step]]\ndo = \"alloc\"\nregion = \"r\"\npages = 0\n", ":6:9: \"pages\" is 0 (it takes 1 to"},
    {"a step without a name", "[[step]]\nkernel = \"a\"\n", ":3:1: step 1 needs \"do\""},
    {"no step", "", ":1:1: the scenario has no step (add [[step]] with do = \"boot\")"},
    {"no such image", "image = \"nowhere.img\"\n", ":3:9: there is no image file \""},
    {"an image that is a folder", "image = \"/\"\n", ":3:9: there is no image file \"/\""},
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
    const std::string nested = folder.path("looks_like.toml");
    std::filesystem::create_directory(nested);
    for (const char* verb : {"run", "check", "list", "compare"})
        says(fmt::format("{} {}", verb, nested), nested + ": the folder holds no scenario");
    says("trace " + nested + " --at boot.done", nested);
    std::filesystem::remove(nested);
    says("check /dev/null", "/dev/null: is not a regular file");
    const std::string huge = folder.write("huge.toml", std::string(5 << 20, '#'));
    says("check " + huge, "a scenario file has at most 4M bytes");
    const std::string binary = folder.write("binary.toml", std::string_view("\x7f"
                                                                            "ELF\0\0\xff",
                                                                            7));
    says("check " + binary, "binary.toml:1:");
}

TEST_CASE("an unwritable report is found before anything runs") {
    const TemporaryFolder folder;
    const std::string file = folder.write("t.toml", std::string(kHead) + "[[step]]\ndo = \"boot\"\nkernel = \"a\"\n");
    const auto refused = [&](const std::string& where, std::string_view why) {
        const Said said = run_baton(fmt::format("run {} --junit '{}'", file, where));
        CAPTURE(where, said.err);
        CHECK(said.exit == 3);
        CHECK(said.out.empty());
        CHECK(said.err.find(fmt::format("{}: cannot be written: {}", where, why)) != std::string::npos);
    };
    refused(folder.path() + "/no/such/folder.xml", "No such file or directory");
    refused(folder.path(), "Is a directory");
    refused("/dev/full", "No space left on device");
    const Said json = run_baton(fmt::format("run {} --json --junit '{}'", file, folder.path()));
    CHECK(json.exit == 3);
    CHECK(nlohmann::json::parse(json.out).at("error").at("file") == folder.path());
}

TEST_CASE("output that cannot be written is an error of every verb") {
    const TemporaryFolder folder;
    const std::string file = folder.write("t.toml", std::string(kHead) + "[[step]]\ndo = \"boot\"\nkernel = \"a\"\n");
    for (const std::string& arguments :
         {"run " + file, "run --json " + file, "check " + file, std::string("list"), std::string("list --steps"),
          std::string("points"), std::string("points --json"), std::string("help"), std::string("run --help"),
          std::string("--version")}) {
        CAPTURE(arguments);
        const Said said = run_baton(arguments + " >/dev/full");
        CHECK(said.exit == 3);
        CHECK(said.err == "standard output: cannot be written: No space left on device\n");
    }
}

TEST_CASE("a saved machine that cannot be written, or read, ends the run as bad input with its place") {
    const TemporaryFolder folder;
    const auto ends = [&](std::string_view step, std::string_view said_of_it) {
        const std::string file =
            folder.write("t.toml", "title = 't'\nmachine = { arch = 'x86_64' }\nkernel.a = {}\nstep = [\n" +
                                       std::string(step) + "]\n");
        const Said said = run_baton("run --json " + file);
        CAPTURE(step, said.out, said.err);
        CHECK(said.exit == 3);
        const auto run = nlohmann::json::parse(said.out).at("runs").at(0);
        CHECK(run.at("verdict") == "bad input");
        CHECK(run.at("message").get<std::string>().find(file + std::string(said_of_it)) != std::string::npos);
    };
    ends("{ do = 'boot', kernel = 'a' },\n{ do = 'save', file = '/no/such/folder/m.sav' }",
         ":6:1: cannot write '/no/such/folder/m.sav': No such file or directory");
    ends("{ do = 'load', file = '/no/such/file.sav' }",
         ":5:1: cannot read '/no/such/file.sav': No such file or directory");
    ends("{ do = 'load', file = '" + folder.write("no.sav", "not one") + "' }",
         ":5:1: '" + folder.path("no.sav") + "' is not");
    ends("{ do = 'load', file = '" + folder.path() + "' }", ":5:1: ");
}

TEST_CASE("--junit tells a CI server of bad input, too") {
    const TemporaryFolder folder;
    const std::string file = folder.write("bad.toml", std::string(kHead) + "[[step]]\ndo = \"boto\"\n");
    CHECK(run_baton(fmt::format("run {} --junit {}", file, folder.path("out.xml"))).exit == 3);
    const std::string xml = folder.read("out.xml");
    CHECK(xml.starts_with("<?xml"));
    CHECK(xml.find("errors=\"1\"") != std::string::npos);
    CHECK(xml.find("<error type=\"bad input\" message=\"unknown step &quot;boto&quot;\">") != std::string::npos);
    CHECK(xml.ends_with("</testsuites>\n"));
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
