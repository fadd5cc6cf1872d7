// SPDX-License-Identifier: GPL-2.0-only
// Shards: 2
// A kernel that runs out of memory at every allocation of its life in turn: it fails as documented, and nothing is lost
// (docs/specs/kho.md §3.15). Boot here, by command line; commands also in scenarios/library/memory/.
#include <fmt/format.h>

#include <algorithm>

#include "model/mm/alloc_site.hpp"
#include "scenarios/engine/engine.hpp"
#include "scenarios/engine/parse.hpp"
#include "scenarios/engine/runner.hpp"
#include "tests/catch.hpp"
#include "tests/support/shard.hpp"

namespace baton::scenarios {
namespace {

RunResult run(std::string_view arch, std::string_view generation, std::string_view refused, bool hop) {
    std::string text = fmt::format(
        "title = 't'\nmachine = {{ arch = '{}', ram = '256M' }}\n"
        "[kernel.a]\ngeneration = '{}'\noptions = ['scratch_floor', 'kfence']\n"
        "cmdline = 'kho=on kho_scratch=16M,32M,16M reserve_mem=1M:4K:oops {}'\n"
        "[kernel.b]\ngeneration = '{}'\noptions = ['scratch_floor', 'kfence']\n"
        "cmdline = 'kho=on kho_scratch=16M,32M,16M reserve_mem=1M:4K:oops reserve_mem=1M:4K:more {}'\n"
        "[[step]]\ndo = 'boot'\nkernel = 'a'\n",
        arch, generation, hop ? std::string_view() : refused, generation, refused);
    if (hop) {
        text += "[[step]]\ndo = 'alloc'\nregion = 'x'\norder = 3\n[[step]]\ndo = 'preserve'\nregion = 'x'\n";
        if (generation != "7.1") text += "[[step]]\ndo = 'finalise'\n";
        text += "[[step]]\ndo = 'kexec_file_load'\nkernel = 'b'\n[[step]]\ndo = 'exec'\n";
    }
    const Parsed parsed = parse_text(text, "memory.toml");
    for (const Diagnostic& d : parsed.diagnostics) UNSCOPED_INFO(d.message);
    REQUIRE(parsed.scenario);
    return run_cell(*parsed.scenario, expand(parsed.scenario->machine).front(), {.image_folder = BATON_IMAGES});
}

bool logged(const RunResult& r, std::string_view text) {
    return std::ranges::any_of(r.log, [&](const auto& line) { return line.text.find(text) != std::string::npos; });
}

/// Panics of early allocations say so; everything else goes on, and every page is accounted for (the run's own check).
void check(const RunResult& r) {
    if (r.verdict == Verdict::kPass) return;
    REQUIRE(r.findings.size() == 1);
    CHECK(r.ending == Ending::kPanic);
    CHECK(r.findings[0].what.find("early allocation of") != std::string::npos);
}

TEST_CASE("out of memory: at every allocation of a boot, cold and handed over to", "[shards]") {
    const test::Shard shard = test::shard();
    u64 item = 0;
    u64 failures = 0;
    u64 panics = 0;
    for (const std::string_view arch : {"x86_64", "aarch64"})
        for (const std::string_view generation : {"6.16", "6.18", "7.0", "7.1"})
            for (const bool hop : {false, true})
                for (const AllocSiteInfo& site : kAllocSites) {
                    if (site.stage == AllocStage::kGiven || !shard.has(item++)) continue;
                    for (u64 nth = 1; nth < 100; ++nth) {
                        const std::string refused = fmt::format("fail_alloc={}#{}", site.name, nth);
                        CAPTURE(arch, generation, hop, refused);
                        const RunResult r = run(arch, generation, refused, hop);
                        if (!logged(r, fmt::format("{}: allocation {} fails", site.name, nth))) {
                            CHECK(r.verdict == Verdict::kPass);
                            break;
                        }
                        check(r);
                        ++failures;
                        if (r.verdict != Verdict::kPass) ++panics;
                    }
                }
    CHECK(failures > 50);
    CHECK(panics > 10);
    CHECK(panics < failures);
}

}  // namespace
}  // namespace baton::scenarios
