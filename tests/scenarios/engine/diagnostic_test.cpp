// SPDX-License-Identifier: GPL-2.0-only
#include "scenarios/engine/diagnostic.hpp"

#include <nlohmann/json.hpp>

#include "scenarios/engine/verdict.hpp"
#include "tests/catch.hpp"

using namespace baton::scenarios;

namespace {

TEST_CASE("diagnostic: text has the place people click on") {
    CHECK(to_text({"a.toml", {3, 7}, "wrong", "right"}) == "a.toml:3:7: wrong (right)");
    CHECK(to_text({"a.toml", {}, "wrong", ""}) == "a.toml: wrong");
    CHECK(to_text({"", {}, "wrong", "right"}) == "wrong (right)");
}

TEST_CASE("diagnostic: JSON has the fields of the contract, and survives a path that is not UTF-8") {
    const auto one = nlohmann::json::parse(error_json({{"a.toml", {3, 7}, "wrong", "right"}}));
    CHECK(one ==
          nlohmann::json{
              {"error", {{"file", "a.toml"}, {"line", 3}, {"col", 7}, {"message", "wrong"}, {"hint", "right"}}}});
    const auto two = nlohmann::json::parse(error_json({{"\xff.toml", {1, 1}, "x", ""}, {"b", {2, 2}, "y", ""}}));
    CHECK(two["error"]["message"] == "x");
    CHECK(two["errors"].size() == 2);
}

TEST_CASE("diagnostic: the nearest name is a slip of the pen or nothing") {
    const std::string_view names[] = {"boot", "fill", "finalise", "kexec_file_load"};
    CHECK(nearest("boto", names) == "boot");
    CHECK(nearest("finalize", names) == "finalise");
    CHECK(nearest("kexec_load_file", names) == "");
    CHECK(nearest("kexec_fil_load", names) == "kexec_file_load");
    CHECK(nearest("jump", names) == "");
    CHECK(nearest("", names) == "");
}

TEST_CASE("exit codes: the most severe of several counts") {
    const Exit order[] = {Exit::kInternal, Exit::kDiverged, Exit::kBadInput, Exit::kFail, Exit::kBudget, Exit::kPass};
    for (std::size_t i = 0; i < std::size(order); ++i)
        for (std::size_t j = i; j < std::size(order); ++j) {
            CHECK(more_severe(order[i], order[j]) == order[i]);
            CHECK(more_severe(order[j], order[i]) == order[i]);
        }
}

}  // namespace
