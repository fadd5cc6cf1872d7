// SPDX-License-Identifier: GPL-2.0-only
#include "scenarios/engine/quantity.hpp"

#include "scenarios/engine/result.hpp"
#include "tests/catch.hpp"

using namespace baton;
using namespace baton::scenarios;

namespace {

TEST_CASE("quantity: decimal, hexadecimal, and the four suffixes in either case") {
    struct {
        std::string_view text;
        u64 value;
    } const cases[] = {{"0", 0},
                       {"007", 7},
                       {"4096", 4096},
                       {"0x1fC0", 0x1fc0},
                       {"4k", 4 * kKiB},
                       {"512M", 512 * kMiB},
                       {"3g", 3 * kGiB},
                       {"16T", 16 * kTiB},
                       {"0x10K", 16 * kKiB},
                       {"18446744073709551615", ~u64{0}},
                       {"16777215T", 16777215 * kTiB}};
    for (const auto& c : cases) {
        CAPTURE(c.text);
        REQUIRE(parse_quantity(c.text));
        CHECK(*parse_quantity(c.text) == c.value);
    }
}

TEST_CASE("quantity: nonsense is refused") {
    for (std::string_view text : {"", "-1", "+1", " 1", "1 ", "M", "0x", "1.5G", "1KK", "1E", "18446744073709551616",
                                  "16777216T", "0xfffffffffffffffffff", "1e9", "\xff"}) {
        CAPTURE(text);
        CHECK_FALSE(parse_quantity(text));
    }
}

TEST_CASE("quantity: what is printed reads back") {
    for (u64 value : {u64{0}, u64{1}, u64{1023}, 4 * kKiB, 513 * kMiB, 16 * kTiB, 1024 * kTiB, ~u64{0}})
        CHECK(parse_quantity(quantity_text(value)) == value);
    CHECK(quantity_text(512 * kMiB) == "512M");
    CHECK(size_text(4104 * kKiB) == "4104 KiB");
    CHECK(size_text(0) == "0 B");
    CHECK(hex(PhysAddr{0x1fc00000}) == "0x000000001fc00000");
}

TEST_CASE("hex bytes: pairs in memory order") {
    CHECK(parse_hex_bytes("de ad  beEF") == std::vector<u8>{0xde, 0xad, 0xbe, 0xef});
    for (std::string_view text : {"", "  ", "a", "abc", "a b", "0x12", "zz"}) CHECK_FALSE(parse_hex_bytes(text));
    CHECK(parse_hex_bytes(std::string(8192, '0')));
    CHECK_FALSE(parse_hex_bytes(std::string(8194, '0')));
}

}  // namespace
