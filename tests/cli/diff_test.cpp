// SPDX-License-Identifier: GPL-2.0-only
// `baton diff`: equal, and in which ways not.
#include <fmt/format.h>

#include <cstring>
#include <nlohmann/json.hpp>

#include "tests/catch.hpp"
#include "tests/cli/binary.hpp"
#include "tests/support/captures.hpp"
#include "tests/support/made_handover.hpp"

namespace baton::tests {
namespace {

using nlohmann::json;

const std::string kData = BATON_SOURCE_DIR "/tests/data/linux-kho/";

test::MadeSpec spec() {
    test::MadeSpec s;
    s.metadata = {0x100000};
    s.scratch = {{{0x800000}, 2 * kMiB}, {{0xc00000}, 2 * kMiB}};
    s.scratch_array = {0x800000};
    s.blocks = {{{0x400000}, {9}}, {{0x600000}, {1}}, {{0x700000}, {0}}};
    s.regions = {{"data", {0x400000}, 2 * kMiB}};
    return s;
}

/// A raw dump of 16 MiB; its name with base.
std::string dump(const TemporaryFolder& folder, const char* name, const test::MadeSpec& s,
                 const std::map<u64, char>& filled = {}) {
    const test::MadeHandover made(s);
    std::string bytes(16 * kMiB, '\0');
    for (const auto& [frame, content] : made.frames) std::memcpy(bytes.data() + frame * 4096, content.data(), 4096);
    for (const auto& [at, c] : filled) std::memset(bytes.data() + at, c, 4096);
    return folder.write(name, bytes) + "@0";
}

json diff(const std::string& a, const std::string& b, int exit, const std::string& more = {}) {
    const auto scratch = [](char side) { return fmt::format(" --scratch-{} 0x800000,32", side); };
    const Said said = run_baton(fmt::format("diff --json {} {}{}{}{}", a, b, scratch('a'), scratch('b'), more));
    CAPTURE(said.err);
    CAPTURE(said.out);
    REQUIRE(said.exit == exit);
    return json::parse(said.out);
}

}  // namespace

TEST_CASE("diff: a handover equals itself, wherever it is read from") {
    for (const char* name : test::kCaptureNames) {
        const Said said = run_baton(fmt::format("diff {0}{1} {0}{1}", kData, name));
        CHECK(said.exit == 0);
        CHECK(said.out.ends_with("equal\n"));
    }
    const Said said = run_baton(fmt::format("diff {0}x86_64-6.16 {0}aarch64-6.16", kData));
    CHECK(said.exit == 1);
    CHECK(said.out.ends_with("different\n"));
    CHECK(said.out.find("reserve_mem  data moved  0x1f200000 -> 0x5f400000") != std::string::npos);
}

TEST_CASE("diff: blocks that are only here, split differently, or moved with their content") {
    const TemporaryFolder folder;
    const std::string a = dump(folder, "a", spec(), {{0x700000, 'x'}});
    CHECK(diff(a, dump(folder, "b", spec(), {{0x700000, 'x'}}), 0)["equal"] == true);
    test::MadeSpec other = spec();
    other.blocks[2].phys = {0x704000};
    json out = diff(a, dump(folder, "b", other, {{0x704000, 'x'}}), 1);
    CHECK(out["preserved"]["moved"] == json::parse(R"([["0x700000", "0x704000", 0, "content"]])"));
    CHECK(out["preserved"]["only_a"].empty());
    // Another content: two different blocks.
    out = diff(a, dump(folder, "b", other, {{0x704000, 'y'}}), 1);
    CHECK(out["preserved"]["only_a"] == json::parse(R"([["0x700000", 0]])"));
    CHECK(out["preserved"]["only_b"] == json::parse(R"([["0x704000", 0]])"));
    // An order 1 block, or two of order 0.
    other = spec();
    other.blocks[1] = {{0x600000}, {0}};
    other.blocks.push_back({{0x601000}, {0}});
    out = diff(a, dump(folder, "b", other, {{0x700000, 'x'}}), 1);
    REQUIRE(out["preserved"]["split"].size() == 1);
    CHECK(out["preserved"]["split"][0] ==
          json::parse(R"([["0x600000", "0x2000"], [["0x600000", 1]], [["0x600000", 0], ["0x601000", 0]]])"));
    // Half of it only: not the same memory.
    other.blocks.pop_back();
    out = diff(a, dump(folder, "b", other, {{0x700000, 'x'}}), 1);
    CHECK(out["preserved"]["split"].empty());
    CHECK(out["preserved"]["only_a"] == json::parse(R"([["0x600000", 1]])"));
    CHECK(out["preserved"]["only_b"] == json::parse(R"([["0x600000", 0]])"));
}

TEST_CASE("diff: regions, scratch, generation, and contents when asked") {
    const TemporaryFolder folder;
    const std::string a = dump(folder, "a", spec(), {{0x700000, 'x'}});
    test::MadeSpec other = spec();
    other.blocks[0].phys = {0xe00000};
    other.regions[0].start = {0xe00000};
    json out = diff(a, dump(folder, "b", other, {{0x700000, 'x'}}), 1);
    CHECK(out["reserve_mem"]["moved"] ==
          json::parse(R"([["data", ["0x400000", "0x200000"], ["0xe00000", "0x200000"]]])"));
    CHECK(out["preserved"]["in_moved_regions"] == json::parse("[1, 1]"));
    CHECK(out["preserved"]["only_a"].empty());
    other = spec();
    other.regions[0].name = "tada";
    out = diff(a, dump(folder, "b", other, {{0x700000, 'x'}}), 1);
    CHECK(out["reserve_mem"]["only_a"].size() == 1);
    CHECK(out["reserve_mem"]["only_b"].size() == 1);
    other = spec();
    other.scratch[1].size += kMiB;
    out = diff(a, dump(folder, "b", other, {{0x700000, 'x'}}), 1);
    CHECK(out["scratch"]["only_b"] == json::parse(R"([["0xc00000", "0x300000"]])"));
    other = spec();
    other.compatible = "kho-v2";
    out = diff(a, dump(folder, "b", other, {{0x700000, 'x'}}), 1);
    CHECK(out["b"]["generation"] == "7.1-kho-v2");
    const std::string changed = dump(folder, "b", spec(), {{0x700000, 'y'}});
    CHECK(diff(a, changed, 0)["preserved"]["changed"].is_null());
    CHECK(diff(a, changed, 1, " --contents")["preserved"]["changed"] == json::parse(R"([["0x700000", 0]])"));
}

TEST_CASE("diff: bad input exits with 3") {
    const Said said = run_baton(fmt::format("diff {}x86_64-6.16 /nowhere", kData));
    CHECK(said.exit == 3);
    CHECK(said.err.find("/nowhere: does not exist") != std::string::npos);
    CHECK(run_baton(fmt::format("diff {}x86_64-6.16", kData)).exit == 2);
}

}  // namespace baton::tests
