// SPDX-License-Identifier: GPL-2.0-only
// What happened, in order: the log lines of the kernels, notes of the machine, and the last schedule points before now.
//
// Bounded: all lines up to a limit, the last N sites. Two runs are compared by the digest of their site sequences, a
// chain over (site, occurrence, schedule time) that costs some 10 ns a site; a test that wants the first difference
// records the whole sequence (decision D6). Nothing here depends on the host: equal runs have equal logs.
#pragma once

#include <array>
#include <span>
#include <string>
#include <vector>

#include "model/log.hpp"
#include "model/owner.hpp"
#include "model/sites.hpp"
#include "sim/bytes.hpp"
#include "sim/memory/hash128.hpp"

namespace baton::sim {

struct Event {
    enum class Kind : u8 {
        kSite,  // id: Site; args: its two arguments, occurrence (1 = the first)
        kOwn,   // args: start, size, from, to
        kLog,   // id: Log; args: as the format says
        kNote,  // id: number of the note
    };
    u64 sequence = 0;  // among all events of the run
    u64 time_ns = 0;   // schedule time
    Kind kind = Kind::kSite;
    LogLevel level = LogLevel::kInfo;
    u32 id = 0;
    std::array<u64, 4> args{};
    bool operator==(const Event&) const = default;
};

/// One element of a recorded site sequence.
struct SiteRecord {
    Site site = Site::kCount;
    u64 occurrence = 0;
    u64 time_ns = 0;
    bool operator==(const SiteRecord&) const = default;
};

using SiteCounts = std::array<u64, kSiteCount>;

class EventLog {
public:
    struct Options {
        u32 recent_max = 64;        // sites and changes of owner that recent() keeps
        u32 lines_max = 100'000;    // a kernel in a loop can log 10^8 times
        bool record_sites = false;  // keep the whole sequence, 24 bytes a site
    };
    /// Plain data.
    struct State {
        u64 sequence = 0;
        SiteCounts counts{};
        Hash128 digest;
        std::vector<Event> recent;  // a ring: recent[recent_next] is the oldest once it is full
        u32 recent_next = 0;
        std::vector<Event> lines;
        u64 lines_dropped = 0;
        std::vector<std::string> notes;
        std::vector<SiteRecord> sites;
        bool operator==(const State&) const = default;
    };

    EventLog() = default;
    explicit EventLog(const Options& options) : options_(options) {}

    void site(Site site, u64 time_ns, u64 arg0, u64 arg1);
    void own(PhysRange range, Owner from, Owner to, u64 time_ns);
    void log(LogLevel level, Log id, const std::array<u64, 4>& args, u64 time_ns);
    /// Something the machine says about the run: a finding, an injected write.
    void note(LogLevel level, std::string text, u64 time_ns);

    /// How often the site was reached so far.
    u64 count(Site site) const { return state_.counts[static_cast<u32>(site)]; }
    const SiteCounts& counts() const { return state_.counts; }
    /// Of the site sequence so far: equal for equal sequences.
    Hash128 site_digest() const { return state_.digest; }
    /// Empty unless Options::record_sites.
    std::span<const SiteRecord> sites() const { return state_.sites; }
    /// Log lines and notes, oldest first, and how many more there were than lines_max.
    std::span<const Event> lines() const { return state_.lines; }
    u64 lines_dropped() const { return state_.lines_dropped; }
    /// The last sites and changes of owner, oldest first.
    std::vector<Event> recent() const;

    /// One line for a person, without the time.
    std::string text(const Event& event) const;
    /// With the time, as dmesg does it: "[    0.000123] KHO: disabled".
    std::string stamped(const Event& event) const;

    const State& snapshot() const { return state_; }
    void restore(const State& state) { state_ = state; }
    /// All but recent(), sites() and the counts, which the header of a saved machine has.
    void save(ByteWriter& to) const;
    void load(ByteReader& from, const SiteCounts& counts);

private:
    Event next(Event::Kind kind, u64 time_ns);
    void keep_recent(const Event& event);
    void keep_line(const Event& event);

    Options options_;
    State state_;
};

}  // namespace baton::sim
