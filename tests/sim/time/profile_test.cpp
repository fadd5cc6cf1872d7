// SPDX-License-Identifier: GPL-2.0-only
#include "sim/time/profile.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>

#include "sim/input_error.hpp"
#include "tests/catch.hpp"

using namespace baton;
using namespace baton::sim;

namespace {
u64 ps(Work work) { return generic_profile().costs[static_cast<u32>(work)].ps; }
constexpr u64 kPicosecondsPerMs = 1'000'000'000;

const std::string kFile = BATON_SOURCE_DIR "/sim/time/profiles/generic.toml";

std::string generic_text() {
    std::ifstream in(kFile);
    return {std::istreambuf_iterator<char>(in), {}};
}

/// The generic profile's text with the first `from` made `to`, and the line where that is.
struct Changed {
    std::string text;
    u32 line;
};
Changed with(std::string_view from, std::string_view to) {
    std::string text = generic_text();
    const std::size_t at = text.find(from);
    REQUIRE(at != text.npos);
    const auto line =
        static_cast<u32>(1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at), '\n'));
    text.replace(at, from.size(), to);
    return {text, line};
}
}  // namespace

TEST_CASE("generic profile: every unit of work has a cost and a source") {
    for (u32 i = 0; i < kWorkCount; ++i) {
        const WorkCost& cost = generic_profile().costs[i];
        CAPTURE(kWorks[i].name);
        CHECK(static_cast<u32>(cost.work) == i);
        CHECK(cost.ps > 0);
        CHECK_FALSE(cost.source.empty());
        // "pages_…" are the units that are pages, but a struct page is 64 bytes on every kernel.
        CHECK(cost.per_page == kWorks[i].name.starts_with("pages_"));
    }
}

TEST_CASE("generic profile: lies within the published figures") {
    const u64 copy_100_mib = ps(Work::kPagesCopied) * 25600;  // specs/kho.md §6.2
    CHECK(copy_100_mib >= 4 * kPicosecondsPerMs);
    CHECK(copy_100_mib <= 50 * kPicosecondsPerMs);
    const u64 hash_60_mb = ps(Work::kBytesHashed) * 60'000'000;  // specs/kexec.md §12, rules of thumb
    CHECK(hash_60_mb >= 240 * kPicosecondsPerMs);
    CHECK(hash_60_mb <= 400 * kPicosecondsPerMs);
    const u64 memmap_64_gib = ps(Work::kStructPages) * (64 * kGiB / 4096);  // serial; 200 ms is in parallel
    CHECK(memmap_64_gib >= 200 * kPicosecondsPerMs);
    CHECK(memmap_64_gib <= 1000 * kPicosecondsPerMs);
    CHECK(ps(Work::kPagesSwapped) == 3 * ps(Work::kPagesCopied));
    CHECK(ps(Work::kPagesZeroed) < ps(Work::kPagesCopied));
}

TEST_CASE("generic profile: what is compiled in is the file") {
    const Profile file = read_profile(kFile);
    CHECK(file.name == "generic");
    CHECK(file.about == generic_profile().about);
    for (u32 i = 0; i < kWorkCount; ++i) {
        CHECK(file.costs[i].ps == generic_profile().costs[i].ps);
        CHECK(file.costs[i].per_page == generic_profile().costs[i].per_page);
        CHECK(file.costs[i].source == generic_profile().costs[i].source);
    }
    REQUIRE(file.constants.size() == generic_profile().constants.size());
    CHECK(file.constants.size() >= 5);
}

TEST_CASE("generic profile: its constants lie within the published figures") {
    const auto us = [](Phase phase, Isa isa, Per per) {
        u64 total = 0;
        for (const PhaseConstant& c : generic_profile().constants)
            if (c.phase == phase && c.paid_on(isa) && c.per == per) total += c.us;
        return total;
    };
    for (const PhaseConstant& c : generic_profile().constants) CHECK_FALSE(c.source.empty());
    CHECK(us(Phase::kStopCpus, Isa::kAArch64, Per::kCpu) * 80 == 15'000'000);  // specs/kexec.md §12 (b)
    CHECK(us(Phase::kStopCpus, Isa::kX86_64, Per::kCpu) == 0);
    CHECK(us(Phase::kDeviceShutdown, Isa::kX86_64, Per::kMachine) == 22'000);
    const u64 start_up =
        us(Phase::kInitcalls, Isa::kAArch64, Per::kMachine) + us(Phase::kDeviceProbe, Isa::kAArch64, Per::kMachine);
    CHECK(start_up == 294'700);
}

TEST_CASE("a profile that is wrong is refused where it is wrong") {
    struct Case {
        std::string_view from;
        std::string_view to;
        std::string_view said;
        u32 lines_on = 0;  // from the first changed line to the one that is named
    };
    const Case cases[] = {
        {"[work.mmio]", "[work.mmoi]", "there is no unit of work \"mmoi\""},
        {"ps = 134", "ps = -134", "\"ps\" is -134: nothing takes negative time"},
        {"ps = 134", "ps = 0", "\"ps\" is 0"},
        {"ps = 134", "ps = 1_000_000_000_001", "\"ps\" is 1000000000001"},
        {"ps = 134", "ps = 1.5", "\"ps\" is no integer"},
        {"ps = 134", "ps = \"134\"", "\"ps\" is no integer"},
        {"ps = 134", "cost = 134", "[work.bytes_copied] has no \"cost\""},
        {"[work.bytes_copied]\nps = 134\n", "[work.bytes_copied]\n", "[work.bytes_copied] needs \"ps\""},
        {"source = \"as pages_copied: 550 ns / 4096\"", "source = \"\"", "\"source\" is no text"},
        {"source = \"as pages_copied: 550 ns / 4096\"", "source = 5", "\"source\" is no text"},
        {"[work.bytes_copied]\nps = 134\nsource = \"as pages_copied: 550 ns / 4096\"", "[work.bytes_copied]\nps = 134",
         "[work.bytes_copied] needs \"source\""},
        {"\nper_page = true", "\nper_page = 1", "\"per_page\" is no boolean", 1},
        {"phase = \"P3\"", "phase = \"P6\"", "P6 (relocation) is counted work, not a constant"},
        {"phase = \"P3\"", "phase = \"P14\"", "unknown phase \"P14\""},
        {"per = \"device\"", "per = \"disk\"", "unknown per \"disk\""},
        {"arch = \"aarch64\"", "arch = \"vax\"", "unknown arch \"vax\""},
        {"us = 22_000", "us = -1", "\"us\" is -1: nothing takes negative time"},
        {"us = 22_000", "us = 3_600_000_001", "\"us\" is 3600000001"},
        {"us = 22_000", "ms = 22", "[[constant]] has no \"ms\""},
        {"name = \"generic\"", "nmae = \"generic\"", "a profile has no \"nmae\""},
        {"name = \"generic\"", "name \"generic\"", ""},
    };
    for (const Case& c : cases) {
        const Changed changed = with(c.from, c.to);
        CAPTURE(c.to);
        try {
            parse_profile(changed.text, "x.toml");
            FAIL_CHECK("it was taken");
        } catch (const InputError& e) {
            CAPTURE(std::string(e.what()), e.line);
            CHECK(e.file == "x.toml");
            CHECK(std::string_view(e.what()).find(c.said) != std::string_view::npos);
            CHECK(e.line == changed.line + c.lines_on);
            CHECK(e.col >= 1);
            CHECK_FALSE(e.hint.empty());
        }
    }
}

TEST_CASE("a profile that leaves something out, or is no file, is refused") {
    const auto said = [](const auto& read) {
        try {
            read();
        } catch (const InputError& e) {
            return std::string(e.what());
        }
        return std::string("nothing");
    };
    const std::string whole = generic_text();
    const std::size_t start = whole.find("[work.mmio]");
    std::string without = whole;
    without.erase(start, whole.find("[work.", start + 1) - start);
    CHECK(said([&] { parse_profile(without, "x"); }) == "no cost for mmio: device register accesses");
    CHECK(said([] { parse_profile("", "x"); }) == "a profile needs \"name\"");
    CHECK(said([] { parse_profile("name = \"a\"\nabout = \"b\"\nwork = 3\n", "x"); }) == "\"work\" is no table");
    CHECK(said([&] { parse_profile("constant = 3\n" + whole.substr(0, whole.find("\n[[constant")), "x"); }) ==
          "\"constant\" is no array of tables");
    CHECK(said([] { read_profile("/no/such/file"); }) == "there is no such file");
    CHECK(said([] { read_profile("/"); }) == "is not a regular file");
    CHECK_NOTHROW(parse_profile(whole.substr(0, whole.find("\n[[constant")), "x"));
}
