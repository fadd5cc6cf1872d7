// SPDX-License-Identifier: GPL-2.0-only
// `baton bench blackout`: what it measures, what it computes and says so, and what it refuses.
#include <nlohmann/json.hpp>

#include "model/types.hpp"
#include "model/work.hpp"
#include "tests/catch.hpp"
#include "tests/cli/binary.hpp"

using baton::tests::run_baton;
using baton::tests::Said;
using baton::tests::TemporaryFolder;
using nlohmann::json;

namespace {

const std::string kSmall = "bench blackout --memory 256M --preserve 16M ";

json cells_of(const std::string& arguments) {
    const Said said = run_baton(arguments + " --json");
    INFO(arguments << said.err);
    REQUIRE(said.exit == 0);
    return json::parse(said.out).at("cells");
}

json phase_of(const json& cell, const std::string& code) {
    for (const json& p : cell.at("phases"))
        if (p.at("code") == code) return p;
    FAIL("no phase " << code);
    return {};
}

TEST_CASE("bench blackout: cells in order, work by phase, and sums that add up") {
    const json cells = cells_of(kSmall + "--order 0,9 --arch x86_64,aarch64 --generation 6.16,7.1");
    REQUIRE(cells.size() == 8);
    std::string places;
    for (const json& cell : cells) {
        places += cell.at("arch").get<std::string>() + " " + cell.at("generation").get<std::string>() + " " +
                  std::to_string(cell.at("order").get<int>()) + "\n";
        CHECK(cell.at("how") == "run");
        CHECK(cell.at("ram_bytes") == 256u << 20);
        CHECK(cell.at("preserved_bytes") == 16u << 20);
        CHECK(cell.at("blocks") == (cell.at("order") == 0 ? 4096 : 8));
        baton::u64 work_ns = 0;
        baton::u64 constant_ns = 0;
        for (const json& p : cell.at("phases")) {
            if (!p.at("dark")) continue;
            work_ns += p.at("work_ns").get<baton::u64>();
            constant_ns += p.at("constant_ns").get<baton::u64>();
        }
        CHECK(cell.at("dark_work_ns") == work_ns);
        CHECK(cell.at("dark_constant_ns") == constant_ns);
        CHECK(cell.at("dark_ns") == work_ns + constant_ns);
        // All that was preserved was restored, and its struct pages initialised then.
        CHECK(phase_of(cell, "P13").at("work").at("struct_pages") == 4096);
        CHECK(phase_of(cell, "P0").at("work").at("bit_ops") >= cell.at("blocks"));
        // AArch64 has no purgatory.
        CHECK(phase_of(cell, "P7").at("work").contains("bytes_hashed") == (cell.at("arch") == "x86_64"));
    }
    CHECK(places ==
          "x86_64 6.16 0\nx86_64 6.16 9\nx86_64 7.1 0\nx86_64 7.1 9\n"
          "aarch64 6.16 0\naarch64 6.16 9\naarch64 7.1 0\naarch64 7.1 9\n");
    const auto scans = [](const json& cell) { return phase_of(cell, "P10").at("work").at("memblock_scans"); };
    CHECK(scans(cells[0]) > scans(cells[1]));
}

TEST_CASE("bench blackout: the same every time, and the table says how each cell came about") {
    const std::string arguments = kSmall + "--order 0,18 --run-max 1M";
    const Said text = run_baton(arguments);
    CHECK(text.exit == 0);
    CHECK(text.err.empty());
    CHECK(text.out == run_baton(arguments).out);
    CHECK(text.out.find("by profile generic") != std::string::npos);
    CHECK(text.out.find("computed\n") != std::string::npos);
    CHECK(text.out.find("impossible: one block has 1 GiB, more than shall be preserved") != std::string::npos);
    CHECK(text.out.find("constants: modelled, not counted") != std::string::npos);
    const json cells = cells_of(arguments);
    CHECK(cells[0].at("how") == "computed");
    CHECK(cells[0].at("computed_from_blocks") == json::array({128, 256}));
    CHECK(cells[1].at("how") == "impossible");
    CHECK_FALSE(cells[1].contains("dark_ns"));

    const Said phases = run_baton(kSmall + "--order 9 --phases");
    CHECK(phases.out.find("16M preserved in 8 blocks of order 9, run") != std::string::npos);
    CHECK(phases.out.find("  P10 memory map ") != std::string::npos);
    CHECK(text.out.find("  P10 memory map ") == std::string::npos);
}

TEST_CASE("bench blackout: every figure of the profile is told with its source") {
    const Said text = run_baton(kSmall + "--order 9 --sources");
    const json profile = json::parse(run_baton(kSmall + "--order 9 --json").out).at("profile");
    CHECK(profile.at("name") == "generic");
    REQUIRE(profile.at("work").size() == baton::kWorkCount);
    REQUIRE(profile.at("constants").size() >= 5);
    for (const char* kind : {"work", "constants"})
        for (const json& figure : profile.at(kind)) {
            const std::string source = figure.at("source");
            CHECK_FALSE(source.empty());
            CHECK(text.out.find(source + "\n") != std::string::npos);
        }
    CHECK(run_baton(kSmall + "--order 9").out.find("model parameter") == std::string::npos);
}

TEST_CASE("bench blackout: memory that is not there is no figure") {
    const json cells = cells_of("bench blackout --memory 64M,256M --order 0 --preserve 64M");
    CHECK(cells[0].at("how") == "impossible");
    CHECK_FALSE(cells[0].at("message").get<std::string>().empty());
    CHECK(cells[1].at("how") == "run");
}

TEST_CASE("bench blackout: constants grow with CPUs and devices, work does not") {
    const json one = cells_of(kSmall + "--order 9 --arch aarch64")[0];
    const json many = cells_of(kSmall + "--order 9 --arch aarch64 --cpus 3 --devices 2")[0];
    CHECK(one.at("dark_work_ns") == many.at("dark_work_ns"));
    CHECK(phase_of(one, "P3").at("constant_ns") == 22'000'000);
    CHECK(phase_of(many, "P3").at("constant_ns") == 22'000'000 + 2 * 110'000'000);
    CHECK(phase_of(one, "P4").at("constant_ns") == 0);
    CHECK(phase_of(many, "P4").at("constant_ns") == 2 * 187'500'000);
}

TEST_CASE("bench blackout: another profile is another time for the same work") {
    const TemporaryFolder folder;
    std::ifstream in(BATON_SOURCE_DIR "/sim/time/profiles/generic.toml");
    std::string text{std::istreambuf_iterator<char>(in), {}};
    const auto change = [&](const std::string& from, const std::string& to) {
        REQUIRE(text.find(from) != text.npos);
        text.replace(text.find(from), from.size(), to);
    };
    change("ps = 20_000", "ps = 40_000");  // struct_pages
    change("name = \"generic\"", "name = \"slow\"");
    const std::string file = folder.write("slow.toml", text);
    const json generic = cells_of(kSmall + "--order 9")[0];
    const json slow = cells_of(kSmall + "--order 9 --profile " + file)[0];
    CHECK(phase_of(generic, "P13").at("work") == phase_of(slow, "P13").at("work"));
    CHECK(phase_of(slow, "P13").at("work_ns") == 2 * phase_of(generic, "P13").at("work_ns").get<baton::u64>());
    CHECK(run_baton(kSmall + "--order 9 --profile " + file).out.find("by profile slow") != std::string::npos);

    change("ps = 40_000", "ps = -1");
    const std::string bad = folder.write("bad.toml", text);
    const Said said = run_baton("bench blackout --profile " + bad);
    CHECK(said.exit == 3);
    CHECK(said.out.empty());
    CHECK(said.err.starts_with(bad + ":"));
    CHECK(said.err.find("\"ps\" is -1: nothing takes negative time (an integer from 1 to") != std::string::npos);
    const json error = json::parse(run_baton("bench blackout --json --profile " + bad).out).at("error");
    CHECK(error.at("file") == bad);
    CHECK(error.at("line").get<int>() > 1);
}

TEST_CASE("bench blackout: bad options are usage errors that name the option") {
    struct Case {
        std::string arguments;
        std::string_view said;
    };
    const Case cases[] = {
        {"--memory 0", "--memory: 0 is not a machine's memory (64M to 16T)"},
        {"--memory 17T", "--memory: 17T is not a machine's memory"},
        {"--memory 1000000001", "--memory: 1000000001 is no multiple of 2M"},
        {"--memory 1X", "--memory: \"1X\" ends in an unknown suffix"},
        {"--memory -1", "--memory"},
        {"--memory 99999999999999999999", "does not fit 64 bits"},
        {"--order 19", "--order: 19 is not an order of blocks (0 to 18)"},
        {"--order nine", "--order: \"nine\" is not a number"},
        {"--generation 6.17", "--generation: unknown name \"6.17\""},
        {"--arch vax", "--arch: unknown name \"vax\""},
        {"--preserve 0", "--preserve: 0 is not memory to preserve"},
        {"--memory 1G --preserve 2G", "--preserve: 2G is more than the machine of 1G has"},
        {"--run-max 1T", "--run-max: 1T is not memory to preserve"},
        {"--scratch-scale 0", "--scratch-scale: 0 is not a percentage"},
        {"--initrd 2G", "--initrd: 2G is not the size of an initrd"},
        {"--cpus 0", "--cpus: 0 is not a number of CPUs"},
        {"--devices 65537", "--devices: 65537 is not a number of devices"},
        {"--ordre 9", "--ordre"},
    };
    for (const Case& c : cases) {
        CAPTURE(c.arguments);
        const Said said = run_baton("bench blackout " + c.arguments);
        CAPTURE(said.err);
        CHECK(said.exit == 2);
        CHECK(said.out.empty());
        CHECK(said.err.find(c.said) != std::string::npos);
    }
    CHECK(run_baton("bench").exit == 2);
    CHECK(run_baton("bench blackuot").err.find("there is no verb \"blackuot\" (did you mean \"blackout\"?") !=
          std::string::npos);
    CHECK(run_baton("bench blackout --profile /no/such/file").exit == 3);
    CHECK(run_baton("bench blackout --help").out.find("Usage: baton bench blackout [OPTIONS]") != std::string::npos);
    const json error = json::parse(run_baton("bench blackout --json --order 19").out).at("error");
    CHECK(error.at("message") == "--order: 19 is not an order of blocks");
}

}  // namespace
