// SPDX-License-Identifier: GPL-2.0-only
#include <cstddef>

#include "tests/fuzz/entry.hpp"

extern "C" int LLVMFuzzerTestOneInput(const baton::u8* data, std::size_t size) {
    baton::fuzz::run({data, size});
    return 0;
}
