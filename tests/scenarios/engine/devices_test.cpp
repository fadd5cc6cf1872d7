// SPDX-License-Identifier: GPL-2.0-only
// [device.*], [[step.turn]], expect_race and expect_verdict by target: what is read, and what is refused with which
// words.
#include "scenarios/engine/limits.hpp"
#include "scenarios/engine/parse.hpp"
#include "tests/catch.hpp"
#include "tests/support/parse_cases.hpp"

using namespace baton;
using namespace baton::scenarios;
using baton::test::Case;
using baton::test::check_cases;

namespace {

/// Three lines; a device begins at line 4.
const std::string kBeforeDevices = "title = \"t\"\nkernel.a = {}\nstep = [{ do = \"boot\", kernel = \"a\" }]\n";
/// Seven lines with a NIC, an engine and an assigned device; a step begins at line 8.
const std::string kBeforeSteps =
    "title = \"t\"\nkernel.a = {}\n"
    "device.nic0 = { kind = \"nic\" }\ndevice.dma0 = { kind = \"dma_engine\" }\n"
    "[[step]]\ndo = \"boot\"\nkernel = \"a\"\n";

Scenario good(const std::string& text) {
    const Parsed parsed = parse_text(text, "file.toml");
    for (const Diagnostic& d : parsed.diagnostics) FAIL_CHECK(to_text(d));
    REQUIRE(parsed.scenario);
    return *parsed.scenario;
}

constexpr Case kDeviceCases[] = {
    {"no table", "device = 3\n", 4, 10, "\"device\" is an integer", "[device.nic0]"},
    {"no name", "[device]\nkind = \"nic\"\n", 5, 1, "\"device.kind\" is a string", "a device has a name"},
    {"no kind", "[device.a]\npace = \"time\"\n", 4, 9, "needs \"kind\"", "kind = \"nic\""},
    {"unknown kind", "[device.a]\nkind = \"nci\"\n", 5, 8, "unknown kind of device \"nci\"", "did you mean \"nic\"?"},
    {"an empty slot", "[device.a]\nkind = \"none\"\n", 5, 8, "unknown kind of device \"none\"", "\"dma_engine\""},
    {"unknown key", "[device.a]\nkind = \"nic\"\nprefetsch = 3\n", 6, 1, "unknown key \"prefetsch\" in [device.a]",
     "did you mean \"prefetch\"?"},
    {"unknown pace", "[device.a]\nkind = \"nic\"\npace = \"times\"\n", 6, 8, "unknown pace \"times\"",
     "did you mean \"time\"?"},
    {"kind as number", "[device.a]\nkind = 2\n", 5, 8, "is an integer", "name of a kind of device"},
    {"prefetch of 0", "[device.a]\nkind = \"nic\"\nprefetch = 0\n", 6, 12, "\"prefetch\" is 0", "1 to 16"},
    {"prefetch of 17", "[device.a]\nkind = \"nic\"\nprefetch = 17\n", 6, 12, "\"prefetch\" is 17", "1 to 16"},
    {"latency", "[device.a]\nkind = \"nic\"\nlatency = 1000000001\n", 6, 11, "\"latency\" is 1000000001", "0 to"},
    {"negative", "[device.a]\nkind = \"nic\"\nwrite_back = -1\n", 6, 14, "-1", ""},
    {"bus mastering", "[device.a]\nkind = \"nic\"\nhonours_bus_master = 1\n", 6, 22, "is an integer", ""},
    {"a long name", "[device.a23456789012345678901234567890123]\nkind = \"nic\"\n", 4, 9, "is not a device name",
     "1 to 31 letters"},
};

TEST_CASE("parse: what a device can have wrong") { check_cases(kDeviceCases, kBeforeDevices); }

TEST_CASE("parse: a bus has sixteen slots, in the order of the file") {
    std::string text = kBeforeDevices;
    for (int i = 0; i < 16; ++i)
        text += "[device." + std::string(1, static_cast<char>('z' - i)) + "]\nkind = \"nic\"\n";
    const Scenario s = good(text);
    REQUIRE(s.devices.size() == 16);
    CHECK(s.devices[0].name == "z");
    CHECK(s.devices[15].name == "k");
    CHECK((s.kernels[0].options & kOptionDevices) != 0);
    const Parsed parsed = parse_text(text + "[device.a]\nkind = \"nic\"\n", "file.toml");
    REQUIRE(parsed.diagnostics.size() == 1);
    CHECK(parsed.diagnostics[0].message == "17 devices are too many");
    CHECK(parsed.diagnostics[0].hint == "at most 16");
}

TEST_CASE("parse: a device has every key, or only a kind") {
    const Scenario s = good(kBeforeDevices +
                            "[device.a]\nkind = \"nic\"\npace = \"schedule\"\nlatency = 7\nwrite_back = 0\n"
                            "prefetch = 16\nhonours_bus_master = false\n[device.b]\nkind = \"assigned\"\n");
    REQUIRE(s.devices.size() == 2);
    CHECK(
        s.devices[0] ==
        sim::DeviceConfig{.name = "a",
                          .kind = device::Kind::kNic,
                          .traits = {.latency_ns = 7, .write_back_ns = 0, .prefetch = 16, .honours_bus_master = false},
                          .pace = sim::Pace::kSchedule});
    CHECK(s.devices[1] == sim::DeviceConfig{.name = "b", .kind = device::Kind::kAssigned});
    CHECK((good(kBeforeDevices).kernels[0].options & kOptionDevices) == 0);
}

constexpr Case kTurnCases[] = {
    {"no table", "turn = 3\n", 11, 8, "\"turn\" is an integer", "[[step.turn]]"},
    {"holds no table", "turn = [3]\n", 11, 9, "\"turn\" holds an integer", "[[step.turn]]"},
    {"no site", "[[step.turn]]\ndevice = \"nic0\"\n", 11, 1, "needs \"site\"", "site ="},
    {"no device", "[[step.turn]]\nsite = \"mmio\"\n", 11, 1, "needs \"device\"", "device ="},
    {"unknown site", "[[step.turn]]\nsite = \"mimo\"\ndevice = \"nic0\"\n", 12, 8, "\"mimo\"", "\"mmio\""},
    {"unknown device", "[[step.turn]]\nsite = \"mmio\"\ndevice = \"nic1\"\n", 13, 10, "unknown device \"nic1\"",
     "did you mean \"nic0\"?"},
    {"unknown kind", "[[step.turn]]\nsite = \"mmio\"\ndevice = \"nic0\"\ndo = \"send\"\n", 14, 6,
     "unknown kind of turn \"send\"", "\"post\""},
    {"no times", "[[step.turn]]\nsite = \"mmio\"\ndevice = \"nic0\"\ntimes = 0\n", 14, 9, "\"times\" is 0",
     "1 to 1000000"},
    {"after nothing", "[[step.turn]]\nsite = \"mmio\"\ndevice = \"nic0\"\nafter = 0\n", 14, 9, "\"after\" is 0",
     "1 to"},
    {"unknown key", "[[step.turn]]\nsite = \"mmio\"\ndevice = \"nic0\"\ntime = 1\n", 14, 1, "unknown key \"time\"",
     "did you mean \"times\"?"},
};

TEST_CASE("parse: what a turn can have wrong") {
    check_cases(kTurnCases, kBeforeSteps + "[[step]]\ndo = \"device_stop\"\ndevice = \"nic0\"\n");
}

TEST_CASE("parse: turns of a step") {
    const Scenario s = good(kBeforeSteps +
                            "[[step]]\ndo = \"finalise\"\n[[step.turn]]\nsite = \"mmio#3\"\ndevice = \"dma0\"\n"
                            "do = \"post\"\ntimes = 5\nafter = 9\n[[step.turn]]\nsite = \"mmio\"\ndevice = \"nic0\"\n");
    const auto& turns = s.steps.at(1).turns;
    REQUIRE(turns.size() == 2);
    CHECK(turns[0].when.site == Site::kMmio);
    CHECK(turns[0].when.nth == 3);
    CHECK(turns[0].device == 1);
    CHECK(turns[0].kind == sim::TurnKind::kPost);
    CHECK(turns[0].times == 5);
    CHECK(turns[0].after == 9);
    CHECK(turns[1].device == 0);
    CHECK(turns[1].kind == sim::TurnKind::kBoth);
    CHECK(turns[1].times == 1);
    CHECK(turns[1].after == 0);
}

TEST_CASE("parse: too many turns in one step") {
    std::string text = kBeforeSteps + "[[step]]\ndo = \"finalise\"\nturn = [";
    for (u64 i = 0; i <= kTurnsMax; ++i) text += "{ site = \"mmio\", device = \"nic0\" },";
    const Parsed parsed = parse_text(text + "]\n", "file.toml");
    REQUIRE(parsed.diagnostics.size() == 1);
    CHECK(parsed.diagnostics[0].message == "10001 turns in one step are too many");
}

constexpr Case kStepCases[] = {
    {"unknown race", "[[step]]\ndo = \"finalise\"\nexpect_race = \"A99\"\n", 10, 15, "unknown race \"A99\"", "--races"},
    {"race as number", "[[step]]\ndo = \"finalise\"\nexpect_race = 1\n", 10, 15, "is an integer", "name of a race"},
    {"race of a list", "[[step]]\ndo = \"finalise\"\nexpect_race = [\"A1\", \"Z1\"]\n", 10, 22, "unknown race \"Z1\"",
     ""},
    {"race of a host step", "[[step]]\ndo = \"fill\"\nregion = \"r\"\nexpect_race = \"A1\"\n", 11, 1,
     "unknown key \"expect_race\"", ""},
    {"no target", "[[step]]\ndo = \"finalise\"\nexpect_verdict = {}\n", 10, 18, "no target is named", "guest ="},
    {"unknown target", "[[step]]\ndo = \"finalise\"\nexpect_verdict = { gest = \"panic\" }\n", 10, 20,
     "unknown key \"gest\"", "did you mean \"guest\"?"},
    {"unknown verdict", "[[step]]\ndo = \"finalise\"\nexpect_verdict = { native = \"boom\" }\n", 10, 29,
     "unknown verdict \"boom\"", ""},
    {"no device", "[[step]]\ndo = \"device_stop\"\n", 8, 1, "needs \"device\"", ""},
    {"odd chunk", "[[step]]\ndo = \"dma_start\"\ndevice = \"dma0\"\nchunk = 12\n", 11, 9, "whole words", "chunk = 64"},
    {"large chunk", "[[step]]\ndo = \"dma_start\"\ndevice = \"dma0\"\nchunk = \"8K\"\n", 11, 9, "\"chunk\" is 8K",
     "4K"},
    {"odd stride", "[[step]]\ndo = \"dma_start\"\ndevice = \"dma0\"\nstride = 12\n", 11, 10, "whole words", "64K"},
    {"two places", "[[step]]\ndo = \"dma_start\"\ndevice = \"dma0\"\nphys = 4096\nplace = \"kho.fdt\"\n", 11, 8,
     "has \"place\", \"phys\"", "only one"},
    {"one descriptor", "[[step]]\ndo = \"nic_start\"\ndevice = \"nic0\"\ndescriptors = 1\n", 11, 15,
     "\"descriptors\" is 1", "2 to 64"},
    {"period", "[[step]]\ndo = \"nic_start\"\ndevice = \"nic0\"\nperiod = 2000000000\n", 11, 10,
     "\"period\" is 2000000000", "0 to"},
    {"no region", "[[step]]\ndo = \"assign\"\ndevice = \"nic0\"\n", 8, 1, "needs \"region\"", ""},
};

TEST_CASE("parse: what steps on devices, and expectations, can have wrong") { check_cases(kStepCases, kBeforeSteps); }

TEST_CASE("parse: races and verdicts that are expected") {
    const auto outcome = [](const std::string& keys) {
        return good(kBeforeSteps + "[[step]]\ndo = \"finalise\"\n" + keys).steps.at(1).outcome;
    };
    using sim::Race;
    CHECK(outcome("expect_race = [\"A1\", \"F13\"]\n").races == std::vector<Race>{Race::kA1, Race::kF13});
    const Outcome guest = outcome("expect_race = \"B1\"\nexpect_verdict = { guest = \"triple fault\" }\n");
    CHECK(guest.races == std::vector<Race>{Race::kB1});
    CHECK_FALSE(guest.ending_on(Target::kNative));
    CHECK(guest.ending_on(Target::kGuest) == Ending::kTripleFault);
    const Outcome both = outcome("expect_verdict = { native = \"panic\", guest = \"exception\" }\n");
    CHECK(both.ending_on(Target::kNative) == Ending::kPanic);
    CHECK(both.ending_on(Target::kGuest) == Ending::kException);
    const Outcome same = outcome("expect_verdict = \"panic\"\n");
    for (const Target t : {Target::kNative, Target::kGuest}) CHECK(same.ending_on(t) == Ending::kPanic);
}

}  // namespace
