// SPDX-License-Identifier: GPL-2.0-only
// The same scenario and seed in another process: other folder, other environment, other addresses, other descriptors;
// the same bytes out, state hashes and the hash of the whole sequence of schedule points among them.
//
// Other builds are compared by .ci/run: dev, release and the second compiler (.ci/equal_runs.py).
#include <array>
#include <nlohmann/json.hpp>

#include "tests/catch.hpp"
#include "tests/cli/binary.hpp"

namespace baton::tests {
namespace {

const std::string kLibrary = BATON_SOURCE_DIR "/scenarios/library/";

/// Address randomisation off, where the host allows that to be chosen; else nothing changes.
const std::string kFixedAddresses = "$(setarch -R true 2>/dev/null && echo setarch -R) ";

std::string json_of(const std::string& command) {
    const Said said = run_shell(command);
    INFO(command << "\n" << said.err);
    REQUIRE(said.exit == 0);
    const auto runs = nlohmann::json::parse(said.out).at("runs");
    REQUIRE_FALSE(runs.empty());
    for (const auto& run : runs)
        for (const char* hash : {"state_hash", "handover_hash", "sequence_hash"})
            REQUIRE(run.at(hash).get<std::string>().size() == 32);
    return said.out;
}

void check_repeats(const std::string& arguments) {
    const std::string run = "'" BATON_BINARY "' run --json -v " + arguments;
    const std::string first = json_of(run);
    const std::string noise(100'000, 'x');
    // A stack that begins elsewhere, another language and time zone, an almost empty environment, no standard input.
    CHECK(json_of("LC_ALL=C.UTF-8 TZ=Asia/Kathmandu BATON_NOISE=" + noise + " " + run) == first);
    CHECK(json_of("env -i PATH=/usr/bin:/bin " + run + " <&-") == first);
    CHECK(json_of("cd / && " + run + " 7</dev/null 8</dev/null") == first);
    CHECK(json_of(kFixedAddresses + run) == first);
    CHECK(json_of(kFixedAddresses + run) == first);
    CHECK(json_of("ulimit -S -s 4096 && " + run) == first);
    CHECK(json_of("nice -n 5 " + run) == first);
    CHECK(json_of(run + " --seed 8") != first);
}

}  // namespace

TEST_CASE("determinism: native runs print the same JSON whatever surrounds the process") {
    check_repeats("'" + kLibrary + "quickstart.toml' '" + kLibrary + "five_hops.toml' '" + kLibrary +
                  "kho/odd_page_runs.toml'");
}

TEST_CASE("determinism: guest runs print the same JSON whatever surrounds the process") {
    check_repeats("--target guest '" + kLibrary + "quickstart.toml'");
}

TEST_CASE("determinism: native and guest runs pass the same schedule points at the same time") {
    const auto hashes = [](const std::string& target) {
        std::vector<std::string> found;
        const auto out = nlohmann::json::parse(
            json_of("'" BATON_BINARY "' run --json '" + kLibrary + "quickstart.toml' --target " + target));
        for (const auto& run : out.at("runs")) {
            found.push_back(run.at("sequence_hash"));
            found.push_back(run.at("handover_hash"));
        }
        return found;
    };
    const auto native = hashes("native");
    REQUIRE(native.size() == 4);
    CHECK(native[0] != native[2]);
    CHECK(hashes("guest") == native);
}

}  // namespace baton::tests
