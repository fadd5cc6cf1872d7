// SPDX-License-Identifier: GPL-2.0-only
// The fuzzer's corpus and its seeds, through the fuzzer's own entry: what was found once stays found.
#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/catch.hpp"
#include "tests/fuzz/entry.hpp"
#include "tests/support/captures.hpp"

namespace baton::test {

TEST_CASE("fuzz: every input of the corpus runs") {
    u64 inputs = 0;
    for (const auto& entry : std::filesystem::directory_iterator(BATON_SOURCE_DIR "/tests/fuzz/corpus")) {
        CAPTURE(entry.path().filename().string());
        std::ifstream in(entry.path(), std::ios::binary);
        const std::vector<u8> bytes{std::istreambuf_iterator<char>(in), {}};
        fuzz::run(bytes);
        ++inputs;
    }
    CHECK(inputs >= 20);
}

TEST_CASE("fuzz: captures as inputs, and every prefix of one") {
    for (const char* name : kCaptureNames) {
        const sim::Capture c = sim::read_capture(kCaptureFolder / name);
        for (u8 flags : {u8{0}, fuzz::kFind, fuzz::kRamKnown}) fuzz::run(fuzz::image_of(c, flags));
    }
    const std::vector<u8> whole = fuzz::image_of(sim::read_capture(kCaptureFolder / "x86_64-6.16"), fuzz::kRamKnown);
    for (u64 n = 0; n < whole.size(); n += 7) fuzz::run(std::span(whole).first(n));
}

}  // namespace baton::test
