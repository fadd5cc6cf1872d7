// SPDX-License-Identifier: GPL-2.0-only
// `nodes` of a machine, rows with a node, and the keys of alloc and expect that are about them.
#include <filesystem>

#include "scenarios/engine/engine.hpp"
#include "scenarios/engine/parse.hpp"
#include "scenarios/engine/runner.hpp"
#include "tests/catch.hpp"

using namespace baton;
using namespace baton::scenarios;

namespace {

Parsed parse(const std::string& machine, const std::string& steps = "") {
    const std::string boot = "\n[kernel.a]\n[[step]]\ndo = 'boot'\nkernel = 'a'\n";
    return parse_text("title = 't'\n" + machine + boot + steps, "t.toml");
}

std::string first_error(const std::string& machine, const std::string& steps = "") {
    const Parsed p = parse(machine, steps);
    if (p.diagnostics.empty()) return "right";
    const Diagnostic& d = p.diagnostics[0];
    return std::to_string(d.place.line) + ":" + std::to_string(d.place.col) + ": " + d.message +
           (d.hint.empty() ? "" : " (" + d.hint + ")");
}

std::string one_step(const std::string& text) { return "[[step]]\n" + text + "\n"; }

}  // namespace

TEST_CASE("nodes: the RAM of a machine is that of its nodes") {
    const Parsed p = parse("machine = { nodes = ['256M', '0', '64M'] }");
    REQUIRE(p.scenario);
    const auto cells = expand(p.scenario->machine);
    REQUIRE(cells.size() == 2);
    for (const Cell& cell : cells) {
        CHECK(cell.ram_bytes == 320 * kMiB);
        REQUIRE(cell.map);
        CHECK(cell.map->nodes == 3);
        CHECK(memory_name(cell) == "256M+0+64M");
    }
    CHECK(first_error("machine = { nodes = ['256M', '256M'], ram = '512M' }") == "right");
}

TEST_CASE("nodes: nonsense is refused with its place") {
    CHECK(first_error("machine = { nodes = '512M' }").starts_with("2:21: \"nodes\" is a string (an array"));
    CHECK(first_error("machine = { nodes = [] }").starts_with("2:21: 0 nodes (an array"));
    CHECK(first_error("machine = { nodes = ['256M', 'x'] }").starts_with("2:30: "));
    CHECK(first_error("machine = { nodes = ['255M', '257M'] }") ==
          "2:22: a node of 255M ends inside a pageblock (a multiple of 2M, or 0)");
    CHECK(first_error("machine = { arch = 'aarch64-16k', nodes = ['66M', '254M'] }") ==
          "2:44: a node of 66M ends inside a pageblock (a multiple of 32M, or 0)");
    CHECK(first_error("machine = { nodes = ['0', '0'] }").starts_with("2:21: no node has memory"));
    CHECK(first_error("machine = { nodes = ['256M', '256M'], ram = '1G' }") ==
          "2:45: the nodes have 512M, the machine 1G (\"ram\" may be left out)");
    CHECK(first_error("machine = { nodes = ['16M', '16M'] }").starts_with("2:21: a machine cannot have 32M of RAM"));
    CHECK(first_error("machine = { arch = 'x86_64', nodes = ['512M'], memory_map = [['1M', '512M', 'ram']] }")
              .find("a described machine has the nodes that its map says") != std::string::npos);
    std::string many = "'2M'";
    for (int i = 0; i < 64; ++i) many += ", '2M'";
    CHECK(first_error("machine = { nodes = [" + many + "] }").starts_with("2:21: 65 nodes"));
}

TEST_CASE("nodes: rows of a memory map name theirs") {
    const std::string head = "[machine]\narch = 'x86_64'\nmemory_map = [\n";
    const Parsed p = parse(head + "['0', '640K', 'ram', 0],\n['1M', '255M', 'ram', 0],\n['256M', '128M', 'ram', 3] ]");
    REQUIRE(p.scenario);
    CHECK(expand(p.scenario->machine)[0].map->nodes == 4);
    CHECK(first_error(head + "['0', '640K', 'ram', 64] ]").starts_with("5:22: "));
    CHECK(first_error(head + "['0', '640K', 'ram', 'x'] ]").starts_with("5:22: "));
    CHECK(first_error(head + "['0', '640K', 'ram', 0],\n['1M', '1M', 'acpi', 0] ]") ==
          "6:22: memory of type \"acpi\" is on no node (only \"ram\" is)");
    CHECK(first_error(head + "['0', '640K', 'ram', 0],\n['1M', '255M', 'ram'] ]")
              .starts_with("6:1: this RAM is on no node, while other RAM is"));
    CHECK(first_error(head + "['0', '640K', 'ram', 0],\n['1M', '254M', 'ram', 0],\n['255M', '257M', 'ram', 1] ]")
              .find("RAM at 0xff00000 shares a pageblock with another node's (x86_64 has pageblocks of 2M)") !=
          std::string::npos);
    CHECK(first_error("[machine]\narch = 'x86_64'\nmemory_map = [['4G', '1G', 'ram', 0]]")
              .find("there is no room below 2 GiB for the tables") != std::string::npos);
}

TEST_CASE("nodes: keys of alloc and expect") {
    CHECK(first_error("", one_step("do = 'alloc'\nregion = 'r'\norder = 0\nnode = 64")).find("node") !=
          std::string::npos);
    CHECK(first_error("", one_step("do = 'alloc'\nregion = 'r'\norder = 0\nthis_node = true"))
              .ends_with("\"this_node\" is about a node, and none is named (add \"node\")"));
    CHECK(first_error("", one_step("do = 'expect'\nnode = 1")).find("is about a region") != std::string::npos);
    CHECK(first_error("", one_step("do = 'expect'\nnodes = 64")) != "right");
    const std::string all = "nodes = [0, 1]\nmemory_nodes = 0\nscratch_nodes = 0\nnode_counts = true";
    CHECK(first_error("", one_step("do = 'expect'\n" + all)) == "right");
}

TEST_CASE("nodes: what is expected of them and does not hold is a finding") {
    const std::string machine = "machine = { arch = 'aarch64', nodes = ['128M', '128M'] }";
    const std::string alloc = one_step("do = 'alloc'\nregion = 'r'\norder = 3\nnode = 1");
    for (const auto& [key, found] : {std::pair{"nodes = [0]", "nodes: 0 1"},
                                     {"memory_nodes = [0, 1, 2]", "nodes with memory: 0 1"},
                                     {"region = 'r'\nnode = 0", "is on node 1"},
                                     {"node_counts = false", "the counters of all nodes are right"}}) {
        const Parsed p = parse(machine, alloc + one_step(std::string("do = 'expect'\n") + key));
        REQUIRE(p.scenario);
        const RunResult r = run_cell(*p.scenario, expand(p.scenario->machine)[0], {.image_folder = BATON_IMAGES});
        REQUIRE(r.findings.size() == 1);
        CHECK(r.findings[0].what.find(found) != std::string::npos);
    }
}

TEST_CASE("nodes: a machine with nodes is saved, loaded, and hands its nodes on") {
    const std::string file = (std::filesystem::temp_directory_path() / "baton-nodes.baton").string();
    for (const char* arch : {"x86_64", "aarch64"}) {
        const std::string text =
            "title = 't'\nmachine = { arch = '" + std::string(arch) +
            "', nodes = ['256M', '0', '256M'] }\n"
            "[kernel.a]\ngeneration = '7.1'\ncmdline = 'kho=on kho_scratch=16M,32M,16M'\n" +
            one_step("do = 'boot'\nkernel = 'a'") + one_step("do = 'kexec_file_load'\nkernel = 'a'") +
            one_step("do = 'save'\nfile = '" + file + "'") + one_step("do = 'load'\nfile = '" + file + "'") +
            one_step("do = 'exec'") +
            one_step(
                "do = 'expect'\nkho_boot = true\nnodes = [0, 1, 2]\nmemory_nodes = [0, 2]\nscratch_nodes = [0, 2]");
        const Parsed p = parse_text(text, "t.toml");
        REQUIRE(p.scenario);
        const RunResult r = run_cell(*p.scenario, expand(p.scenario->machine)[0], {.image_folder = BATON_IMAGES});
        CHECK(r.findings.empty());
        CHECK(r.verdict == Verdict::kPass);
    }
    std::filesystem::remove(file);
}
