// SPDX-License-Identifier: GPL-2.0-only
// The trace format (specs/memblock.md §11): what is read, what is printed, and what is said about a bad line.
#include "bench/peers/memblock_trace.hpp"
#include "tests/catch.hpp"
#include "tests/support/memblock_rig.hpp"

namespace baton::test {
namespace {

std::string answers(std::string_view text, MemblockVersion version = MemblockVersion::k6_12) {
    MemblockRig rig;
    peers::TracePlayer player(rig.mb, version);
    const peers::Trace trace = peers::parse_trace(text);
    REQUIRE(trace.error == "");
    std::string out;
    for (const peers::TraceOp& op : trace.ops) player.play(op, &out);
    return out;
}

TEST_CASE("memblock trace: every kind of answer") {
    CHECK(answers("# a comment\n"
                  "add 0x100000 0x200000   # RAM\n"
                  "\n"
                  "addnode 0x1000000 1048576 1 1\n"
                  "reserve 0x180000 0x1000\r\n"
                  "alloc 64 64 0\n"
                  "alloc 0x10000000 4096 0 0 -1 1\n"
                  "ismem 0x100000\n"
                  "ismap 0\n"
                  "regmem 0x100000 0x200001\n"
                  "regres 0x180fff 1\n"
                  "ranges\n"
                  "dump") ==
          "0\n0\n0\n0x10fffc0\n0x0\n1\n0\n0\n1\n"
          "  0x100000 0x180000 16\n  0x181000 0x300000 16\n  0x1000000 0x10fffc0 1\n.\n"
          "memory cnt=2 max=128 total=0x300000\n"
          "  0 0x100000 0x200000 nid=16 flags=0x0\n"
          "  1 0x1000000 0x100000 nid=1 flags=0x1\n"
          "reserved cnt=2 max=128 total=0x1040\n"
          "  0 0x180000 0x1000 nid=16 flags=0x0\n"
          "  1 0x10fffc0 0x40 nid=16 flags=0x0\n");
}

TEST_CASE("memblock trace: free ranges backwards, by node and flag; the hand-over") {
    CHECK(answers("addnode 0x1000 0x3000 0 0\n"
                  "addnode 0x4000 0x5000 1 4\n"
                  "reserve 0x2000 0x1000\n"
                  "ranges_rev -1 4\n"
                  "ranges 1\n"
                  "freeall\n") ==
          "0\n0\n0\n"
          "  0x4000 0x9000 1\n  0x3000 0x4000 0\n  0x1000 0x2000 0\n.\n"
          ".\n"
          "page-reserve 0x4000 0x9000 1\npage-reserve 0x2000 0x3000 0\n"
          "page-free 0x1 0\npage-free 0x3 0\n");
}

TEST_CASE("memblock trace: growing twice leaves a hole at the top (specs/memblock.md §10, worked example)") {
    std::string text = "resize\nadd 0 0x10100000\n";
    for (u64 i = 0; i < 301; ++i) text += "reserve " + std::to_string(0x100000 + i * 0x2000) + " 0x1000\n";
    MemblockRig rig(0x10100000);
    peers::TracePlayer player(rig.mb, MemblockVersion::k6_12);
    for (const peers::TraceOp& op : peers::parse_trace(text).ops) player.play(op, nullptr);
    std::string dump;
    player.play(peers::make_op(peers::Verb::kDump), &dump);
    CHECK(dump.find("reserved cnt=302 max=512 total=0x130000\n") != std::string::npos);
    CHECK(dump.find("  301 0x100fb000 0x3000 nid=16 flags=0x0\n") != std::string::npos);
}

TEST_CASE("memblock trace: what 6.12 does not have is played with mainline's rules") {
    CHECK(answers("add 0x100000 0x100000\nscratch 0x180000 0x1000\nscratchonly 1\nalloc 64 64 0 0 2\n"
                  "scratchonly 0\nnoscratch 0 -1\nreservekern 0x100000 0x1000\npreserved 0x100000 0x1000\ndump\n",
                  MemblockVersion::kMainline) ==
          "0\n0\n0x180fc0\n0\n0\n0\n"
          "memory cnt=1 max=128 total=0x100000\n"
          "  0 0x100000 0x100000 nid=16 flags=0x0\n"
          "reserved cnt=2 max=128 total=0x1040\n"
          "  0 0x100000 0x1000 nid=16 flags=0xa0\n"
          "  1 0x180fc0 0x40 nid=16 flags=0x20\n");
}

TEST_CASE("memblock trace: a bad line is named with its place and what would be right") {
    const auto error = [](std::string_view text) { return peers::parse_trace(text).error; };
    CHECK(error("reset\nad 1 2\n") == "2:1: 'ad' is no operation; docs/memblock.md lists them");
    CHECK(error("add 1\n") == "1:1: add takes at least 2 arguments");
    CHECK(error("  add 1 2 3\n") == "1:11: '3' is too much, add takes 2 arguments");
    CHECK(error("add 1 2x\n") == "1:7: '2x' is not a 64-bit number, decimal or 0x");
    CHECK(error("add 1 0x10000000000000000\n").starts_with("1:7:"));
    CHECK(error("add 0x 1\n").starts_with("1:5:"));
    CHECK(error("# add 1\n\n").empty());
}

TEST_CASE("memblock trace: a line that is printed reads back as the same operation") {
    for (const char* line : {"reset", "add 0x1000 7", "addnode 0x100000 0x1000 3 1", "alloc 0x40 8 0 0xffffffff -1 1",
                             "ranges", "ranges 2", "ranges_rev -1 4", "cap 0x1000 0x2000"})
        CHECK(to_line(peers::parse_trace(line).ops.at(0)) == line);
}

TEST_CASE("memblock trace: measured sections") {
    const peers::Trace t = peers::parse_trace("reset\n# time build\nadd 0 1\nadd 2 1\n# time\nreset\n");
    REQUIRE(t.sections.size() == 2);
    CHECK(t.sections[0].name == "build");
    CHECK(t.sections[0].first == 1);
    CHECK(t.sections[1].name == "");
    CHECK(t.sections[1].first == 3);
}

}  // namespace
}  // namespace baton::test
