// SPDX-License-Identifier: GPL-2.0-only
// Whole handovers on a 512 MiB machine, as `baton run` plays them: finalise, kexec_file_load, exec, boot of the next
// kernel, with every check of the engine. The cost of one hop is the difference of the rows, by the number of hops.
#include <fmt/format.h>

#include <stdexcept>
#include <string>

#include "scenarios/engine/engine.hpp"
#include "scenarios/engine/parse.hpp"
#include "scenarios/engine/runner.hpp"
#include "tests/catch.hpp"

namespace baton::scenarios {
namespace {

Scenario with_hops(GeometryId geometry, u32 hops, bool untouched) {
    std::string text = "title = \"bench\"\nmachine = { arch = \"" + std::string(geometry_of(geometry).name) +
                       "\", ram = \"512M\", seed = 7 }\n[kernel.a]\n"
                       "cmdline = \"kho=on kho_scratch=16M,64M,16M reserve_mem=4M:4M:oops\"\n"
                       "[[step]]\ndo = \"boot\"\nkernel = \"a\"\n";
    if (!untouched) text += "[[step]]\ndo = \"fill\"\nregion = \"oops\"\n";
    for (u32 i = 0; i < hops; ++i)
        text +=
            "[[step]]\ndo = \"finalise\"\n[[step]]\ndo = \"kexec_file_load\"\nkernel = \"a\"\n[[step]]\ndo = "
            "\"exec\"\n";
    Parsed parsed = parse_text(text, "bench");
    if (!parsed.scenario) throw std::runtime_error("the benchmark's scenario is wrong");
    return *parsed.scenario;
}

u32 run(const Scenario& scenario, Target target, const RunOptions& options) {
    Cell cell = expand(scenario.machine)[0];
    cell.target = target;
    const RunResult result = run_cell(scenario, cell, options);
    if (result.verdict != Verdict::kPass) throw std::runtime_error("the benchmark's run failed");
    return result.steps_done;
}

}  // namespace

TEST_CASE("handover") {
    const RunOptions options{.image_folder = BATON_IMAGES};
    for (const GeometryId g : {GeometryId::kX86_64, GeometryId::kAArch64_4K})
        for (const Target target : {Target::kNative, Target::kGuest}) {
            const std::string what = ", " + std::string(geometry_of(g).name) + ", " + std::string(info(target).name);
            const u32 hops = target == Target::kNative ? 10 : 1;
            const Scenario cold = with_hops(g, 0, true);
            const Scenario empty = with_hops(g, hops, true);
            const Scenario filled = with_hops(g, hops, false);
            const std::string and_hops = fmt::format("the same and {} hop{}, ", hops, hops == 1 ? "" : "s");
            BENCHMARK("power-on to the first command, 512 MiB" + what) { return run(cold, target, options); };
            BENCHMARK(fmt::format("{}nothing written to the 4 MiB region{}", and_hops, what)) {
                return run(empty, target, options);
            };
            BENCHMARK(fmt::format("{}4 MiB of content checked at each{}", and_hops, what)) {
                return run(filled, target, options);
            };
        }
}

}  // namespace baton::scenarios
