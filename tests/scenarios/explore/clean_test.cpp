// SPDX-License-Identifier: GPL-2.0-only
// Where everybody does what is right, no schedule finds anything: random scenarios whose devices are stopped properly,
// or are handed over with their memory. BATON_CLEAN_RUNS=100000 takes longer than the 2,000 runs of every day.
// Shards: 2
#include <cstdlib>

#include "sim/random.hpp"
#include "tests/scenarios/explore/made.hpp"
#include "tests/support/shard.hpp"

namespace baton::scenarios {
namespace {

using tests::TemporaryFolder;

constexpr u64 kRunsOfScenario = 50;

u64 runs_wanted() {
    const char* const asked = std::getenv("BATON_CLEAN_RUNS");
    return asked != nullptr ? std::strtoull(asked, nullptr, 10) : 2000;
}

std::string step(std::string_view action, std::string_view keys = {}) {
    return fmt::format("[[step]]\ndo = '{}'\n{}", action, keys);
}

/// Devices that their drivers stop: at once, or when the kernel shuts down.
void add_driven(sim::Random& random, u32 index, std::string& devices, std::string& starts, std::string& stops) {
    const bool nic = random.bounded(2) == 0;
    const std::string name = fmt::format("d{}", index);
    devices += fmt::format("[device.{}]\nkind = '{}'\npace = '{}'\n", name, nic ? "nic" : "dma_engine",
                           random.bounded(2) == 0 ? "time" : "schedule");
    if (random.bounded(2) == 0) devices += fmt::format("latency = {}\n", random.bounded(100'000));
    starts += step(nic ? "nic_start" : "dma_start", fmt::format("device = '{}'\n", name));
    if (random.bounded(2) == 0) stops += step("device_stop", fmt::format("device = '{}'\n", name));
}

/// The device of a virtual machine, handed over running, with its memory and its translation.
void add_assigned(sim::Random& random, std::string& devices, std::string& starts, std::string& stops) {
    devices += "[device.vf0]\nkind = 'assigned'\npace = 'schedule'\n";
    starts += step("alloc", fmt::format("region = 'vm'\norder = 4\ncount = {}\n", 1 + random.bounded(4))) +
              step("fill", "region = 'vm'\n") + step("assign", "device = 'vf0'\nregion = 'vm'\nbus = '0x80000000'\n") +
              step("vm_start", "device = 'vf0'\nregion = 'vm'\nbus = '0x80000000'\n") +
              step("device_keep", "device = 'vf0'\n");
    stops += step("preserve", "region = 'vm'\n");
}

std::string clean_scenario(u64 seed) {
    sim::Random random(seed, 0xc1ea);
    const bool passed_through = random.bounded(2) == 0;
    std::string devices;
    std::string starts;
    std::string stops;
    const u32 driven = static_cast<u32>(random.bounded(3)) + (passed_through ? 0 : 1);
    for (u32 i = 0; i < driven; ++i) add_driven(random, i, devices, starts, stops);
    if (passed_through) add_assigned(random, devices, starts, stops);
    const std::string_view first = passed_through ? " iommu=on iommu_shutdown=keep" : "";
    const std::string_view second = passed_through ? " iommu=on iommu_adopt=on pci_inherit=on" : "";
    std::string text = fmt::format(
        "title = 'clean {}'\nmachine = {{ arch = '{}', ram = '128M', seed = {} }}\n"
        "[kernel.a]\ncmdline = 'kho=on kho_scratch=8M,16M,8M{}'\n[kernel.b]\ncmdline = 'kho=on "
        "kho_scratch=8M,16M,8M{}'\n",
        seed, random.bounded(2) == 0 ? "x86_64" : "aarch64", seed, first, second);
    text += devices + step("boot", "kernel = 'a'\n") + starts + stops + step("finalise") +
            step("kexec_file_load", "kernel = 'b'\n") + step("exec");
    return text;
}

}  // namespace

TEST_CASE("explore: clean scenarios are silent", "[shards]") {
    const test::Shard shard = test::shard();
    u64 turns = 0;
    for (u64 seed = shard.index; seed * kRunsOfScenario < runs_wanted(); seed += shard.count) {
        const TemporaryFolder folder;
        const std::string text = clean_scenario(seed);
        INFO(text);
        const Window window = open(folder, text);
        ExploreRequest request = request_for(folder, kRunsOfScenario);
        request.strategy.seed = seed;
        request.strategy.kind = seed % 4 == 3 ? StrategyKind::kPct : StrategyKind::kRandom;
        request.hashes = seed % 8 == 0;
        const ExploreReport report = explore(window, request);
        for (const ReportedFinding& f : report.findings) {
            UNSCOPED_INFO(f.identity << ": " << f.found.story);
            std::ifstream in(f.file);
            UNSCOPED_INFO(std::string(std::istreambuf_iterator<char>(in), {}));
        }
        CHECK(report.findings.empty());
        turns += transitions(report.coverage);
    }
    CHECK(turns > 10);  // devices did write
}

}  // namespace baton::scenarios
