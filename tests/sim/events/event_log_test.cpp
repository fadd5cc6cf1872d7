// SPDX-License-Identifier: GPL-2.0-only
#include "sim/events/event_log.hpp"

#include "sim/random.hpp"
#include "tests/catch.hpp"

using namespace baton;
using namespace baton::sim;

namespace {

void random_events(EventLog& log, Random& random, u64 count) {
    for (u64 i = 0; i < count; ++i) {
        const u64 time = random.next() >> 20;
        const auto kind = random.bounded(4);
        if (kind == 0) log.site(static_cast<Site>(random.bounded(kSiteCount)), time, random.next(), i);
        if (kind == 1) log.own({{random.bounded(kGiB)}, 4096}, Owner::kFree, Owner::kKernel, time);
        if (kind == 2) log.log(LogLevel::kInfo, Log::kKhoEnabled, {random.next(), 0, 0, 0}, time);
        if (kind == 3) log.note(LogLevel::kWarn, "note " + std::to_string(i), time);
    }
}

}  // namespace

TEST_CASE("event log: sequence numbers run through all kinds, and lines read as dmesg does") {
    EventLog log;
    log.site(Site::kKhoSerialiseChunk, 1'000, 0x2000, 7);
    log.log(LogLevel::kInfo, Log::kKhoDisabled, {}, 123'456);
    log.own({{0x1000}, 0x2000}, Owner::kFree, Owner::kScratch, 200'000);
    log.note(LogLevel::kError, "nic0 wrote to 0x5000", 12'345'678'901'234);

    REQUIRE(log.lines().size() == 2);
    CHECK(log.stamped(log.lines()[0]) == "[    0.000123] KHO: disabled");
    CHECK(log.lines()[0].sequence == 1);
    CHECK(log.stamped(log.lines()[1]) == "[12345.678901] nic0 wrote to 0x5000");
    CHECK(log.lines()[1].sequence == 3);
    CHECK(log.lines()[1].level == LogLevel::kError);

    REQUIRE(log.recent().size() == 2);
    CHECK(log.text(log.recent()[0]) == "kho.serialise.chunk #1 (0x2000, 0x7)");
    CHECK(log.text(log.recent()[1]) == "0x1000+0x2000: free -> scratch");
}

TEST_CASE("event log: keeps the last sites, and counts all") {
    EventLog log({.recent_max = 3});
    for (u64 i = 1; i <= 5; ++i) {
        log.site(i == 4 ? Site::kMmio : Site::kRelocatePage, i * 10, i, 0);
        CHECK(log.recent().size() == std::min<u64>(i, 3));
        CHECK(log.recent().back().args[0] == i);
        CHECK(log.recent().front().args[0] == (i <= 3 ? 1 : i - 2));
    }
    CHECK(log.count(Site::kRelocatePage) == 4);
    CHECK(log.count(Site::kMmio) == 1);
    CHECK(log.count(Site::kBootDone) == 0);
    CHECK(log.recent()[2].args[2] == 4);  // occurrence
    CHECK(log.sites().empty());
}

TEST_CASE("event log: keeps the first lines of a kernel that does not stop logging") {
    EventLog log({.lines_max = 2});
    for (u64 i = 0; i < 5; ++i) {
        log.log(LogLevel::kInfo, Log::kKhoEnabled, {i, 0, 0, 0}, i);
        log.note(LogLevel::kInfo, "n", i);
    }
    REQUIRE(log.lines().size() == 2);
    CHECK(log.text(log.lines()[0]) == "KHO: ready, root FDT at 0x0");
    CHECK(log.text(log.lines()[1]) == "n");
    CHECK(log.lines_dropped() == 8);
    CHECK(log.snapshot().notes.size() == 1);
}

TEST_CASE("event log: the digest tells site sequences apart by site, order and time, and by nothing else") {
    const auto digest = [](std::vector<std::pair<Site, u64>> sites, u64 arg, bool with_log) {
        EventLog log;
        for (const auto& [site, time] : sites) {
            log.site(site, time, arg, arg);
            if (with_log) log.log(LogLevel::kInfo, Log::kKhoDisabled, {}, time);
        }
        return log.site_digest();
    };
    const Hash128 base = digest({{Site::kMmio, 1}, {Site::kKhoInit, 2}}, 0, false);
    CHECK(digest({{Site::kMmio, 1}, {Site::kKhoInit, 2}}, 9, true) == base);
    CHECK_FALSE(digest({{Site::kMmio, 1}, {Site::kKhoInit, 3}}, 0, false) == base);
    CHECK_FALSE(digest({{Site::kKhoInit, 1}, {Site::kMmio, 2}}, 0, false) == base);
    CHECK_FALSE(digest({{Site::kMmio, 1}, {Site::kMmio, 2}}, 0, false) == base);
    CHECK_FALSE(digest({{Site::kMmio, 1}}, 0, false) == base);
    CHECK(digest({}, 0, false) == Hash128{});
}

TEST_CASE("event log: records the whole site sequence when asked") {
    EventLog log({.record_sites = true});
    log.site(Site::kMmio, 5, 1, 2);
    log.site(Site::kKhoInit, 6, 0, 0);
    log.site(Site::kMmio, 7, 0, 0);
    const std::vector<SiteRecord> expected = {{Site::kMmio, 1, 5}, {Site::kKhoInit, 1, 6}, {Site::kMmio, 2, 7}};
    CHECK(std::vector<SiteRecord>(log.sites().begin(), log.sites().end()) == expected);
}

TEST_CASE("event log: a restored state goes on exactly as the first time") {
    EventLog log({.recent_max = 7, .record_sites = true});
    Random random(4, 4);
    random_events(log, random, 50);
    const EventLog::State saved = log.snapshot();
    const Random saved_random = random;
    random_events(log, random, 50);
    const EventLog::State first = log.snapshot();
    CHECK_FALSE(first == saved);
    log.restore(saved);
    random = saved_random;
    random_events(log, random, 50);
    CHECK(log.snapshot() == first);
}

TEST_CASE("event log: a loaded log continues counts and digest, and shows the same lines") {
    EventLog log;
    Random random(6, 6);
    random_events(log, random, 80);
    log.log(LogLevel::kInfo, static_cast<Log>(12345), {1, 2, 3, 4}, 5);
    ByteWriter bytes;
    log.save(bytes);

    EventLog back;
    back.note(LogLevel::kInfo, "goes away", 0);
    ByteReader reader(bytes.bytes(), "test");
    back.load(reader, log.counts());
    reader.expect_end();
    REQUIRE(back.lines().size() == log.lines().size());
    for (std::size_t i = 0; i < log.lines().size(); ++i) {
        CHECK(back.stamped(back.lines()[i]) == log.stamped(log.lines()[i]));
        CHECK(back.lines()[i].sequence == log.lines()[i].sequence);
        CHECK(back.lines()[i].level == log.lines()[i].level);
    }
    for (EventLog* l : {&log, &back}) l->site(Site::kMmio, 99, 0, 0);
    CHECK(back.site_digest() == log.site_digest());
    CHECK(back.counts() == log.counts());
    CHECK(back.snapshot().sequence == log.snapshot().sequence);

    for (u64 length = 0; length < bytes.size(); ++length) {
        ByteReader cut(std::span(bytes.bytes()).first(length), "test");
        CHECK_THROWS_AS(EventLog().load(cut, {}), SaveError);
    }
}
