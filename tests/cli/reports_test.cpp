// SPDX-License-Identifier: GPL-2.0-only
// `baton run --html FILE --timeline FILE`: the files are there whole, the same every time, or it is said why not.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "tests/catch.hpp"
#include "tests/cli/binary.hpp"
#include "tests/support/markup_check.hpp"
#include "tests/support/trace_events.hpp"

using baton::tests::run_baton;
using baton::tests::Said;
using baton::tests::TemporaryFolder;

namespace {

constexpr const char* kScenario =
    "title = 'a <b>title</b> & \"quotes\"'\nmachine = { arch = ['x86_64', 'aarch64'], ram = '512M', seed = 7 }\n"
    "kernel = { a = { cmdline = 'kho=on kho_scratch=16M,64M,16M reserve_mem=4M:4M:oops' } }\nstep = [\n"
    "{ do = 'boot', kernel = 'a' },\n{ do = 'fill', region = 'oops' },\n{ do = 'finalise' },\n"
    "{ do = 'kexec_file_load', kernel = 'a' },\n{ do = 'exec' },\n"
    "{ do = 'expect', region = 'oops', intact = false },\n]\n";

std::size_t files_in(const std::string& folder) {
    std::size_t count = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder)) ++count;
    return count;
}

TEST_CASE("run --html --timeline: both files, beside what is printed, with the same bytes every time") {
    const TemporaryFolder folder;
    const std::string file = folder.write("t.toml", kScenario);
    const auto play = [&](const std::string& name) {
        return run_baton(
            fmt::format("run {} --json --html {}.html --timeline {}.json", file, folder.path(name), folder.path(name)));
    };
    const Said said = play("one");
    CHECK(said.exit == 1);
    CHECK(said.out == run_baton("run --json " + file).out);
    CHECK(play("two").out == said.out);
    const std::string page = folder.read("one.html");
    CHECK(page == folder.read("two.html"));
    CHECK(folder.read("one.json") == folder.read("two.json"));
    CHECK(files_in(folder.path()) == 5);  // nothing else is left behind

    baton::tests::MarkupCheck check(page);
    CHECK(check.faults() == std::vector<std::string>{});
    CHECK(check.outside().empty());
    CHECK(page.find("oops is intact") != std::string::npos);
    CHECK(page.find("a &lt;b&gt;title&lt;/b&gt; &amp; &quot;quotes&quot;") != std::string::npos);
    CHECK(page.find("<b>title") == std::string::npos);
    CHECK(page.find("<svg") != std::string::npos);
    const auto trace = nlohmann::json::parse(folder.read("one.json"));
    CHECK(baton::tests::faults_of_trace(trace) == std::vector<std::string>{});
    CHECK(trace.at("traceEvents").size() > 200);
}

TEST_CASE("run --html --timeline: what cannot be written is found before anything runs") {
    const TemporaryFolder folder;
    const std::string file = folder.write("t.toml", kScenario);
    const auto refused = [&](const std::string& options, std::string_view why) {
        const Said said = run_baton(fmt::format("run {} {}", file, options));
        CAPTURE(options, said.err);
        CHECK(said.exit == 3);
        CHECK(said.out.empty());
        CHECK(said.err.find(why) != std::string::npos);
    };
    const std::string out = folder.path("out");
    for (const char* option : {"--html", "--timeline"}) {
        refused(fmt::format("{} /no/such/folder/x", option), "/no/such/folder/x: cannot be written: No such file");
        refused(fmt::format("{} {}", option, folder.path()), "cannot be written: Is a directory");
        refused(fmt::format("{} /dev/full", option), "/dev/full: cannot be written: it is not a regular file");
        refused(fmt::format("{} {}", option, file), "is the scenario, which would be overwritten");
        refused(fmt::format("{} {}/./t.toml", option, folder.path()), "is the scenario, which would be overwritten");
    }
    refused(fmt::format("--html {} --timeline {}/../{}/out", out, folder.path(),
                        std::filesystem::path(folder.path()).filename().string()),
            "is written by --html too");
    refused(fmt::format("--junit {} --timeline {}", out, out), "is written by --junit too");
    CHECK(files_in(folder.path()) == 1);
    CHECK(folder.read("t.toml") == kScenario);
    const Said json = run_baton(fmt::format("run {} --json --html {}", file, folder.path()));
    CHECK(json.exit == 3);
    CHECK(nlohmann::json::parse(json.out).at("error").at("file") == folder.path());
}

TEST_CASE("run --html --timeline: a machine that takes the place of another, in the middle of its jump") {
    const TemporaryFolder folder;
    std::string text = kScenario;
    text.replace(text.find("{ do = 'exec' }"), std::string::npos,
                 fmt::format("{{ do = 'exec', break = 'relocate.page#20' }},\n{{ do = 'save', file = '{0}' }},\n"
                             "{{ do = 'continue' }},\n{{ do = 'load', file = '{0}' }},\n{{ do = 'continue' }},\n"
                             "{{ do = 'expect', kho_boot = true }},\n]\n",
                             folder.path("m.sav")));
    const Said said = run_baton(fmt::format("run {} --html {} --timeline {}", folder.write("t.toml", text),
                                            folder.path("a.html"), folder.path("a.json")));
    CAPTURE(said.out, said.err);
    CHECK(said.exit == 0);
    const auto trace = nlohmann::json::parse(folder.read("a.json"));
    CHECK(baton::tests::faults_of_trace(trace) == std::vector<std::string>{});
    // Of both machines the end of the copying, and the second machine's kernel.
    const auto names = baton::tests::trace_names(trace, "i");
    CHECK(std::ranges::count(names, "relocate.done") == 4);
    const std::string page = folder.read("a.html");
    CHECK(baton::tests::MarkupCheck(page).faults() == std::vector<std::string>{});
    CHECK(page.find("Hop 2: a → a") != std::string::npos);
}

TEST_CASE("run --html --timeline: bad input leaves no report") {
    const TemporaryFolder folder;
    const std::string file = folder.write("t.toml", "title = 1\n");
    CHECK(run_baton(fmt::format("run {} --html {} --timeline {}", file, folder.path("a"), folder.path("b"))).exit == 3);
    CHECK(files_in(folder.path()) == 1);
}

}  // namespace
