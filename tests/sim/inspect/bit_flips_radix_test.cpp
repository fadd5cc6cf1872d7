// SPDX-License-Identifier: GPL-2.0-only
#include "tests/sim/inspect/bit_flips.hpp"

namespace baton::test {

TEST_CASE("inspect: no flipped bit goes unseen in aarch64-v2-radix") { require_all_seen("aarch64-v2-radix"); }

}  // namespace baton::test
