// SPDX-License-Identifier: GPL-2.0-only
#include "tests/sim/inspect/bit_flips.hpp"

namespace baton::test {

TEST_CASE("inspect: no flipped bit goes unseen in x86_64-6.16") { require_all_seen("x86_64-6.16"); }
TEST_CASE("inspect: no flipped bit goes unseen in aarch64-6.16") { require_all_seen("aarch64-6.16"); }
TEST_CASE("inspect: no flipped bit goes unseen in x86_64-6.18-test_kho") { require_all_seen("x86_64-6.18-test_kho"); }

}  // namespace baton::test
