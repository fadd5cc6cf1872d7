// SPDX-License-Identifier: GPL-2.0-only
// Hop after hop a kernel has the same memory as the one before it: nothing leaks over a kexec (specs/kho.md §8.8).
#include <fmt/format.h>

#include <vector>

#include "model/kernel.hpp"
#include "scenarios/engine/engine.hpp"
#include "scenarios/engine/parse.hpp"
#include "scenarios/engine/runner.hpp"
#include "sim/machine.hpp"
#include "sim/pages/census.hpp"
#include "tests/catch.hpp"

namespace baton::scenarios {
namespace {

constexpr int kHops = 5;

std::string text_of(std::string_view arch, std::string_view generation, bool restores) {
    std::string text = fmt::format(
        "title = 't'\nmachine = {{ arch = '{}', ram = '{}' }}\n[kernel.a]\ngeneration = '{}'\n"
        "cmdline = 'kho=on kho_scratch={} reserve_mem=4M:4M:oops'\n[[step]]\ndo = 'boot'\nkernel = 'a'\n",
        arch, arch == "aarch64-64k" ? "4G" : "256M", generation,
        arch == "aarch64-64k"   ? "512M,512M,512M"
        : arch == "aarch64-16k" ? "32M,32M,32M"
                                : "16M,32M,16M");
    for (int hop = 0; hop < kHops; ++hop) {
        text += fmt::format(
            "[[step]]\ndo = 'alloc'\nregion = 'r{0}'\norder = 2\ncount = 9\n"
            "[[step]]\ndo = 'preserve'\nregion = 'r{0}'\n",
            hop);
        if (generation != "7.1") text += "[[step]]\ndo = 'finalise'\n";
        text += "[[step]]\ndo = 'kexec_file_load'\nkernel = 'a'\n[[step]]\ndo = 'exec'\n";
        if (restores)
            text +=
                fmt::format("[[step]]\ndo = 'restore'\nregion = 'r{0}'\n[[step]]\ndo = 'free'\nregion = 'r{0}'\n", hop);
    }
    return text;
}

/// The census at the end of each hop.
std::vector<sim::PageCensus> censuses(const std::string& text, Target target) {
    const Parsed parsed = parse_text(text, "hops.toml");
    for (const Diagnostic& d : parsed.diagnostics) UNSCOPED_INFO(d.message);
    REQUIRE(parsed.scenario);
    const Scenario& scenario = *parsed.scenario;
    std::vector<sim::PageCensus> taken;
    RunOptions options{.image_folder = BATON_IMAGES};
    options.on_step_end = [&](u32 index, sim::Machine& machine) {
        const bool last = index + 1 == scenario.steps.size();
        const bool hop_ends = last || (index != 0 && scenario.steps[index + 1].name == "alloc");
        if (hop_ends && machine.waiting())
            taken.push_back(*sim::take_census(machine.memory(), *machine.kernel(), machine.ownership()));
    };
    Cell cell = expand(scenario.machine).front();
    cell.target = target;
    const RunResult r = run_cell(scenario, cell, options);
    for (const auto& f : r.findings) UNSCOPED_INFO(f.what + ": " + f.detail);
    REQUIRE(r.verdict == Verdict::kPass);
    return taken;
}

TEST_CASE("no page lost: five hops, every kernel from the second on has the same pages in every state") {
    for (const std::string_view arch : {"x86_64", "aarch64", "aarch64-16k", "aarch64-64k"})
        for (const std::string_view generation : {"6.16", "6.18", "7.0", "7.1"})
            for (const Target target : {Target::kNative, Target::kGuest}) {
                if (target == Target::kGuest && generation != "6.18") continue;
                CAPTURE(arch, generation, target);
                const auto hops = censuses(text_of(arch, generation, true), target);
                REQUIRE(hops.size() == kHops);
                for (const sim::PageCensus& c : hops) {
                    CHECK(c.faults.empty());
                    CHECK(c.ram == c.free + c.in_use + c.preserved + c.reserved);
                    CHECK(c.ram == hops[0].ram);
                    CHECK(c.free == hops[1].free);
                    CHECK(c.in_use == hops[1].in_use);
                    CHECK(c.preserved == hops[1].preserved);
                }
            }
}

TEST_CASE("no page lost: what was preserved and never restored stays reserved, and is free again after the next hop") {
    for (const std::string_view arch : {"x86_64", "aarch64"}) {
        CAPTURE(arch);
        const auto hops = censuses(text_of(arch, "6.18", false), Target::kNative);
        REQUIRE(hops.size() == kHops);
        for (const sim::PageCensus& c : hops) {
            CHECK(c.preserved == hops[0].preserved);
            CHECK(c.preserved >= 36 + 1024);
            CHECK(c.free == hops[1].free);
        }
    }
}

}  // namespace
}  // namespace baton::scenarios
