// SPDX-License-Identifier: GPL-2.0-only
// `baton explore`, `replay` and `shrink` as a person calls them.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "tests/catch.hpp"
#include "tests/cli/binary.hpp"

using baton::tests::run_baton;
using baton::tests::run_shell;
using baton::tests::Said;
using baton::tests::TemporaryFolder;

namespace {

constexpr std::string_view kScenario =
    "title = 'straggler'\nmachine = { arch = 'x86_64', ram = '64M' }\n"
    "[kernel.a]\ncmdline = 'kho=on kho_scratch=8M,8M,8M'\ndefects = ['A2']\n"
    "[kernel.b]\ncmdline = 'kho=on kho_scratch=8M,8M,8M'\n"
    "[device.dma0]\nkind = 'dma_engine'\nhonours_bus_master = false\n"
    "[[step]]\ndo = 'boot'\nkernel = 'a'\n[[step]]\ndo = 'finalise'\n"
    "[[step]]\ndo = 'dma_start'\ndevice = 'dma0'\n"
    "[[step]]\ndo = 'kexec_file_load'\nkernel = 'b'\n"
    "[[step]]\ndo = 'exec'\n";

std::string clean() {
    std::string text(kScenario);
    text.replace(text.find("defects = ['A2']\n"), 17, "");
    const std::string trait = "honours_bus_master = false\n";
    return text.erase(text.find(trait), trait.size());
}

/// A file that `baton explore` wrote.
struct Explored {
    TemporaryFolder folder;
    nlohmann::json report;
    std::string file;
    Explored() {
        const std::string scenario = folder.write("s.toml", kScenario);
        const Said said = run_baton(fmt::format("explore {} --runs 200 --out {} --json", scenario, folder.path("f")));
        CAPTURE(said.out, said.err);
        REQUIRE(said.exit == 1);
        report = nlohmann::json::parse(said.out);
        // One with a turn that can be changed.
        for (const auto& f : report.at("findings"))
            if (f.at("finding").get<std::string>().find("relocate.done") != std::string::npos) file = f.at("file");
        REQUIRE(!file.empty());
    }
    std::string text() const { return folder.read(std::filesystem::relative(file, folder.path()).string()); }
};

std::string replaced(std::string text, std::string_view what, std::string_view with) {
    const std::size_t at = text.find(what);
    REQUIRE(at != std::string::npos);
    return text.replace(at, what.size(), with);
}

}  // namespace

TEST_CASE("explore: what it says, and that every file of it replays") {
    const Explored e;
    CHECK(e.report.at("runs") == 200);
    CHECK(e.report.at("from") == 4);
    CHECK(e.report.at("transitions").size() > 3);
    REQUIRE(e.report.at("findings").size() > 3);
    for (const auto& f : e.report.at("findings")) {
        const Said said = run_shell("'" BATON_BINARY "'" + f.at("replay").get<std::string>().substr(5));
        CAPTURE(said.out, said.err);
        CHECK(said.exit == 0);
        CHECK(said.out.find("equal: the same run") != std::string::npos);
        if (f.at("passes") == true) CHECK(run_baton(fmt::format("run {}", f.at("file").get<std::string>())).exit == 0);
    }
    const Said guest = run_baton(fmt::format("replay {} --target guest --json", e.file));
    CHECK(guest.exit == 0);
    CHECK(nlohmann::json::parse(guest.out).at("equal") == true);
}

TEST_CASE("explore: a finding is said at once, with a line that replays it") {
    const TemporaryFolder folder;
    const std::string scenario = folder.write("s.toml", kScenario);
    const Said said = run_baton(fmt::format("explore {} --runs 200 --out {}", scenario, folder.path("f")));
    CAPTURE(said.out, said.err);
    CHECK(said.exit == 1);
    CHECK(said.out.find(fmt::format("  baton replay {}/f/", folder.path())) != std::string::npos);
    CHECK(said.out.find("200 runs; ") != std::string::npos);
    // Again, into the same folder: the same findings are the same files.
    const Said again = run_baton(fmt::format("explore {} --runs 200 --out {} --jobs 2", scenario, folder.path("f")));
    CHECK(again.out == said.out);
}

TEST_CASE("explore: exit codes of runs that find nothing") {
    const TemporaryFolder folder;
    const std::string scenario = folder.write("s.toml", clean());
    const std::string out = " --out " + folder.path("f");
    CHECK(run_baton(fmt::format("explore {} --runs 100{}", scenario, out)).exit == 0);
    CHECK(run_baton(fmt::format("explore {} --runs 1000000000 --time 1{}", scenario, out)).exit == 5);
    CHECK(run_baton(fmt::format("explore {} --time 1s{}", scenario, out)).exit == 0);
    const Said all = run_baton(fmt::format("explore {} --strategy exhaustive --turns 1{}", scenario, out));
    CAPTURE(all.out);
    CHECK(all.exit == 0);
    CHECK(all.out.find("which is all that there are; 0 findings") != std::string::npos);
    CHECK(all.out.find("(all)") != std::string::npos);
    const Said pct = run_baton(fmt::format("explore {} --strategy pct --depth 2 --runs 64{}", scenario, out));
    CHECK(pct.exit == 0);
    CHECK(pct.out.find("depth 2, 64 runs: a fault of that depth shows with >= ") != std::string::npos);
}

TEST_CASE("explore: wrong arguments and files") {
    const TemporaryFolder folder;
    const std::string scenario = folder.write("s.toml", kScenario);
    const auto wrong = [&](const std::string& arguments, int exit, std::string_view text) {
        const Said said = run_baton(fmt::format("explore {}", arguments));
        CAPTURE(arguments, said.out, said.err);
        CHECK(said.exit == exit);
        CHECK(said.err.find(text) != std::string::npos);
        CHECK(said.out.find(" runs") == said.out.npos);
    };
    wrong(scenario + " --strategy rondom", 2, "did you mean \"random\"");
    wrong(scenario + " --strategy ''", 2, "--strategy");
    wrong(scenario + " --runs 0", 2, "--runs: 0 is out of range");
    wrong(scenario + " --runs many", 2, "--runs");
    wrong(scenario + " --time 0", 2, "no time to explore in");
    wrong(scenario + " --time 5d", 2, "--time");
    wrong(scenario + " --time s", 2, "--time");
    wrong(scenario + " --jobs 0", 2, "--jobs");
    wrong(scenario + " --jobs 100000", 2, "--jobs");
    wrong(scenario + " --seed -1", 2, "--seed");
    wrong(scenario + " --from 1", 2, "--from");
    wrong(scenario + " --arch vax", 2, "--arch");
    wrong(scenario + " --target metal", 2, "--target");
    wrong(scenario + " --turns 0", 2, "--turns");
    wrong(scenario + " --depth 0", 2, "--depth");
    wrong(scenario + " --from 9", 3, "step 9 cannot be the first");
    wrong("nowhere.toml", 3, "there is no such file");
    wrong(scenario + " --out " + scenario + "/f", 3, "cannot be written");
    wrong(scenario + " --out /proc/f", 3, "cannot be written");
    wrong(BATON_SOURCE_DIR "/scenarios/library/quickstart.toml", 3, "no device");
    const std::string fails = replaced(std::string(kScenario), "do = 'finalise'", "do = 'abort'");
    wrong(folder.write("fails.toml", fails), 3, "before the window, fails");
    CHECK(run_baton("explore --json nowhere.toml").out.find("\"error\"") != std::string::npos);
}

TEST_CASE("replay: a file that was changed is another run, or none") {
    const Explored e;
    const std::string text = e.text();
    const auto replay = [&](const std::string& changed) {
        const Said said = run_baton("replay " + e.folder.write("changed.toml", changed));
        CAPTURE(said.out, said.err);
        if (said.exit == 4) CHECK(said.out.find("diverged: ") != std::string::npos);
        if (said.exit == 3) CHECK(said.err.find("changed.toml:") != std::string::npos);
        return said.exit;
    };
    CHECK(replay(text) == 0);
    CHECK(replay(replaced(text, "site = \"relocate.done\"", "site = \"relocate.start\"")) == 4);
    CHECK(replay(replaced(text, "seed = 1", "seed = 2")) == 4);
    CHECK(replay(replaced(text, "writes = \"", "writes = \"0")) == 3);
    CHECK(replay(replaced(text, "from = 4", "from = 400")) == 3);
    CHECK(replay(replaced(text, "verdict = \"pass\"", "verdict = \"panic\"")) == 4);
    CHECK(replay(text.substr(0, text.find("[replay]"))) == 3);
    CHECK(replay(text.substr(0, text.size() / 2)) == 3);
    CHECK(replay("") == 3);
    const Said none = run_baton("replay " + e.folder.path("s.toml"));
    CHECK(none.exit == 3);
    CHECK(none.err.find("s.toml:1:1: the file has no [replay]") != std::string::npos);
}

TEST_CASE("shrink: writes a smaller file beside the first, which stays") {
    const Explored e;
    const std::string before = e.text();
    const Said said = run_baton("shrink --json " + e.file);
    CAPTURE(said.out, said.err);
    REQUIRE(said.exit == 0);
    const auto report = nlohmann::json::parse(said.out);
    const std::string file = report.at("file");
    CHECK(file == replaced(e.file, ".toml", "-shrunk.toml"));
    CHECK(report.at("to").at("moves") <= report.at("from").at("moves"));
    CHECK(report.at("to").at("turns") >= 1);
    CHECK(e.text() == before);
    CHECK(run_baton("replay " + file).exit == 0);
    CHECK(run_baton("shrink " + file).exit == 0);  // what is smallest stays so
    CHECK(run_baton("shrink " + e.folder.path("s.toml")).exit == 3);
    // A file whose run does not show what it says.
    const std::string lies = e.folder.write("lies.toml", replaced(before, "finding = \"", "finding = \"F13 by nobody"));
    const Said lying = run_baton("shrink " + lies);
    CHECK(lying.exit == 3);
    CHECK(lying.err.find("does not come to") != std::string::npos);
}
