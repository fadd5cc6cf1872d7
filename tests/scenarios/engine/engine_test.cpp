// SPDX-License-Identifier: GPL-2.0-only
// Paths to scenarios to cells: what is found, in which order, and what stops a run before it begins.
#include "scenarios/engine/engine.hpp"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>

#include "tests/catch.hpp"

using namespace baton;
using namespace baton::scenarios;
namespace fs = std::filesystem;

namespace {

class Folder {
public:
    Folder() {
        std::string name = (fs::temp_directory_path() / "baton-engine-XXXXXX").string();
        path_ = mkdtemp(name.data());
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    ~Folder() { fs::remove_all(path_); }
    std::string write(const std::string& name, std::string_view text) const {
        const fs::path file = path_ / name;
        fs::create_directories(file.parent_path());
        std::ofstream(file) << text;
        return file.string();
    }
    std::string path() const { return path_.string(); }

private:
    fs::path path_;
};

constexpr std::string_view kGuestOnly =
    "title='t'\nmachine={target='guest',arch='x86_64'}\nkernel.a={}\nstep=[{do='boot',kernel='a'}]\n";

TEST_CASE("engine: a folder is searched for *.toml, sorted; each file counts once") {
    const Folder folder;
    const std::string b = folder.write("b.toml", "");
    const std::string a = folder.write("deep/a.toml", "");
    folder.write("notes.md", "");
    const FoundFiles found = find_scenarios({b, folder.path(), "nowhere.toml"});
    CHECK(found.diagnostics.empty());
    CHECK(found.files == std::vector<std::string>{b, a, "nowhere.toml"});
}

TEST_CASE("engine: a folder without scenarios is a mistake") {
    const Folder folder;
    folder.write("notes.md", "");
    const FoundFiles found = find_scenarios({folder.path()});
    REQUIRE(found.diagnostics.size() == 1);
    CHECK(found.diagnostics[0].message == "the folder holds no scenario");
}

TEST_CASE("engine: a matrix expands to every combination") {
    const std::vector<Cell> cells = expand({{GeometryId::kX86_64, GeometryId::kAArch64_4K},
                                            {Target::kNative},
                                            {512 * kMiB, kGiB},
                                            {},
                                            {},
                                            {1, 2, 3},
                                            {0, 0xa5}});
    CHECK(cells.size() == 2 * 1 * 2 * 3 * 2);
    CHECK(cell_name(cells.front()) == "x86_64, native, 512M, seed 1");
    CHECK(cell_name(cells.back()) == "aarch64, native, 1G, seed 3, fill 0xa5");
    CHECK(saved_file_name("five hops", cells.back()) == "five hops-aarch64-native-1G-seed3-filla5.baton");
}

TEST_CASE("engine: what is about guests alone is left out of a native run") {
    const Folder folder;
    folder.write("guest.toml", kGuestOnly);
    folder.write("any.toml", "title='u'\nmachine={arch='x86_64'}\nkernel.a={}\nstep=[{do='boot',kernel='a'}]\n");
    RunRequest request{.paths = {folder.path()}, .targets = {Target::kNative}, .image_folder = BATON_IMAGES};
    RunReport report = run_paths(request);
    CHECK(report.results.size() == 1);
    CHECK(report.left_out == 1);
    CHECK(report.exit_code() == Exit::kPass);
    request.targets = {Target::kNative, Target::kGuest};
    CHECK(run_paths(request).results.size() == 3);
}

TEST_CASE("engine: files of one name in several folders have names of their own") {
    using Names = std::vector<std::string>;
    CHECK(short_names({"a/x.toml", "y.toml"}) == Names{"x", "y"});
    CHECK(short_names({"a/x.toml", "b/x.toml", "y.toml"}) == Names{"a_x", "b_x", "y"});
    CHECK(short_names({"p/a/x.toml", "q/a/x.toml"}) == Names{"p_a_x", "q_a_x"});
    CHECK(short_names({"a/x.toml", "b/x.toml", "a_x.toml"}).size() == 3);
    const Names clash = short_names({"a/x.toml", "b/x.toml", "c/a_x.toml"});
    CHECK(std::set(clash.begin(), clash.end()).size() == 3);
    // The same file by two names, and the root.
    const Names same = short_names({"a/x.toml", "a/../a/x.toml", "/x.toml", "/b/x.toml"});
    CHECK(std::set(same.begin(), same.end()).size() == 4);
    for (const std::string& n : same) CHECK(n.find('/') == std::string::npos);
}

TEST_CASE("engine: --save-on-fail writes one file for each failed run") {
    const Folder folder;
    constexpr std::string_view kFails =
        "title='t'\nkernel.a={}\nstep=[{do='boot',kernel='a'},{do='expect',kho_boot=true}]\n";
    folder.write("a/x.toml", kFails);
    folder.write("b/x.toml", kFails);
    const std::filesystem::path here = std::filesystem::current_path();
    std::filesystem::create_directories(folder.path() + "/out");
    std::filesystem::current_path(folder.path() + "/out");
    const RunReport report = run_paths({.paths = {folder.path()}, .image_folder = BATON_IMAGES, .save_on_fail = true});
    std::filesystem::current_path(here);
    std::set<std::string> files;
    for (const RunResult& r : report.results) {
        CHECK(r.verdict == Verdict::kFail);
        CHECK(std::filesystem::exists(folder.path() + "/out/" + r.saved));
        files.insert(r.saved);
    }
    CHECK(files.size() == 4);
    CHECK(files.contains("a_x-x86_64-native-512M-seed1.baton"));
}

TEST_CASE("engine: an image without machine code is skipped as a guest, and that is no pass") {
    const Folder folder;
    std::filesystem::create_directories(folder.path() + "/images/x86_64");
    const std::string image = folder.path() + "/images/x86_64/baton.img";
    REQUIRE(std::system(
                ("'" BATON_IMAGES "/../firmware/baton_mkimage' --arch x86_64 --output '" + image + "'").c_str()) == 0);
    const RunReport report =
        run_paths({.paths = {folder.write("g.toml", kGuestOnly)}, .image_folder = folder.path() + "/images"});
    REQUIRE(report.results.size() == 1);
    CHECK(report.results[0].verdict == Verdict::kSkipped);
    CHECK(report.results[0].message.find("holds no machine code") != std::string::npos);
    CHECK(report.exit_code() == Exit::kBadInput);
}

TEST_CASE("engine: one wrong file and nothing runs") {
    const Folder folder;
    folder.write("good.toml", kGuestOnly);
    folder.write("wrong.toml", "title = 3");
    const RunReport report = run_paths({.paths = {folder.path()}});
    CHECK(report.results.empty());
    CHECK(report.diagnostics.size() == 3);
    CHECK(report.exit_code() == Exit::kBadInput);
}

TEST_CASE("engine: choosing an architecture leaves scenarios out, but not all") {
    const Folder folder;
    folder.write("x86.toml", kGuestOnly);
    const RunReport none = run_paths({.paths = {folder.path()}, .archs = {GeometryId::kAArch64_4K}});
    CHECK(none.left_out == 1);
    REQUIRE(none.diagnostics.size() == 1);
    CHECK(none.exit_code() == Exit::kBadInput);
    folder.write("arm.toml",
                 "title='t'\nmachine={target='guest',arch='aarch64'}\nkernel.a={}\nstep=[{do='boot',kernel='a'}]\n");
    const RunReport one = run_paths({.paths = {folder.path()}, .archs = {GeometryId::kAArch64_4K}, .seeds = {5, 6}});
    CHECK(one.left_out == 1);
    REQUIRE(one.results.size() == 2);
    CHECK(one.results[1].cell.seed == 6);
}

}  // namespace
