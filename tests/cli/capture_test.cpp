// SPDX-License-Identifier: GPL-2.0-only
// `baton export` and `baton check --machine`, as a shell sees them.
#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "tests/catch.hpp"
#include "tests/cli/binary.hpp"

using baton::tests::run_baton;
using baton::tests::Said;
using baton::tests::TemporaryFolder;
using nlohmann::json;

namespace {

const std::string kSource = BATON_SOURCE_DIR;
const std::string kQuickstart = kSource + "/scenarios/library/quickstart.toml";
const std::string kCapture = kSource + "/tests/data/linux-kho/x86_64-6.16";

std::string receiver(const std::string& capture) {
    return "title = 't'\n[kernel.k]\n[[step]]\ndo = 'boot'\nkernel = 'k'\ncapture = '" + capture +
           "'\n[[step]]\ndo = 'expect'\nkho_boot = true\ncaptured = true\nregion = 'oops'\nreserved = true\n";
}

TEST_CASE("export: a hop of a scenario becomes a capture that boots, natively and as machine code, on both ISAs") {
    const TemporaryFolder folder;
    for (const char* arch : {"x86_64", "aarch64"}) {
        for (const char* hop : {"1", "2"}) {
            CAPTURE(arch, hop);
            const std::string out = folder.path(std::string(arch) + hop);
            const Said said =
                run_baton(fmt::format("export {} --arch {} --hop {} --out {}", kQuickstart, arch, hop, out));
            CAPTURE(said.err);
            REQUIRE(said.exit == 0);
            CHECK(said.out.find("segments of") != std::string::npos);
            const json manifest = json::parse(folder.read(std::string(arch) + hop + "/manifest.json"));
            CHECK(manifest.at("arch") == arch);
            CHECK(manifest.at("generation") == "6.18");
            CHECK(manifest.at("mem_mb") == 512);
            CHECK(manifest.at("name") == fmt::format("quickstart-{}-hop{}", arch, hop));
            const std::string scenario = folder.write("r.toml", receiver(out));
            for (const char* target : {"native", "guest"}) {
                const Said run = run_baton(fmt::format("run {} --target {}", scenario, target));
                CAPTURE(target, run.out, run.err);
                CHECK(run.exit == 0);
            }
        }
    }
}

TEST_CASE("export: a capture of a machine with nodes has its nodes") {
    const TemporaryFolder folder;
    const std::string expect = "nodes = [0, 1, 2]\nmemory_nodes = [0, 1]\nscratch_nodes = [0, 1]\nnode = 1\n";
    for (const char* arch : {"x86_64", "aarch64"}) {
        CAPTURE(arch);
        const std::string out = folder.path(arch);
        const std::string five = kSource + "/scenarios/library/numa/five_hops.toml";
        REQUIRE(run_baton(fmt::format("export {} --arch {} --hop 1 --out {}", five, arch, out)).exit == 0);
        const json manifest = json::parse(folder.read(std::string(arch) + "/manifest.json"));
        CHECK(manifest.at("nodes") == 3);
        const json last = manifest.at("memory_map").back();
        CHECK(last.at(3) == 1);
        const std::string scenario = folder.write(
            "r.toml",
            "title = 't'\n[kernel.k]\ngeneration = '7.1'\ncmdline = 'reserve_mem=4M:4M:oops'\n[[step]]\ndo = "
            "'boot'\nkernel = 'k'\ncapture = '" +
                out + "'\n[[step]]\ndo = 'expect'\nkho_boot = true\nregion = 'oops'\n" + expect);
        for (const char* target : {"native", "guest"}) {
            const Said run = run_baton(fmt::format("run {} --target {}", scenario, target));
            CAPTURE(target, run.out, run.err);
            CHECK(run.exit == 0);
        }
    }
}

TEST_CASE("export: native and guest, twice over, write the same bytes") {
    const TemporaryFolder folder;
    REQUIRE(run_baton(fmt::format("export {} --out {}", kQuickstart, folder.path("a"))).exit == 0);
    REQUIRE(run_baton(fmt::format("export {} --out {}", kQuickstart, folder.path("b"))).exit == 0);
    REQUIRE(run_baton(fmt::format("export {} --guest --out {}", kQuickstart, folder.path("c"))).exit == 0);
    for (const char* other : {"b", "c"}) {
        const std::string command = fmt::format("diff -r '{}' '{}' >/dev/null", folder.path("a"), folder.path(other));
        CAPTURE(other);
        CHECK(std::system(command.c_str()) == 0);
    }
}

TEST_CASE("export: a machine saved before, in, and at the end of a kexec gives the same capture as its scenario") {
    const TemporaryFolder folder;
    const std::string common =
        "title = 't'\nmachine = { arch = 'x86_64' }\n[kernel.k]\ncmdline = 'kho=on kho_scratch=16M,16M,16M "
        "reserve_mem=1M:4K:oops'\n[[step]]\ndo = 'boot'\nkernel = 'k'\n[[step]]\ndo = 'fill'\nregion = 'oops'\n"
        "[[step]]\ndo = 'finalise'\n[[step]]\ndo = 'kexec_file_load'\nkernel = 'k'\n";
    const std::string whole = folder.write("whole.toml", common + "[[step]]\ndo = 'exec'\n");
    REQUIRE(run_baton(fmt::format("export {} --name n --out {}", whole, folder.path("whole"))).exit == 0);
    const auto from = [&](const std::string& name, const std::string& steps) {
        const std::string file =
            folder.write(name + ".toml", common + steps + "[[step]]\ndo = 'save'\nfile = '" + name + ".baton'\n");
        REQUIRE(run_baton("run " + file).exit == 0);
        const Said said =
            run_baton(fmt::format("export {} --name n --out {}", folder.path(name + ".baton"), folder.path(name)));
        CAPTURE(name, said.err);
        REQUIRE(said.exit == 0);
        // The title is the scenario's, which a saved machine does not know.
        const std::string command =
            fmt::format("diff -r -x manifest.json '{}' '{}'", folder.path("whole"), folder.path(name));
        CHECK(std::system(command.c_str()) == 0);
        json a = json::parse(folder.read("whole/manifest.json"));
        json b = json::parse(folder.read(name + "/manifest.json"));
        a.erase("note");
        b.erase("note");
        CHECK(a == b);
    };
    from("loaded", "");
    from("relocating", "[[step]]\ndo = 'exec'\nbreak = 'relocate.page#5'\n");
    from("entered", "[[step]]\ndo = 'exec'\nbreak = 'kernel.entry'\n");
}

TEST_CASE("export: what cannot be exported, or written, is said; nothing is left behind") {
    const TemporaryFolder folder;
    const auto says = [&](const std::string& arguments, int exit, std::string_view text) {
        const Said said = run_baton("export " + arguments);
        CAPTURE(arguments, said.err);
        CHECK(said.exit == exit);
        CHECK(said.err.find(text) != std::string::npos);
    };
    const std::string out = " --out " + folder.path("x");
    says(kQuickstart + " --hop 7" + out, 3, "the scenario has no such hop");
    says(kQuickstart + " --hop 0" + out, 2, "hops count from 1");
    says(kQuickstart + " --arch mips" + out, 2, "unknown name \"mips\"");
    says("nowhere.toml" + out, 3, "there is no such file");
    says(kQuickstart + " --out /proc/nowhere/x", 3, "is no folder");
    says(kQuickstart + " --out /proc/x", 3, "cannot be written");
    folder.write("file", "data");
    says(kQuickstart + " --out " + folder.path(), 3, "exists and is not an empty folder");
    CHECK(folder.read("file") == "data");
    const std::string cold =
        folder.write("cold.toml",
                     "title = 't'\n[kernel.k]\ncmdline = 'kho=off'\n[[step]]\ndo = 'boot'\nkernel = 'k'\n[[step]]\n"
                     "do = 'kexec_file_load'\nkernel = 'k'\n[[step]]\ndo = 'exec'\n");
    says(cold + out, 3, "this kernel was not handed anything");
    CHECK(!std::filesystem::exists(folder.path("x")));
    CHECK(std::distance(std::filesystem::directory_iterator(folder.path()), {}) == 2);
}

TEST_CASE("check --machine: what a map makes of a machine, and what fits on it") {
    const Said map = run_baton(fmt::format("check --machine {}/k1/iomem.txt --arch x86_64", kCapture));
    CHECK(map.exit == 0);
    CHECK(map.out.find("x86_64 machine with 511 MiB of RAM") != std::string::npos);
    CHECK(map.out.find("0x100000-0x1ffdffff") != std::string::npos);

    const std::string fit = fmt::format("check --machine {} --fit --image-size 12M --cma-align 4M", kCapture);
    const Said yes = run_baton(fit + " --initrd 300K --scratch 16M,64M,32M");
    CAPTURE(yes.out, yes.err);
    CHECK(yes.exit == 0);
    CHECK(yes.out.find("\nfits: image of 12288 KiB, initrd of 300 KiB, kho_scratch=16M,64M,32M\n") !=
          std::string::npos);
    const Said no = run_baton(fit + " --initrd 30M --scratch 16M,8M,8M --json");
    CHECK(no.exit == 1);
    const json answer = json::parse(no.out).at("fit");
    CHECK(answer.at("fits") == false);
    CHECK(answer.at("error") == "EADDRNOTAVAIL");
    const Said then = run_baton(fit + " --initrd 30M --scratch " + answer.at("smallest_scratch").get<std::string>());
    CHECK(then.exit == 0);
    const Said disabled = run_baton(fit + " --scratch 300M,300M,8M");
    CHECK(disabled.exit == 1);
    CHECK(disabled.out.find("error: KHO disabled") != std::string::npos);
}

TEST_CASE("check --machine: bad input is exit 3 with its place, bad usage 2") {
    const TemporaryFolder folder;
    const std::string bad = folder.write("bad", "0x0 0x1000 ram\n0x800 0x1000 ram\n");
    const auto says = [&](const std::string& arguments, int exit, std::string_view text) {
        const Said said = run_baton("check " + arguments);
        CAPTURE(arguments, said.err);
        CHECK(said.exit == exit);
        CHECK(said.err.find(text) != std::string::npos);
    };
    says("--machine " + bad, 3, bad + ":2:1: [0x800-0x17ff] ram overlaps");
    says("--machine nowhere", 3, "there is no such file");
    says(fmt::format("--machine {}/k1/iomem.txt", kCapture), 3,
         "does not tell of which architecture it is (say it with --arch)");
    says("--machine " + kCapture + " --arch aarch64", 3, "the map of an x86_64 machine");
    says("--machine " + kCapture + " --fit", 3, "which kernel shall fit?");
    says("--machine " + kCapture + " --fit --image-size 0", 3, "--image-size: 0 is no size for this");
    says("--machine " + kCapture + " --fit --image " + bad, 3, "--image: \"" + bad + "\" is too short for a bzImage");
    says("--machine " + kCapture + " --fit --image-size 1M --scratch 'a b'", 3, "is no value of kho_scratch=");
    says("--machine " + kCapture + " --fit --image-size 1M --generation 5.0", 3, "unknown name \"5.0\"");
    says("--fit", 2, "");
    says("", 2, "");
    const std::string tiny = folder.write("tiny", "0x0 0x9fc00 ram\n");
    says("--machine " + tiny + " --fit --image-size 1M", 3, "no kernel boots on this machine");
}

}  // namespace
