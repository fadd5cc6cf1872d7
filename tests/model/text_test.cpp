// SPDX-License-Identifier: GPL-2.0-only
// Kernel command lines: specs/kho.md §2.12, and what Linux's own parser does with quotes and sizes.
#include "model/text.hpp"

#include <string>
#include <vector>

#include "tests/catch.hpp"

using namespace baton;

namespace {

std::vector<std::string> split(std::string_view line) {
    std::vector<std::string> out;
    std::size_t position = 0;
    while (const auto o = text::next_option(line, position))
        out.push_back(std::string(o->key) + (o->has_value ? " -> " + std::string(o->value) : ""));
    return out;
}

// The size and what is left of the input; "-" when refused, and then nothing must have been taken.
std::string size_of(std::string_view s) {
    const std::string_view before = s;
    const auto v = text::take_size(s);
    if (!v) {
        CHECK(s == before);
        return "-";
    }
    return std::to_string(*v) + "|" + std::string(s);
}

}  // namespace

TEST_CASE("text: a line is split at spaces, a value starts at the first equals sign") {
    CHECK(split("  kho=on kho_scratch=16M,64M,32M\tquiet  a=b=c\n") ==
          std::vector<std::string>{"kho -> on", "kho_scratch -> 16M,64M,32M", "quiet", "a -> b=c"});
    CHECK(split("").empty());
    CHECK(split("   ").empty());
    CHECK(split("key=") == std::vector<std::string>{"key -> "});
    CHECK(split("=x") == std::vector<std::string>{"=x"});
}

TEST_CASE("text: quotes keep spaces and are dropped only at the ends") {
    CHECK(split(R"(a="b c" d)") == std::vector<std::string>{"a -> b c", "d"});
    CHECK(split(R"("a=b c" d)") == std::vector<std::string>{"a -> b c", "d"});
    CHECK(split(R"("bare word" d)") == std::vector<std::string>{"bare word", "d"});
    CHECK(split(R"(a=b" "c)") == std::vector<std::string>{R"(a -> b" "c)"});
    CHECK(split(R"(a="unclosed b)") == std::vector<std::string>{"a -> unclosed b"});
    CHECK(split(R"(a=")") == std::vector<std::string>{"a -> "});
    CHECK(split(R"(")") == std::vector<std::string>{""});
    CHECK(split(R"(256M, 512M)") == std::vector<std::string>{"256M,", "512M"});
}

TEST_CASE("text: a bare -- ends the kernel's options") {
    CHECK(split("a -- b=c") == std::vector<std::string>{"a"});
    CHECK(split("a --b c") == std::vector<std::string>{"a", "--b", "c"});
}

TEST_CASE("text: the last occurrence of an option wins, dashes and underscores are one") {
    const auto o = text::last_option("kho_scratch=1M kho=on kho-scratch=2M", "kho_scratch");
    REQUIRE(o);
    CHECK(o->value == "2M");
    CHECK_FALSE(text::last_option("kho_scratch=1M", "kho"));
    CHECK_FALSE(text::last_option("", "kho"));
}

TEST_CASE("text: sizes take a base and one suffix, and leave the rest") {
    CHECK(size_of("0") == "0|");
    CHECK(size_of("4096") == "4096|");
    CHECK(size_of("16M,64M") == "16777216|,64M");
    CHECK(size_of("16m") == "16777216|");
    CHECK(size_of("1K") == "1024|");
    CHECK(size_of("1g") == "1073741824|");
    CHECK(size_of("16T") == "17592186044416|");
    CHECK(size_of("1P") == "1125899906842624|");
    CHECK(size_of("15E") == "17293822569102704640|");
    CHECK(size_of("0x10") == "16|");
    CHECK(size_of("0X1fM:") == "32505856|:");
    CHECK(size_of("0x1E") == "30|");  // a digit, not exa
    CHECK(size_of("010") == "8|");
    CHECK(size_of("08") == "0|8");
    CHECK(size_of("0x") == "0|x");
    CHECK(size_of("0xg") == "0|xg");
    CHECK(size_of("1MB") == "1048576|B");
    CHECK(size_of("18446744073709551615") == "18446744073709551615|");
}

TEST_CASE("text: sizes that do not fit in 64 bits, or are no numbers, are refused") {
    for (const char* s : {"", "M", "-1", "+1", " 1", "18446744073709551616", "16E", "0x10000000000000000",
                          "17179869184G", "99999999999999999999999", "x10"})
        CHECK(size_of(s) == "-");
}

TEST_CASE("text: booleans are whole words") {
    for (const char* s : {"on", "1", "y", "Y", "yes", "true", "ON"}) CHECK(text::parse_bool(s) == true);
    for (const char* s : {"off", "0", "n", "N", "no", "false", "Off"}) CHECK(text::parse_bool(s) == false);
    for (const char* s : {"", "2", "o", "onn", "yess", "enable", " on"}) CHECK_FALSE(text::parse_bool(s).has_value());
}
