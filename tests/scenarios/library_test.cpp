// SPDX-License-Identifier: GPL-2.0-only
// Every scenario of the library, on every cell of its matrix: it passes, and it passes the same way twice.
//
// Shards: 2
#include <algorithm>
#include <filesystem>

#include "scenarios/engine/engine.hpp"
#include "scenarios/engine/parse.hpp"
#include "scenarios/engine/runner.hpp"
#include "tests/catch.hpp"
#include "tests/support/shard.hpp"

namespace baton::scenarios {
namespace {

std::vector<std::filesystem::path> library() {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(BATON_SOURCE_DIR "/scenarios/library"))
        if (entry.path().extension() == ".toml") files.push_back(entry.path());
    std::sort(files.begin(), files.end());
    return files;
}

std::string story(const RunResult& r) {
    std::string s = r.message;
    for (const Finding& f : r.findings) s += "\n" + f.what + " — " + f.detail;
    return s;
}

}  // namespace

TEST_CASE("library: every scenario passes on every cell, and its hashes repeat", "[shards]") {
    const RunOptions options{.image_folder = BATON_IMAGES};
    const auto files = library();
    REQUIRE(files.size() >= 20);
    const test::Shard shard = test::shard();
    u64 cells = 0;
    for (const auto& file : files) {
        const Parsed parsed = parse_file(file.string());
        CAPTURE(file.string());
        REQUIRE(parsed.scenario.has_value());
        for (const Cell& cell : expand(parsed.scenario->machine)) {
            if (!shard.has(cells++)) continue;
            CAPTURE(cell_name(cell));
            const RunResult first = run_cell(*parsed.scenario, cell, options);
            INFO(story(first));
            REQUIRE(first.verdict == Verdict::kPass);
            REQUIRE(first.steps_done == parsed.scenario->steps.size());
            const RunResult second = run_cell(*parsed.scenario, cell, options);
            REQUIRE(second.state_hash == first.state_hash);
            REQUIRE(second.handover_hash == first.handover_hash);
        }
    }
}

}  // namespace baton::scenarios
