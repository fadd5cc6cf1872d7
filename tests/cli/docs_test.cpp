// SPDX-License-Identifier: GPL-2.0-only
// What the documents show is what their commands print: README.md and docs/*.md are read, every block that begins with
// "$ " is played by a shell in a folder that looks like the repository, and its lines are compared. A "…" in a line
// stands for any text, a line of it for any number of lines. A session of GDB is played in one go: how its two streams
// mix is chance, so each line that is shown must be among those it prints.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <span>
#include <sstream>
#include <vector>

#include "tests/catch.hpp"
#include "tests/cli/binary.hpp"

namespace fs = std::filesystem;
using baton::tests::run_shell;
using baton::tests::TemporaryFolder;

namespace {

constexpr std::string_view kAny = "…";
constexpr std::size_t kIndent = 4;

using Lines = std::vector<std::string>;

struct Example {
    std::string file;
    std::size_t line = 0;
    std::string command;
    Lines output;
};

Lines lines_of(const std::string& text) {
    Lines out;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) out.push_back(line);
    return out;
}

std::string trimmed(std::string_view s) {
    const std::size_t first = s.find_first_not_of(' ');
    return first == s.npos ? "" : std::string(s.substr(first, s.find_last_not_of(' ') - first + 1));
}

/// Does `pattern` with its "…" stand for `line`?
bool stands_for(std::string_view pattern, std::string_view line) {
    const std::size_t any = pattern.find(kAny);
    if (any == pattern.npos) return trimmed(pattern) == trimmed(line);
    if (!line.starts_with(pattern.substr(0, any))) return false;
    line.remove_prefix(any);
    pattern.remove_prefix(any + kAny.size());
    for (std::size_t i = 0; i <= line.size(); ++i)
        if (stands_for(pattern, line.substr(i))) return true;
    return false;
}

/// The first line of `pattern` that `output` does not have where it should, or nothing.
std::optional<std::string> unlike(std::span<const std::string> pattern, std::span<const std::string> output) {
    bool skip = false;
    std::size_t at = 0;
    for (const std::string& p : pattern) {
        if (trimmed(p) == kAny) {
            skip = true;
            continue;
        }
        while (skip && at < output.size() && !stands_for(p, output[at])) ++at;
        if (at == output.size() || !stands_for(p, output[at])) return p;
        ++at;
        skip = false;
    }
    while (at < output.size() && trimmed(output[at]).empty()) ++at;
    if (skip || at == output.size()) return std::nullopt;
    return "no line for: " + output[at];
}

std::vector<Example> examples_in(const std::string& file, const Lines& text) {
    std::vector<Example> out;
    bool fenced = false;
    bool playing = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        std::string_view line = text[i];
        if (line.starts_with("```")) {
            fenced = !fenced;
            playing = false;
            continue;
        }
        if (!fenced && !line.empty()) {
            if (!line.starts_with(std::string(kIndent, ' '))) {
                playing = false;
                continue;
            }
            line.remove_prefix(kIndent);
        }
        if (line.starts_with("$ ")) {
            playing = true;
            out.push_back({file, i + 1, std::string(line.substr(2)), {}});
        } else if (playing) {
            out.back().output.emplace_back(line);
        }
    }
    for (Example& e : out)
        while (!e.output.empty() && trimmed(e.output.back()).empty()) e.output.pop_back();
    return out;
}

constexpr std::string_view kDebugger = "gdb-multiarch ";
constexpr std::string_view kPrompt = "(gdb) ";

/// The command line that plays a session: what was typed, as options.
std::string session_command(const Example& e) {
    std::string out = "gdb-multiarch -nx -batch -ex 'set sysroot' -ex 'set width 0' -ex 'set confirm off'";
    for (const std::string& line : e.output)
        if (line.starts_with(kPrompt)) out += " -ex '" + line.substr(kPrompt.size()) + "'";
    return out + " " + e.command.substr(kDebugger.size());
}

std::optional<std::string> unlike_session(std::span<const std::string> shown, std::span<const std::string> printed) {
    for (const std::string& line : shown)
        if (!line.starts_with(kPrompt) &&
            std::ranges::none_of(printed, [&](const std::string& p) { return stands_for(line, p); }))
            return line;
    return std::nullopt;
}

std::vector<Example> all_examples() {
    const fs::path root = BATON_SOURCE_DIR;
    std::vector<fs::path> files = {root / "README.md"};
    for (const auto& entry : fs::directory_iterator(root / "docs"))
        if (entry.path().extension() == ".md") files.push_back(entry.path());
    std::ranges::sort(files);
    std::vector<Example> out;
    for (const fs::path& file : files) {
        std::ifstream in(file);
        const std::string text{std::istreambuf_iterator<char>(in), {}};
        std::ranges::move(examples_in(file.filename().string(), lines_of(text)), std::back_inserter(out));
    }
    return out;
}

}  // namespace

TEST_CASE("docs: what is shown is what is printed") {
    const TemporaryFolder folder;
    const fs::path here = folder.path();
    fs::create_symlink(BATON_BINARY, here / "baton");
    for (const char* name : {"scenarios", "tests", "sim"})
        fs::create_symlink(fs::path(BATON_SOURCE_DIR) / name, here / name);
    fs::create_directories(here / "build");
    fs::create_symlink(fs::path(BATON_BINARY).parent_path(), here / "build/dev");
    const std::vector<Example> examples = all_examples();
    REQUIRE(examples.size() >= 10);
    for (const Example& e : examples) {
        INFO(e.file << ":" << e.line << ": " << e.command);
        const bool session = e.command.starts_with(kDebugger);
        const std::string command = session ? session_command(e) : e.command;
        const auto said = run_shell("cd '" + here.string() + "' && { " + command + "; } 2>&1");
        CHECK((said.exit == 0 || said.exit == 1));  // 1: what was inspected has errors, what was compared differs
        REQUIRE((!session || !e.output.empty()));
        const Lines printed = lines_of(said.out);
        for (const std::string& line : printed) UNSCOPED_INFO(line);
        const auto other = session ? unlike_session(e.output, printed) : unlike(e.output, printed);
        INFO("shown, not printed: " << other.value_or(""));
        CHECK_FALSE(other);
    }
}

TEST_CASE("docs: an example that says something else is found") {
    const Lines printed = {"one  1", "two", "three 3 4", "four"};
    CHECK_FALSE(unlike(printed, printed));
    CHECK_FALSE(unlike(Lines{"one  1", "…", "four"}, printed));
    CHECK_FALSE(unlike(Lines{"one…", "two", "thr… 3 …", "…"}, printed));
    CHECK(unlike(Lines{"one  1", "two", "three 3 5", "four"}, printed) == "three 3 5");
    CHECK(unlike(Lines{"one  1", "two", "three 3 4"}, printed) == "no line for: four");
    CHECK(unlike(Lines{"one  1", "…", "five"}, printed) == "five");
    CHECK(unlike(Lines{"one  1", "four"}, printed) == "four");
    const Lines text = {"text", "    $ a b", "    c", "", "      d", "more", "```", "$ e", "f", "```", "    g"};
    const std::vector<Example> found = examples_in("x", text);
    REQUIRE(found.size() == 2);
    CHECK(found[0].command == "a b");
    CHECK(found[0].output == Lines{"c", "", "  d"});
    CHECK(found[1].command == "e");
    CHECK(found[1].output == Lines{"f"});
    CHECK_FALSE(unlike_session(Lines{"(gdb) x", "two", "one…"}, printed));
    CHECK(unlike_session(Lines{"(gdb) x", "two", "five"}, printed) == "five");
}
