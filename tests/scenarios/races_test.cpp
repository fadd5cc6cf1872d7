// SPDX-License-Identifier: GPL-2.0-only
// The races of the library, turned over: what must not matter does not, and each check can fail.
//
// Shards: 2
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>

#include "scenarios/engine/engine.hpp"
#include "scenarios/engine/parse.hpp"
#include "scenarios/engine/runner.hpp"
#include "tests/catch.hpp"
#include "tests/support/shard.hpp"

namespace baton::scenarios {
namespace {

struct Pair {
    std::string name;
    std::string race;       // text of the scenario in which it happens
    std::string prevented;  // and of its twin
};

std::string text_of(const std::filesystem::path& file) {
    std::ifstream in(file);
    return {std::istreambuf_iterator<char>(in), {}};
}

std::vector<Pair> pairs() {
    std::vector<Pair> all;
    for (const auto& entry : std::filesystem::directory_iterator(BATON_SOURCE_DIR "/scenarios/library/races")) {
        const std::string stem = entry.path().stem().string();
        if (entry.path().extension() != ".toml" || stem.ends_with("_prevented")) continue;
        const std::string text = text_of(entry.path());
        if (text.find("expect_race") == std::string::npos) continue;
        all.push_back({stem, text, text_of(entry.path().parent_path() / (stem + "_prevented.toml"))});
    }
    std::ranges::sort(all, {}, &Pair::name);
    return all;
}

Scenario parsed(const std::string& text) {
    Parsed p = parse_text(text, "races_test.toml");
    for (const Diagnostic& d : p.diagnostics) FAIL_CHECK(to_text(d));
    REQUIRE(p.scenario.has_value());
    return std::move(*p.scenario);
}

/// One cell of each architecture: native, where the scenario has it.
std::vector<Cell> cells(const Scenario& s) {
    std::vector<Cell> chosen;
    for (const Cell& cell : expand(s.machine)) {
        const auto same = std::ranges::find(chosen, cell.arch, &Cell::arch);
        if (same == chosen.end())
            chosen.push_back(cell);
        else if (cell.target == Target::kNative)
            *same = cell;
    }
    return chosen;
}

RunResult run(const Scenario& s, const Cell& cell) { return run_cell(s, cell, {.image_folder = BATON_IMAGES}); }

std::string story(const RunResult& r) {
    std::string text = r.message;
    for (const Finding& f : r.findings) text += "\n" + f.what + " — " + f.detail;
    return text;
}

std::set<std::string> ids(const RunResult& r) {
    std::set<std::string> all;
    for (const sim::ForbiddenWrite& w : r.races) {
        for (const auto& race : {w.target, w.cause}) all.insert(race ? std::string(info(*race).id) : "none");
    }
    return all;
}

/// The scenario passes, with the same ids as the one that it was made from.
void same_ids(const Scenario& changed, const Scenario& original) {
    const std::vector<Cell> was = cells(original);
    const std::vector<Cell> is = cells(changed);
    REQUIRE(was.size() == is.size());
    for (std::size_t i = 0; i < is.size(); ++i) {
        CAPTURE(cell_name(is[i]));
        const RunResult r = run(changed, is[i]);
        INFO(story(r));
        CHECK(r.verdict == Verdict::kPass);
        CHECK(ids(r) == ids(run(original, was[i])));
    }
}

/// A check of races does not come true: a finding that says this.
void fails(const Scenario& s, std::string_view saying) {
    for (const Cell& cell : cells(s)) {
        CAPTURE(cell_name(cell), saying);
        const RunResult r = run(s, cell);
        INFO(story(r));
        CHECK(r.verdict != Verdict::kPass);
        CHECK(story(r).find(saying) != std::string::npos);
    }
}

std::string replaced(const std::string& text, const char* what, const std::string& with) {
    return std::regex_replace(text, std::regex(what), with);
}

Step& racing_step(Scenario& s) {
    const auto found = std::ranges::find_if(s.steps, [](const Step& step) { return !step.outcome.races.empty(); });
    REQUIRE(found != s.steps.end());
    return *found;
}

template <class Check>
void for_each_pair(Check check) {
    const test::Shard shard = test::shard();
    const std::vector<Pair> all = pairs();
    REQUIRE(all.size() >= 20);
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (!shard.has(i)) continue;
        CAPTURE(all[i].name);
        check(all[i]);
    }
}

}  // namespace

TEST_CASE("races: the name of a device makes no difference", "[shards]") {
    for_each_pair([](const Pair& p) {
        std::string text = p.race;
        for (const char* name : {"dma0", "nic0", "vf0"})
            text = replaced(text, (std::string("\\b") + name + "\\b").c_str(), std::string("zz-") + name);
        REQUIRE(text != p.race);
        same_ids(parsed(text), parsed(p.race));
    });
}

TEST_CASE("races: the seed makes no difference", "[shards]") {
    for_each_pair([](const Pair& p) {
        // KASLR's place is the seed's: of F8's, one seed in twenty moves the image past the device's memory.
        for (const char* seed : {"2", "3"}) {
            const std::string text = replaced(p.race, "seed = 1\\b", std::string("seed = ") + seed);
            REQUIRE(text != p.race);
            same_ids(parsed(text), parsed(p.race));
        }
    });
}

TEST_CASE("races: the size of RAM makes no difference where the scenario names no address", "[shards]") {
    for_each_pair([](const Pair& p) {
        if (p.race.find("\"0x") != std::string::npos || p.race.find("phys =") != std::string::npos) return;
        const std::string text = replaced(p.race, "ram = \"256M\"", "ram = \"320M\"");
        if (text != p.race) same_ids(parsed(text), parsed(p.race));
    });
}

TEST_CASE("races: another device before it makes no difference", "[shards]") {
    for_each_pair([](const Pair& p) {
        // Its turn counts register accesses of the exec, and another device makes some.
        if (p.name.starts_with("B3")) return;
        const std::size_t at = p.race.find("[device.");
        REQUIRE(at != std::string::npos);
        std::string text = p.race;
        text.insert(at, "[device.first]\nkind = \"dma_engine\"\npace = \"schedule\"\n\n");
        // The other one is probed before: with A4, it is switched on twice.
        text = replaced(text, "site = \"device.bus_master_on\"", "site = \"device.bus_master_on#3\"");
        text = replaced(text, "site = \"device.probe\"", "site = \"device.probe#2\"");
        same_ids(parsed(text), parsed(p.race));
    });
}

TEST_CASE("races: without its turn no race happens, and that is a finding", "[shards]") {
    for_each_pair([](const Pair& p) {
        Scenario s = parsed(p.race);
        for (Step& step : s.steps) step.turns.clear();
        fails(s, "did not happen");
    });
}

TEST_CASE("races: another id than the one that happens is a finding", "[shards]") {
    for_each_pair([](const Pair& p) {
        Scenario s = parsed(p.race);
        const sim::Race other = p.name.starts_with("B3") ? sim::Race::kA4 : sim::Race::kB3;
        racing_step(s).outcome.races = {other};
        fails(s, "another race was expected");
        fails(s, "race " + std::string(info(other).id) + " did not happen");
    });
}

TEST_CASE("races: a race that nobody expects is a finding", "[shards]") {
    for_each_pair([](const Pair& p) {
        Scenario s = parsed(p.race);
        Step& step = racing_step(s);
        const std::string id(info(step.outcome.races.front()).id);
        step.outcome.races.clear();
        fails(s, id + ": ");
    });
}

TEST_CASE("races: the prevented twin has no race, and expecting it is a finding", "[shards]") {
    u64 twins = 0;
    for_each_pair([&twins](const Pair& p) {
        if (p.prevented.empty()) return;
        ++twins;
        Scenario race = parsed(p.race);
        const Step& wanted = racing_step(race);
        Scenario s = parsed(p.prevented);
        for (const Cell& cell : cells(s)) {
            const RunResult r = run(s, cell);
            INFO(story(r));
            CHECK(r.verdict == Verdict::kPass);
            CHECK(r.races.empty());
        }
        const auto step =
            std::find_if(s.steps.rbegin(), s.steps.rend(), [&](const Step& each) { return each.name == wanted.name; });
        REQUIRE(step != s.steps.rend());
        step->outcome.races = wanted.outcome.races;
        fails(s, "did not happen");
    });
    CHECK(twins >= 10);
}

}  // namespace baton::scenarios
