// SPDX-License-Identifier: GPL-2.0-only
// KASLR over many seeds (scenarios/library/kexec/kaslr.toml), and a copy that was damaged before it is entered.
#include <set>

#include "model/kernel.hpp"
#include "scenarios/engine/engine.hpp"
#include "scenarios/engine/parse.hpp"
#include "scenarios/engine/runner.hpp"
#include "sim/machine.hpp"
#include "tests/catch.hpp"

namespace baton::scenarios {
namespace {

Scenario parsed(const std::string& file) {
    Parsed p = parse_file(BATON_SOURCE_DIR "/scenarios/library/" + file);
    REQUIRE(p.scenario.has_value());
    return std::move(*p.scenario);
}

Scenario kaslr() { return parsed("kexec/kaslr.toml"); }

RunResult run_natively(const Scenario& scenario) {
    Cell cell = expand(scenario.machine).front();
    cell.target = Target::kNative;
    return run_cell(scenario, cell, {.image_folder = BATON_IMAGES});
}

std::string story(const RunResult& r) {
    std::string s = r.message;
    for (const Finding& f : r.findings) s += "\n" + f.what + " — " + f.detail;
    return s;
}

}  // namespace

TEST_CASE("kaslr: a hundred seeds boot, stay in scratch, harm nothing, and use many slots") {
    const Scenario scenario = kaslr();
    Cell cell = expand(scenario.machine).front();
    cell.target = Target::kNative;
    std::set<u64> cold;
    std::set<u64> handed;
    RunOptions options{.image_folder = BATON_IMAGES};
    options.on_step_end = [&](u32 step, sim::Machine& m) {
        if (m.kernel() == nullptr) return;
        const std::string_view name = scenario.steps[step].name;
        if (name == "boot") cold.insert(m.kernel()->image.value);
        if (name == "exec") handed.insert(m.kernel()->image.value);
    };
    for (cell.seed = 1; cell.seed <= 100; ++cell.seed) {
        CAPTURE(cell.seed);
        const RunResult r = run_cell(scenario, cell, options);
        INFO(story(r));
        REQUIRE(r.verdict == Verdict::kPass);
        REQUIRE(r.steps_done == scenario.steps.size());
    }
    CHECK(cold.size() > 80);
    CHECK(handed.size() > 100);
}

TEST_CASE("kaslr: an image that is damaged after the copy is not entered") {
    const Scenario scenario = kaslr();
    for (const Target target : {Target::kNative, Target::kGuest}) {
        Cell cell = expand(scenario.machine).front();
        cell.target = target;
        RunOptions options{.image_folder = BATON_IMAGES};
        struct Hand final : sim::Monitor {
            sim::Machine* machine = nullptr;
            bool at(Site site, u64, u64 slot) override {
                if (site != Site::kKaslrCopy) return false;
                const u8 byte = 0xcc;
                machine->host_write(PhysAddr{slot} + 0x2000, {&byte, 1});
                return false;
            }
            void stopped(sim::Machine&, const sim::Stop&) override {}
        } hand;
        options.monitor = &hand;
        options.on_machine = [&](sim::Machine& m) { hand.machine = &m; };
        const RunResult r = run_cell(scenario, cell, options);
        CHECK(r.verdict == Verdict::kFail);
        CHECK(story(r).find("image corrupted") != std::string::npos);
    }
}

TEST_CASE("kaslr: damage that is expected must come, and damage that is not is a finding") {
    for (const char* file : {"defects/B65_fixed.toml", "defects/B65_kaslr_ignores_scratch.toml"}) {
        CAPTURE(file);
        Scenario scenario = parsed(file);
        REQUIRE(run_natively(scenario).verdict == Verdict::kPass);
        for (Step& s : scenario.steps)
            if (auto* exec = std::get_if<step::Exec>(&s.action)) exec->loses = !exec->loses;
        const RunResult r = run_natively(scenario);
        CHECK(r.verdict == Verdict::kFail);
        CHECK((story(r).find("preserved frames changed") != std::string::npos ||
               story(r).find("nothing that was handed over was lost") != std::string::npos));
    }
}

TEST_CASE("kaslr: what is expected of the image's place is checked") {
    for (const bool moved : {false, true}) {
        Scenario scenario = kaslr();
        for (Step& s : scenario.steps)
            if (auto* expect = std::get_if<step::Expect>(&s.action)) {
                if (moved) expect->image_moved = false;
                if (!moved && expect->image_in_scratch) expect->image_in_scratch = !*expect->image_in_scratch;
            }
        const RunResult r = run_natively(scenario);
        CHECK(r.verdict == Verdict::kFail);
        CHECK(story(r).find(moved ? "image_moved" : "image_in_scratch") != std::string::npos);
    }
}

}  // namespace baton::scenarios
