// SPDX-License-Identifier: GPL-2.0-only
// A machine saved by one process and continued by another: the hashes of a run that nobody interrupted.
#include <nlohmann/json.hpp>

#include "tests/catch.hpp"
#include "tests/cli/binary.hpp"

namespace baton::tests {
namespace {

std::string head(std::string_view arch, std::string_view target) {
    return "title = 't'\nmachine = { arch = '" + std::string(arch) + "', target = '" + std::string(target) +
           "', ram = '512M', seed = 5 }\n[kernel.a]\n"
           "cmdline = 'kho=on kho_scratch=16M,64M,16M reserve_mem=4M:4M:oops'\n";
}

constexpr std::string_view kBefore =
    "[[step]]\ndo = 'boot'\nkernel = 'a'\n[[step]]\ndo = 'fill'\nregion = 'oops'\n[[step]]\ndo = 'finalise'\n"
    "[[step]]\ndo = 'kexec_file_load'\nkernel = 'a'\n";
constexpr std::string_view kAfter =
    "[[step]]\ndo = 'expect'\nregion = 'oops'\nintact = true\nsame_address = true\nkho_boot = true\n";

nlohmann::json only_run(const Said& said) {
    INFO(said.out << said.err);
    REQUIRE(said.exit == 0);
    return nlohmann::json::parse(said.out).at("runs").at(0);
}

}  // namespace

TEST_CASE("save: at a break, before and after the jump, another process goes on to the same hashes") {
    for (const char* target : {"native", "guest"})
        for (const char* arch : {"x86_64", "aarch64"})
            for (const char* site : {"reboot.devices", "kexec.jump", "relocate.page#20", "kho.deserialise.block#2"}) {
                CAPTURE(target, arch, site);
                const TemporaryFolder folder;
                const std::string start = head(arch, target);
                const std::string exec = "[[step]]\ndo = 'exec'\n";
                const auto whole =
                    only_run(run_baton("run --json " + folder.write("whole.toml", start + std::string(kBefore) + exec +
                                                                                      std::string(kAfter))));
                const std::string save = "break = '" + std::string(site) + "'\n[[step]]\ndo = 'save'\nfile = '" +
                                         folder.path("m.sav") + "'\n";
                only_run(
                    run_baton("run --json " + folder.write("first.toml", start + std::string(kBefore) + exec + save)));
                const auto second = only_run(run_baton(
                    "run --json " +
                    folder.write("second.toml", start + "[[step]]\ndo = 'load'\nfile = '" + folder.path("m.sav") +
                                                    "'\n[[step]]\ndo = 'continue'\n" + std::string(kAfter))));
                CHECK(second.at("state_hash") == whole.at("state_hash"));
                CHECK(second.at("handover_hash") == whole.at("handover_hash"));
                CHECK(second.at("sequence_hash") == whole.at("sequence_hash"));
                CHECK(second.at("handover_hash").get<std::string>().size() == 32);
            }
}

}  // namespace baton::tests
