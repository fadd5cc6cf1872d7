// SPDX-License-Identifier: GPL-2.0-only
// Machines by description in scenarios: what is read, what is refused and where, and that they run on every target.
#include <filesystem>
#include <fstream>

#include "scenarios/engine/engine.hpp"
#include "scenarios/engine/parse.hpp"
#include "scenarios/engine/runner.hpp"
#include "sim/machine.hpp"
#include "tests/catch.hpp"

using namespace baton;
using namespace baton::scenarios;

namespace {

constexpr std::string_view kRest =
    "\n[kernel.a]\ncmdline = 'kho=on kho_scratch=8M,8M,8M reserve_mem=2M:4K:oops'\n"
    "[[step]]\ndo = 'boot'\nkernel = 'a'\n"
    "[[step]]\ndo = 'fill'\nregion = 'oops'\n[[step]]\ndo = 'finalise'\n"
    "[[step]]\ndo = 'kexec_file_load'\nkernel = 'a'\n[[step]]\ndo = 'exec'\n"
    "[[step]]\ndo = 'expect'\nkho_boot = true\nregion = 'oops'\nintact = true\nsame_address = true\n";

Parsed parse(std::string_view machine) {
    const std::string file = BATON_SOURCE_DIR "/tests/data/linux-kho/t.toml";
    return parse_text("title = 't'\n" + std::string(machine) + std::string(kRest), file);
}

std::string first_error(std::string_view machine) {
    const Parsed parsed = parse(machine);
    if (parsed.diagnostics.empty()) return "right";
    const std::string text = to_text(parsed.diagnostics[0]);
    return text.substr(text.find("t.toml:") + 7);
}

void require_pass(std::string_view machine) {
    const Parsed parsed = parse(machine);
    for (const Diagnostic& d : parsed.diagnostics) FAIL(to_text(d));
    for (const Cell& cell : expand(parsed.scenario->machine)) {
        INFO(cell_name(cell));
        const RunResult r = run_cell(*parsed.scenario, cell, {.image_folder = BATON_IMAGES});
        for (const Finding& f : r.findings) UNSCOPED_INFO(f.what << ": " << f.detail);
        INFO(r.message);
        REQUIRE(r.verdict == Verdict::kPass);
    }
}

TEST_CASE("maps: every form of file makes machines of its architecture") {
    for (const char* file : {"x86_64-6.16", "x86_64-6.16/manifest.json", "x86_64-6.16/k2/dmesg.txt"}) {
        const Parsed parsed = parse(std::string("machine = { map = '") + file + "' }");
        REQUIRE(parsed.scenario);
        CHECK(parsed.scenario->machine.archs == std::vector{GeometryId::kX86_64});
        CHECK(parsed.scenario->machine.ram_bytes.empty());
        const auto cells = expand(parsed.scenario->machine);
        REQUIRE(cells.size() == 1);
        CHECK(cells[0].map->ram.size() == 2);
    }
    const Parsed both = parse("machine = { map = ['x86_64-6.16', 'aarch64-6.16/k2/boot.dtb'], arch = 'aarch64' }");
    CHECK(!both.scenario);
    const Parsed iomem = parse("machine = { map = 'aarch64-6.16/k1/iomem.txt', arch = ['aarch64', 'aarch64-16k'] }");
    REQUIRE(iomem.scenario);
    CHECK(expand(iomem.scenario->machine).size() == 2);
}

TEST_CASE("maps: a handover passes on machines with holes, small runs and odd ends, natively and as machine code") {
    require_pass(
        "[machine]\narch = 'x86_64'\ntarget = ['native', 'guest']\n"
        "memory_map = [['0', '0x9fc00', 'ram'], ['0x9fc00', '0x400', 'reserved'], ['1M', '79M', 'ram'],\n"
        "  ['80M', '1M', 'acpi'], ['81M', '0x2fffc00', 'ram'], ['200M', '3M', 'ram'], ['256M', '100M', 'ram'],\n"
        "  ['0xfe000000', '1M', 'reserved'], ['4G', '512M', 'ram']]\n");
    require_pass(
        "[machine]\narch = 'aarch64'\ntarget = ['native', 'guest']\n"
        "memory_map = [['0x40000000', '1M', 'ram'], ['0x40200000', '128M', 'ram'], ['0x50001000', '0x5fff800', "
        "'ram'],\n"
        "  ['6G', '256M', 'ram']]\n");
}

TEST_CASE("maps: a handover passes on the captured machines, natively and as machine code") {
    require_pass("machine = { map = 'x86_64-6.18-test_kho', target = ['native', 'guest'] }");
    require_pass("machine = { map = 'aarch64-6.16/k2/boot.dtb', target = ['native', 'guest'] }");
    require_pass("machine = { map = 'x86_64-6.16/k1/iomem.txt', arch = 'x86_64', target = ['native', 'guest'] }");
}

TEST_CASE("maps: twenty runs of RAM, the most a machine has being 32") {
    for (const char* target : {"native", "guest"}) {
        std::string rows = "['0', '640K', 'ram'], ['1M', '127M', 'ram']";
        for (u64 i = 0; i < 20; ++i) rows += ", ['" + std::to_string(160 + 32 * i) + "M', '10M', 'ram']";
        require_pass("[machine]\narch = 'x86_64'\ntarget = '" + std::string(target) + "'\nmemory_map = [" + rows +
                     "]\n");
    }
}

TEST_CASE("maps: nonsense is refused with its place") {
    const std::string head = "[machine]\narch = 'x86_64'\nmemory_map = [\n";
    CHECK(first_error(head + "['0', '2M', 'ram'],\n['1M', '2M', 'reserved'] ]") ==
          "6:1: [0x100000-0x2fffff] reserved overlaps [0x0-0x1fffff] ram of line 5 (each byte belongs to one entry)");
    CHECK(first_error(head + "['0', 0, 'ram'] ]") == "5:1: the entry at 0x0 is empty");
    CHECK(first_error(head + "['0xfffffffffffff000', '8K', 'ram'] ]").starts_with("5:1: 0x2000 bytes from"));
    CHECK(first_error(head + "['0', '2M', 'rom'] ]").starts_with("5:13: \"rom\" is no type of memory"));
    CHECK(first_error(head + "['0', '2M'] ]").starts_with("5:1: \"memory_map\" holds an array ([start, size, type]"));
    CHECK(first_error(head + "['0', '2M', 'reserved'] ]")
              .ends_with("there is no RAM in it (arch names the machines that the map is for)"));
    CHECK(first_error(head + "['16T', '32T', 'ram'] ]").find("ends above 32 TiB") != std::string::npos);
    CHECK(first_error("machine = { memory_map = 3 }").starts_with("2:26: \"memory_map\" is an integer"));
    CHECK(first_error("machine = { map = 'nowhere', arch = 'x86_64' }").find("there is no such file") !=
          std::string::npos);
    CHECK(first_error("machine = { map = 'x86_64-6.16', ram = '512M' }")
              .starts_with("2:40: a described machine has the RAM"));
    CHECK(first_error("machine = { map = 'x86_64-6.16', arch = 'aarch64' }").find("the map of an x86_64 machine") !=
          std::string::npos);
    CHECK(first_error("machine = { map = 'x86_64-6.16/k1/iomem.txt' }")
              .ends_with("does not tell of which architecture it is (say it with \"arch\")"));
    CHECK(first_error("[machine]\narch = 'aarch64'\ntarget = 'guest'\nmemory_map = [['0', '1G', 'ram']]") ==
          "5:14: memory_map: RAM at 0x0 to 0x3fffffff lies where guests talk to the simulator (run it with target = "
          "\"native\")");
    CHECK(first_error("[machine]\narch = 'aarch64'\nmemory_map = [['0', '1G', 'ram']]") == "right");
    CHECK(first_error("[machine]\narch = 'x86_64'\ntarget='guest'\nmemory_map = [['0', '640K', 'ram'], ['1M', '255M', "
                      "'ram'], ['1T', '1G', 'ram']]")
              .find("guests know 128G of addresses") != std::string::npos);
}

TEST_CASE("maps: a kernel that finds no place on a machine is bad input, not a crash") {
    for (const char* rows : {"['0', '640K', 'ram']", "['4G', '1G', 'ram']", "['0x800', '0x400', 'ram']"}) {
        const Parsed parsed = parse("[machine]\narch = 'x86_64'\nmemory_map = [" + std::string(rows) + "]\n");
        REQUIRE(parsed.scenario);
        const RunResult r =
            run_cell(*parsed.scenario, expand(parsed.scenario->machine)[0], {.image_folder = BATON_IMAGES});
        CHECK(r.verdict == Verdict::kBadInput);
        CHECK(!r.message.empty());
    }
}

TEST_CASE("maps: a saved machine keeps its map") {
    const auto folder = std::filesystem::temp_directory_path() / "baton-map-test";
    std::filesystem::create_directories(folder);
    const std::string sav = (folder / "m.baton").string();
    const std::string machine =
        "title = 't'\n[machine]\narch = 'x86_64'\nmemory_map = [['0', '640K', 'ram'], ['1M', '63M', 'ram'], "
        "['80M', '0x5fffc00', 'ram']]\n[kernel.a]\ncmdline = 'kho=on kho_scratch=4M,4M,4M'\n";
    const Parsed one =
        parse_text(machine + "[[step]]\ndo='boot'\nkernel='a'\n[[step]]\ndo='save'\nfile='" + sav + "'\n", "t");
    REQUIRE(one.scenario);
    REQUIRE(run_cell(*one.scenario, expand(one.scenario->machine)[0], {.image_folder = BATON_IMAGES}).verdict ==
            Verdict::kPass);
    sim::Machine::Loaded loaded = sim::Machine::load(sav, {});
    CHECK(loaded.machine->map() == *expand(one.scenario->machine)[0].map);
    std::filesystem::remove_all(folder);
}

}  // namespace
