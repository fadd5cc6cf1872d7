// SPDX-License-Identifier: GPL-2.0-only
// docs/scenarios.md is checked against the tables: every example is read, every step, key and place is named.
#include <fmt/format.h>

#include <fstream>
#include <iterator>

#include "scenarios/engine/engine.hpp"
#include "scenarios/engine/parse.hpp"
#include "scenarios/engine/steps.hpp"
#include "tests/catch.hpp"

using namespace baton;
using namespace baton::scenarios;

namespace {

std::string document(const std::string& name = "scenarios.md") {
    std::ifstream in(BATON_SOURCE_DIR "/docs/" + name);
    return {std::istreambuf_iterator<char>(in), {}};
}

std::vector<std::string> examples(const std::string& text) {
    constexpr std::string_view kOpen = "```toml\n";
    std::vector<std::string> blocks;
    for (std::size_t at = text.find(kOpen); at != std::string::npos; at = text.find(kOpen, at)) {
        at += kOpen.size();
        blocks.push_back(text.substr(at, text.find("```", at) - at));
    }
    return blocks;
}

constexpr std::string_view kBeforeParts =
    "title = 'part'\n[kernel.a]\ncmdline = 'kho=on reserve_mem=4M:4M:oops'\n[kernel.b]\n"
    "[[step]]\ndo = 'boot'\nkernel = 'a'\n";

TEST_CASE("docs: every example of docs/scenarios.md is right") {
    const std::vector<std::string> blocks = examples(document());
    CHECK(blocks.size() >= 6);
    for (const std::string& block : blocks) {
        CAPTURE(block);
        const bool alone = block.find("title =") != std::string::npos;
        const Parsed parsed = parse_text((alone ? "" : std::string(kBeforeParts)) + block, "docs/scenarios.md");
        for (const Diagnostic& d : parsed.diagnostics) FAIL_CHECK(to_text(d));
    }
}

TEST_CASE("docs: every step, key, place, ending and architecture is named in docs/scenarios.md") {
    const std::string text = document();
    const auto named = [&](std::string_view name) {
        CAPTURE(name);
        CHECK(text.find(fmt::format("`{}`", name)) != std::string::npos);
    };
    for (const StepKind& kind : step_kinds()) {
        named(kind.name);
        for (const StepKey& key : kind.keys) named(key.name);
        for (const StepKey& key : common_keys(kind.actor)) named(key.name);
    }
    for (const PlaceInfo& place : kPlaces)
        if (!place.name.empty()) named(place.name);
    for (const EndingInfo& ending : kEndings) named(ending.name);
    for (const Geometry& geometry : kGeometries) named(geometry.name);
    for (const GenerationInfo& generation : kGenerations) named(generation.name);
}

TEST_CASE("docs: docs/devices.md has every kind of device, step and race, and its examples are right") {
    const std::string text = document("devices.md");
    const auto has = [&](const std::string& what) {
        CAPTURE(what);
        CHECK(text.find(what) != std::string::npos);
    };
    for (const device::KindInfo& kind : device::kKinds)
        if (kind.kind != device::Kind::kNone) has(fmt::format("`{}`", kind.name));
    for (const sim::RaceInfo& race : sim::kRaces) has(fmt::format("| {} | {} | ", race.id, race.title));
    for (const StepKind& kind : device_steps()) has(fmt::format("`{}`", kind.name));
    const std::vector<std::string> blocks = examples(text);
    CHECK(blocks.size() == 1);
    for (const std::string& block : blocks) {
        const Parsed parsed = parse_text(block, "docs/devices.md");
        for (const Diagnostic& d : parsed.diagnostics) FAIL_CHECK(to_text(d));
    }
}

TEST_CASE("library: every scenario is right, and titles tell them apart") {
    const FoundFiles found = find_scenarios({BATON_SOURCE_DIR "/scenarios/library"});
    CHECK(found.diagnostics.empty());
    CHECK(found.files.size() >= 30);
    std::vector<std::string> titles;
    for (const std::string& file : found.files) {
        const Parsed parsed = parse_file(file);
        for (const Diagnostic& d : parsed.diagnostics) FAIL_CHECK(to_text(d));
        if (!parsed.scenario) continue;
        CAPTURE(file);
        CHECK(std::ranges::find(titles, parsed.scenario->title) == titles.end());
        titles.push_back(parsed.scenario->title);
    }
}

TEST_CASE("steps: names are unique, and keys are within a step") {
    std::vector<std::string_view> names;
    for (const StepKind& kind : step_kinds()) {
        CAPTURE(kind.name);
        CHECK(std::ranges::find(names, kind.name) == names.end());
        names.push_back(kind.name);
        std::vector<std::string_view> keys{"do"};
        for (const StepKey& key : kind.keys) keys.push_back(key.name);
        for (const StepKey& key : common_keys(kind.actor)) keys.push_back(key.name);
        std::ranges::sort(keys);
        CHECK(std::ranges::adjacent_find(keys) == keys.end());
        CHECK(find_step_kind(kind.name) == &kind);
    }
    // offline, online, hot_remove and hot_add are one action.
    CHECK(names.size() == std::variant_size_v<step::Action> + 3);
}

}  // namespace
