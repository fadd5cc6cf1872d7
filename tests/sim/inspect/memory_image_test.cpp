// SPDX-License-Identifier: GPL-2.0-only
#include "sim/inspect/memory_image.hpp"

#include <unistd.h>

#include <cstring>

#include <filesystem>
#include <fstream>

#include "sim/capture/capture.hpp"
#include "tests/catch.hpp"

namespace baton::test {

using sim::MemoryImage;

TEST_CASE("memory image: absent is not zero, and reads go across extents") {
    const std::vector<u8> a(100, 1);
    const std::vector<u8> b(100, 2);
    MemoryImage m;
    m.add_bytes({1100}, b, nullptr);
    m.add_bytes({1000}, a, nullptr);
    m.add_zeros({{1200}, 50});
    m.add_pattern({{2000}, 64});
    CHECK_FALSE(m.seal().has_value());
    std::vector<u8> out(250);
    REQUIRE(m.read({1000}, out));
    CHECK(out[99] == 1);
    CHECK(out[100] == 2);
    CHECK(out[200] == 0);
    out.resize(251);
    CHECK_FALSE(m.read({1000}, out));
    CHECK_FALSE(m.holds({{1000}, 251}));
    CHECK(m.holds({{1000}, 250}));
    CHECK(m.ranges() == std::vector<PhysRange>{{{1000}, 250}, {{2000}, 64}});
    u64 word = 0;
    REQUIRE(m.read({2008}, {reinterpret_cast<u8*>(&word), 8}));
    CHECK(word == sim::pattern_word({2008}));
    u8 byte = 0;
    REQUIRE(m.read({2013}, {&byte, 1}));
    CHECK(byte == static_cast<u8>(word >> 40));
}

TEST_CASE("memory image: where extents overlap the one added first counts, whatever its address") {
    const std::vector<u8> first(10, 1);
    const std::vector<u8> second(100, 2);
    const std::vector<u8> third(200, 3);
    MemoryImage m;
    m.add_bytes({1050}, first, nullptr);
    m.add_bytes({1000}, second, nullptr);
    m.add_bytes({950}, third, nullptr);
    const auto overlap = m.seal();
    REQUIRE(overlap.has_value());
    CHECK(overlap->first == PhysRange{{1050}, 10});
    std::vector<u8> out(200);
    REQUIRE(m.read({950}, out));
    for (u64 i = 0; i < out.size(); ++i) {
        const u8 expected = i >= 100 && i < 110 ? 1 : i >= 50 && i < 150 ? 2 : 3;
        REQUIRE(out[i] == expected);
    }
    CHECK(m.ranges() == std::vector<PhysRange>{{{950}, 200}});
}

TEST_CASE("memory image: holes of a file are not visited, its data is, and a file may shrink") {
    std::string name = (std::filesystem::temp_directory_path() / "baton-image-XXXXXX").string();
    REQUIRE(close(mkstemp(name.data())) == 0);
    std::filesystem::resize_file(name, 4 * kGiB);
    {
        std::fstream out(name, std::ios::binary | std::ios::in | std::ios::out);
        out.seekp(3 * static_cast<std::streamoff>(kGiB) + 5);
        out << "here";
    }
    MemoryImage m;
    const auto file = std::make_shared<sim::FileBytes>(name);
    m.add_file({kGiB}, file, 0, 4 * kGiB);
    m.seal();
    u64 visited = 0;
    bool found = false;
    m.for_each_data([&](PhysAddr at, std::span<const u8> bytes) {
        visited += bytes.size();
        const PhysAddr text{4 * kGiB + 5};
        if (at <= text && text - at + 4 <= bytes.size())
            found = std::memcmp(bytes.data() + (text - at), "here", 4) == 0;
        return true;
    });
    CHECK(found);
    CHECK(visited <= 2 * kMiB);
    std::vector<u8> out(8);
    CHECK(m.read({4 * kGiB + 5}, out));
    CHECK(m.read({2 * kGiB}, out));
    CHECK(out == std::vector<u8>(8));
    std::filesystem::resize_file(name, 1 * kMiB);
    CHECK_FALSE(m.read({4 * kGiB + 5}, out));
    std::filesystem::remove(name);
}

}  // namespace baton::test
