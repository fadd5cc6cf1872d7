// SPDX-License-Identifier: GPL-2.0-only
// The same scenario and seed in two processes: other folder, other environment, other addresses, the same bytes out.
#include "tests/catch.hpp"
#include "tests/cli/binary.hpp"

namespace baton::tests {

TEST_CASE("determinism: two processes in other folders and environments print the same JSON") {
    const std::string file = BATON_SOURCE_DIR "/scenarios/library/quickstart.toml";
    const Said first = run_baton("run --json " + file);
    REQUIRE(first.exit == 0);
    REQUIRE(first.out.find("state_hash") != std::string::npos);
    setenv("LC_ALL", "C.UTF-8", 1);
    setenv("TZ", "Asia/Kathmandu", 1);
    setenv("BATON_NOISE", std::string(100'000, 'x').c_str(), 1);
    const Said second = run_baton("run --json " + file);
    unsetenv("BATON_NOISE");
    REQUIRE(second.exit == 0);
    REQUIRE(second.out == first.out);
    const Said other = run_baton("run --json --seed 8 " + file);
    REQUIRE(other.exit == 0);
    REQUIRE(other.out != first.out);
}

}  // namespace baton::tests
