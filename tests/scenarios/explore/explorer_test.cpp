// SPDX-License-Identifier: GPL-2.0-only
// What the explorer finds: what is there, all that is there, and the same with any number of threads.
#include "scenarios/explore/explorer.hpp"

#include <set>

#include "scenarios/engine/engine.hpp"
#include "scenarios/explore/replay.hpp"
#include "scenarios/explore/shrink.hpp"
#include "tests/scenarios/explore/made.hpp"

namespace baton::scenarios {
namespace {

using tests::TemporaryFolder;

std::set<std::string> names(const ExploreReport& report) {
    std::set<std::string> out;
    for (const ReportedFinding& f : report.findings) out.insert(f.identity);
    return out;
}

std::string content(const std::string& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

Replayed replay(const std::string& file, std::optional<ReplayRecord>& record, std::optional<Target> target = {}) {
    const Parsed parsed = parse_file(file);
    for (const Diagnostic& d : parsed.diagnostics) UNSCOPED_INFO(to_text(d));
    REQUIRE(parsed.scenario);
    REQUIRE(parsed.scenario->replay);
    record = parsed.scenario->replay;
    Cell cell = expand(parsed.scenario->machine).front();
    cell.target = target.value_or(cell.target);
    return play_in_full(*parsed.scenario, cell, BATON_IMAGES);
}

}  // namespace

TEST_CASE("explorer: finds the one position that is bad, among all of them") {
    const TemporaryFolder folder;
    for (const std::string_view arch : {"x86_64", "aarch64"}) {
        INFO(arch);
        const Window window = open(folder, last_page(arch));
        Player player(window, {BATON_IMAGES});
        // On x86-64 the digest is still to come, on AArch64 there is none.
        const std::string planted =
            fmt::format("{} by dma0 on free, P6 @ relocate.done", arch == "x86_64" ? "F4" : "F5");
        u64 shown = 0;
        for (u32 i = 0; i < player.positions().size(); ++i) {
            const Observed o = player.run({{i, player.positions()[i], 0, sim::TurnKind::kBoth, 1}});
            for (const Found& f : o.found) shown += identity(f.key, window.scenario) == planted ? 1 : 0;
        }
        REQUIRE(shown == 1);
        REQUIRE(player.positions().size() > 100);
        for (const StrategyInfo& s : kStrategies) {
            INFO(s.name);
            ExploreRequest request = request_for(folder, 2000);
            request.strategy.kind = s.kind;
            if (s.kind == StrategyKind::kExhaustive) request.strategy.turns = 1;
            const ExploreReport report = explore(window, request);
            const std::set<std::string> found = names(report);
            INFO(fmt::format("{}", fmt::join(found, "\n")));
            CHECK(found.contains(planted));
        }
    }
}

TEST_CASE("explorer: one thread or three, what is found and where it is written is the same") {
    for (const StrategyKind kind : {StrategyKind::kRandom, StrategyKind::kPct}) {
        std::vector<std::vector<std::string>> files;
        std::vector<ExploreReport> reports;
        for (const u32 jobs : {1u, 3u}) {
            const TemporaryFolder folder;
            const Window window = open(folder, straggler("x86_64"));
            ExploreRequest request = request_for(folder, 700);
            request.strategy.kind = kind;
            request.jobs = jobs;
            reports.push_back(explore(window, request));
            std::vector<std::string> texts;
            for (const ReportedFinding& f : reports.back().findings) {
                const std::string text = content(f.file);
                texts.push_back(std::filesystem::path(f.file).filename().string() + text.substr(text.find("[[step]]")));
            }
            files.push_back(std::move(texts));
        }
        CHECK(!reports[0].findings.empty());
        CHECK(names(reports[0]) == names(reports[1]));
        CHECK(files[0] == files[1]);
        CHECK(reports[0].coverage == reports[1].coverage);
        CHECK(reports[0].runs == 700);
        CHECK(reports[1].runs == 700);
    }
}

TEST_CASE("explorer: a player forgets every run before") {
    const TemporaryFolder folder;
    const Window window = open(folder, last_page("x86_64"));
    Player player(window, {BATON_IMAGES});
    const auto strategy = make_strategy({.seed = 3}, player.positions(), 1);
    std::vector<sim::Hash128> first;
    for (u64 i = 0; i < 60; ++i) first.push_back(player.run(strategy->schedule(i)).sequence);
    Player fresh(window, {BATON_IMAGES});
    std::set<std::string> different;
    for (u64 i = 60; i-- > 0;) {
        CHECK(player.run(strategy->schedule(i)).sequence == first[i]);
        CHECK(fresh.run(strategy->schedule(i)).sequence == first[i]);
        different.insert(first[i].hex());
    }
    CHECK(different.size() > 1);
    CHECK(player.run({}).sequence == player.baseline().sequence);
}

TEST_CASE("explorer: every finding is a file that plays the same run again, on both targets") {
    for (const std::string_view arch : {"x86_64", "aarch64"}) {
        const TemporaryFolder folder;
        const Window window = open(folder, straggler(arch));
        const ExploreReport report = explore(window, request_for(folder, 300));
        REQUIRE(report.findings.size() > 3);
        std::size_t on_guest = 0;
        for (const ReportedFinding& f : report.findings) {
            INFO(f.file << "\n" << content(f.file));
            std::optional<ReplayRecord> record;
            const Replayed again = replay(f.file, record);
            CHECK(record->finding == f.identity);
            const auto difference = compare_with_record(again, *record);
            CHECK_FALSE(difference);
            if (f.passes) CHECK(again.result.verdict == Verdict::kPass);
            // A file that says something else is seen to.
            ReplayRecord wrong = *record;
            wrong.writes[0] = wrong.writes[0] == '0' ? '1' : '0';
            CHECK(compare_with_record(again, wrong));
            if (++on_guest > 2) continue;
            const Replayed guest = replay(f.file, record, Target::kGuest);
            CHECK_FALSE(compare_with_record(guest, *record));
        }
    }
}

TEST_CASE("explorer: shrinking keeps the finding and proves it") {
    const TemporaryFolder folder;
    const Window window = open(folder, straggler("x86_64"));
    const ExploreReport report = explore(window, request_for(folder, 400));
    REQUIRE(report.findings.size() > 3);
    u64 smaller = 0;
    for (const ReportedFinding& f : report.findings) {
        INFO(f.file);
        std::vector<Diagnostic> diagnostics;
        const auto kept = open_window({.file = f.file, .keep_turns = true}, diagnostics);
        REQUIRE(kept);
        REQUIRE(kept->record);
        const Shrunk shrunk = shrink(*kept, BATON_IMAGES);
        CHECK(kept_part(shrunk.identity) == kept_part(f.identity));
        CHECK(shrunk.to.turns <= shrunk.from.turns);
        CHECK(shrunk.to.moves <= 2);
        smaller += shrunk.to.moves < shrunk.from.moves ? 1 : 0;
        std::optional<ReplayRecord> record;
        const Replayed again = replay(folder.write("shrunk.toml", shrunk.text), record);
        CHECK_FALSE(compare_with_record(again, *record));
        CHECK(record->finding == shrunk.identity);
    }
    CHECK(smaller > 0);
}

TEST_CASE("explorer: --hashes sees preserved memory change that no race is needed for") {
    // The engine writes preserved memory: with hashes it is lost, too.
    const TemporaryFolder folder;
    std::string text = straggler("aarch64", "region = 'r'\nbytes = '4K'\n");
    text.insert(text.find("[[step]]\ndo = 'finalise'"),
                "[[step]]\ndo = 'alloc'\nregion = 'r'\norder = 0\n[[step]]\ndo = 'fill'\nregion = 'r'\n"
                "[[step]]\ndo = 'preserve'\nregion = 'r'\n");
    const Window window = open(folder, text);
    ExploreRequest request = request_for(folder, 100);
    const std::set<std::string> without = names(explore(window, request));
    request.hashes = true;
    const std::set<std::string> with = names(explore(window, request));
    INFO(fmt::format("{}\n--\n{}", fmt::join(without, "\n"), fmt::join(with, "\n")));
    CHECK(without.contains("F14 by dma0 on preserved, P6 @ relocate.start"));
    CHECK(std::ranges::none_of(without, [](const std::string& s) { return s.starts_with("preserved memory lost"); }));
    CHECK(std::ranges::any_of(with, [](const std::string& s) { return s.starts_with("preserved memory lost"); }));
}

}  // namespace baton::scenarios
