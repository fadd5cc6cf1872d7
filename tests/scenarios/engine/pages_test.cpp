// SPDX-License-Identifier: GPL-2.0-only
// Steps on pages (docs/memory.md): what they find, and how regions follow memory that moves.
#include <fmt/format.h>

#include <algorithm>

#include "scenarios/engine/engine.hpp"
#include "scenarios/engine/parse.hpp"
#include "scenarios/engine/region.hpp"
#include "scenarios/engine/runner.hpp"
#include "tests/catch.hpp"

namespace baton::scenarios {
namespace {

RunResult play(const std::string& steps) {
    const std::string text = fmt::format(R"(title = "t"
machine = {{ arch = "x86_64", ram = "512M", seed = 3 }}
[kernel.a]
cmdline = "kho=on kho_scratch=16M,64M,16M"
[[step]]
do = "boot"
kernel = "a"
{})",
                                         steps);
    const Parsed parsed = parse_text(text, "pages.toml");
    for (const Diagnostic& d : parsed.diagnostics) FAIL(to_text(d));
    return run_cell(*parsed.scenario, expand(parsed.scenario->machine).front(), {.image_folder = BATON_IMAGES});
}

std::string step(std::string_view what, std::string_view more = {}) {
    return fmt::format("[[step]]\ndo = \"{}\"\n{}\n", what, more);
}

const std::string kHop = step("finalise") + step("kexec_file_load", "kernel = \"a\"");

std::string findings(const RunResult& r) {
    std::string all;
    for (const Finding& f : r.findings) all += f.what + "\n";
    return all;
}

TEST_CASE("pages: memory that was given back while it was preserved is found at the jump") {
    const std::string lost = step("alloc", "region = \"r\"\norder = 3") + step("preserve", "region = \"r\"") +
                             step("free", "region = \"r\"\nexpect_claim = \"user to free, recorded as preserved\"") +
                             kHop;
    const std::string claim = "expect_claim = \"claimed free, but the tracker hands it over\"\n";
    CHECK(findings(play(lost + step("exec", claim))) == "1 preserved blocks were nobody's at the jump\n");
    CHECK(findings(play(lost + step("exec", claim + "loses = true"))) == "");
}

TEST_CASE("pages: a loss that does not come is a finding") {
    const std::string kept = step("alloc", "region = \"r\"\norder = 3") + step("preserve", "region = \"r\"") + kHop;
    CHECK(findings(play(kept + step("exec", "loses = true"))) == "nothing that was handed over was lost\n");
    CHECK(findings(play(kHop + step("exec", "loses = true"))) == "nothing that was handed over was lost\n");
    CHECK(findings(play(kept + step("exec"))) == "");
}

TEST_CASE("pages: what a kernel reads through an address is compared with what was filled in, or with RAM") {
    const std::string area = step("vmalloc", "region = \"v\"\npages = 5");
    CHECK(findings(play(area + step("vmalloc_read", "region = \"v\""))) == "");
    CHECK(findings(play(area + step("vmalloc_read", "region = \"v\"\ndiffers = true"))) ==
          "v reads right through its address\n");
    const std::string changed =
        area + step("fill", "region = \"v\"") + step("poke", "region = \"v\"\noffset = 4095\nxor = \"01\"");
    CHECK(findings(play(changed + step("vmalloc_read", "region = \"v\""))) == "v reads wrong through its address\n");
    CHECK(findings(play(changed + step("vmalloc_read", "region = \"v\"\ndiffers = true"))) == "");
    CHECK(findings(play(step("alloc", "region = \"f\"\norder = 0") + step("vmalloc_read", "region = \"f\""))) ==
          "f is no vmalloc area\n");
}

TEST_CASE("pages: expectations of pins, CMA and memory blocks can fail") {
    const std::string region = step("alloc", "region = \"r\"\norder = 1\nmovable = true");
    const auto expect = [&](std::string_view key) { return findings(play(region + step("expect", key))); };
    CHECK(expect("region = \"r\"\npinned = false\ncma = false\n") == "");
    CHECK(expect("region = \"r\"\npinned = true").find("is not pinned") != std::string::npos);
    CHECK(expect("region = \"r\"\ncma = true").find("is not in CMA") != std::string::npos);
    CHECK(expect("offline_blocks = 1").find("offline_blocks is 0") != std::string::npos);
    CHECK(expect("removed_blocks = 1").find("removed_blocks is 0") != std::string::npos);
}

TEST_CASE("pages: a pin that fails on the way holds no pins, and what moved stays moved") {
    const std::string steps = step("alloc", "region = \"room\"\norder = 9") +
                              step("alloc", "region = \"ballast\"\norder = 9\ncount = 400\nexpect_error = \"ENOMEM\"") +
                              step("alloc", "region = \"part\"\norder = 9\ncount = 2\nmovable = true") +
                              step("fill", "region = \"part\"") + step("free", "region = \"room\"");
    const RunResult r =
        play(steps + step("pin", "region = \"part\"\nexpect_error = \"ENOMEM\"") +
             step("expect", "region = \"part\"\npinned = false\nintact = true\nsame_address = false\nrefcount = 1"));
    CHECK(findings(r) == "");
}

TEST_CASE("pages: a page that moves out of a run becomes a block of its own") {
    Region r{.name = "r", .kind = BlockKind::kPages};
    r.blocks = {{{0x10000}, 4}, {{0x80000}, 1}};
    r.original = {{{0x20000}, 4}, {{0x90000}, 1}};
    cut_out(r, 0, 2, 0x1000);
    CHECK(r.blocks == std::vector<Block>{{{0x10000}, 2}, {{0x12000}, 1}, {{0x13000}, 1}, {{0x80000}, 1}});
    CHECK(r.original == std::vector<Block>{{{0x20000}, 2}, {{0x22000}, 1}, {{0x23000}, 1}, {{0x90000}, 1}});
    cut_out(r, 0, 0, 0x1000);
    CHECK(r.blocks[0] == Block{{0x10000}, 1});
    CHECK(r.blocks[1] == Block{{0x11000}, 1});
    cut_out(r, 4, 0, 0x1000);
    CHECK(r.blocks.size() == 5);
    CHECK(r.blocks.back() == Block{{0x80000}, 1});
}

TEST_CASE("pages: freed regions can be unpinned, read and looked at, nothing else") {
    const auto wrong = [](std::string_view last) {
        const std::string text = "title = 't'\n[kernel.a]\n" + step("boot", "kernel = \"a\"") +
                                 step("alloc", "region = \"r\"\norder = 0") + step("free", "region = \"r\"") +
                                 step(last, "region = \"r\"");
        return parse_text(text, "pages.toml").diagnostics.size();
    };
    CHECK(wrong("unpin") == 0);
    CHECK(wrong("vmalloc_read") == 0);
    CHECK(wrong("offline") == 0);
    CHECK(wrong("pin") == 1);
    CHECK(wrong("preserve") == 1);
}

}  // namespace
}  // namespace baton::scenarios
