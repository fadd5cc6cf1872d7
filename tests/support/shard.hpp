// SPDX-License-Identifier: GPL-2.0-only
// A test file that takes long is several ctest entries, which run side by side: a line "// Shards: N" in it makes N of
// them, and each does its share of the test cases tagged [shards]; the first also does the others. By itself, without
// ctest, a test executable does all of it.
#pragma once

#include <cstdlib>
#include <stdexcept>

#include "model/types.hpp"

namespace baton::test {

struct Shard {
    u64 index = 0;
    u64 count = 1;
    bool has(u64 item) const { return item % count == index; }
};

/// Of the environment's BATON_SHARD=INDEX/COUNT, which ctest sets.
inline Shard shard() {
    const char* text = std::getenv("BATON_SHARD");
    if (text == nullptr) return {};
    char* end = nullptr;
    const u64 index = std::strtoull(text, &end, 10);
    const u64 count = *end == '/' ? std::strtoull(end + 1, &end, 10) : 0;
    if (*end != 0 || index >= count) throw std::runtime_error("BATON_SHARD is INDEX/COUNT");
    return {index, count};
}

}  // namespace baton::test
