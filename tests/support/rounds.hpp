// SPDX-License-Identifier: GPL-2.0-only
// How often a test of random rounds repeats: as often as it says, or the per cent of that which BATON_TEST_ROUNDS says. Builds
// under sanitizers are ten times slower, and find what they find in the first rounds.
#pragma once

#include <algorithm>
#include <cstdlib>

#include "model/types.hpp"

namespace baton::test {

/// At least one.
inline u64 rounds(u64 full) {
    const char* text = std::getenv("BATON_TEST_ROUNDS");
    const u64 percent = text == nullptr ? 100 : std::strtoull(text, nullptr, 10);
    return percent == 0 ? full : std::max<u64>(1, full * percent / 100);
}

}  // namespace baton::test
