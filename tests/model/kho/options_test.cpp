// SPDX-License-Identifier: GPL-2.0-only
// kho= and kho_scratch= as each generation reads them: the table of specs/kho.md §2.12.
#include "tests/catch.hpp"
#include "tests/model/kho/kho_machine.hpp"

using namespace baton;
using test::KhoMachine;

namespace {

constexpr std::string_view kDefault = "200%";

/// What the parser made of a command line, in words.
std::string parse(Generation generation, std::string_view command_line, bool& logged) {
    KhoMachine m({}, test::small_ram(), generation);
    kho::parse_early_options(m.kernel(), command_line);
    logged = m.logged(Log::kKhoCmdlineBad);
    const KhoState& kho = m.kernel().kho;
    if (kho.scale_percent != 0) return std::to_string(kho.scale_percent) + "%";
    return std::to_string(kho.explicit_low / kMiB) + "," + std::to_string(kho.explicit_global / kMiB) + "," +
           std::to_string(kho.explicit_node / kMiB);
}

struct Vector {
    std::string_view value;
    std::string_view in_6_18;  // empty: rejected, the default stays
    std::string_view in_6_16;
};
constexpr Vector kVectors[] = {
    {"200%", "200%", "200%"},
    {"50%", "50%", "50%"},
    {"4294967295%", "4294967295%", "4294967295%"},
    {"4294967296%", "", ""},
    {"12345678901%", "", ""},
    {"0%", "", ""},
    {"%", "", ""},
    {"5x%", "", ""},
    {"16M,512M,256M", "16,512,256", "16,512,256"},
    {"16m,1g,0x100000", "16,1024,1", "16,1024,1"},
    {"16M,512M", "", ""},
    {"0,512M,0", "0,512,0", ""},
    {"0,0,0", "", ""},
    {"256M,512M,512Mfoobar", "", "256,512,512"},
    {"256M, 512M,512M", "", ""},
    {"", "", ""},
    {",16M,16M", "", ""},
};

}  // namespace

TEST_CASE("kho options: kho_scratch= is parsed as the generation parses it") {
    for (const Vector& v : kVectors) {
        CAPTURE(v.value);
        const std::string line = "kho=on kho_scratch=" + std::string(v.value);
        bool logged = false;
        CHECK(parse(Generation::k6_18, line, logged) == (v.in_6_18.empty() ? kDefault : v.in_6_18));
        CHECK(logged == v.in_6_18.empty());
        CHECK(parse(Generation::k6_16, line, logged) == (v.in_6_16.empty() ? kDefault : v.in_6_16));
        CHECK(logged == v.in_6_16.empty());
    }
}

TEST_CASE("kho options: the last good kho_scratch= wins") {
    bool logged = false;
    CHECK(parse(Generation::k6_18, "kho_scratch=16M,16M,16M kho_scratch=50% kho_scratch=junk", logged) == "50%");
    CHECK(logged);
    CHECK(parse(Generation::k6_18, "kho_scratch=50% kho_scratch=16M,8M,4M", logged) == "16,8,4");
    CHECK_FALSE(logged);
}

TEST_CASE("kho options: kho= is off unless it, or the image's default, says on") {
    const auto enabled = [](std::string_view line, u32 options) {
        KhoMachine m;
        m.set_options(options);
        kho::parse_early_options(m.kernel(), line);
        return m.kernel().kho.enabled != 0;
    };
    CHECK_FALSE(enabled("", 0));
    CHECK(enabled("", kOptionKhoDefaultOn));
    CHECK(enabled("quiet kho=on", 0));
    CHECK(enabled("kho=1", 0));
    CHECK_FALSE(enabled("kho=off", kOptionKhoDefaultOn));
    CHECK_FALSE(enabled("kho=on kho=n", 0));
    CHECK(enabled("kho=on kho=perhaps", 0));
    CHECK_FALSE(enabled("xkho=on", 0));
}
