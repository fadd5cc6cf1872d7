// SPDX-License-Identifier: GPL-2.0-only
#include "sim/events/event_log.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <xxhash.h>

#include "sim/events/log_format.hpp"

namespace baton::sim {

Event EventLog::next(Event::Kind kind, u64 time_ns) {
    Event event;
    event.sequence = state_.sequence++;
    event.time_ns = time_ns;
    event.kind = kind;
    return event;
}

void EventLog::keep_recent(const Event& event) {
    if (options_.recent_max == 0) return;
    if (state_.recent.size() < options_.recent_max)
        state_.recent.push_back(event);
    else
        state_.recent[state_.recent_next] = event;
    state_.recent_next = (state_.recent_next + 1) % options_.recent_max;
}

void EventLog::keep_line(const Event& event) {
    if (state_.lines.size() < options_.lines_max)
        state_.lines.push_back(event);
    else
        ++state_.lines_dropped;
}

void EventLog::site(Site site, u64 time_ns, u64 arg0, u64 arg1) {
    const u64 occurrence = ++state_.counts[static_cast<u32>(site)];
    const u64 link[] = {state_.digest.low(), state_.digest.high(), static_cast<u64>(site), occurrence, time_ns};
    const XXH128_hash_t h = XXH3_128bits(link, sizeof link);
    state_.digest.value = static_cast<u128>(h.high64) << 64 | h.low64;
    if (options_.record_sites) state_.sites.push_back({site, occurrence, time_ns});

    Event event = next(Event::Kind::kSite, time_ns);
    event.id = static_cast<u32>(site);
    event.args = {arg0, arg1, occurrence, 0};
    keep_recent(event);
}

void EventLog::own(PhysRange range, Owner from, Owner to, u64 time_ns) {
    Event event = next(Event::Kind::kOwn, time_ns);
    event.args = {range.start.value, range.size, static_cast<u64>(from), static_cast<u64>(to)};
    keep_recent(event);
}

void EventLog::log(LogLevel level, Log id, const std::array<u64, 4>& args, u64 time_ns) {
    Event event = next(Event::Kind::kLog, time_ns);
    event.level = level;
    event.id = static_cast<u32>(id);
    event.args = args;
    keep_line(event);
}

void EventLog::note(LogLevel level, std::string text, u64 time_ns) {
    Event event = next(Event::Kind::kNote, time_ns);
    event.level = level;
    event.id = static_cast<u32>(state_.notes.size());
    if (state_.lines.size() < options_.lines_max) state_.notes.push_back(std::move(text));
    keep_line(event);
}

std::vector<Event> EventLog::recent() const {
    std::vector<Event> events = state_.recent;
    if (events.size() == options_.recent_max) std::ranges::rotate(events, events.begin() + state_.recent_next);
    return events;
}

std::string EventLog::text(const Event& event) const {
    switch (event.kind) {
        case Event::Kind::kSite:
            return fmt::format("{} #{} ({:#x}, {:#x})", kSites[event.id].name, event.args[2], event.args[0],
                               event.args[1]);
        case Event::Kind::kOwn:
            return fmt::format("{:#x}+{:#x}: {} -> {}", event.args[0], event.args[1],
                               name(static_cast<Owner>(event.args[2])), name(static_cast<Owner>(event.args[3])));
        case Event::Kind::kLog: return format_log(static_cast<Log>(event.id), event.args);
        case Event::Kind::kNote: return state_.notes[event.id];
    }
    return {};
}

std::string EventLog::stamped(const Event& event) const {
    const u64 us = event.time_ns / 1000;
    return fmt::format("[{:5}.{:06}] {}", us / 1'000'000, us % 1'000'000, text(event));
}

void EventLog::save(ByteWriter& to) const {
    to.put(state_.sequence);
    to.put(state_.digest.low());
    to.put(state_.digest.high());
    to.put(state_.lines_dropped);
    to.put(u64{state_.lines.size()});
    for (const Event& line : state_.lines) {
        to.put(line.sequence);
        to.put(line.time_ns);
        to.put(static_cast<u8>(line.level));
        // Kernel lines as text: another build may have other ids.
        to.put_string(text(line));
    }
}

void EventLog::load(ByteReader& from, const SiteCounts& counts) {
    State loaded;
    loaded.counts = counts;
    loaded.sequence = from.get<u64>();
    const u64 low = from.get<u64>();
    const u64 high = from.get<u64>();
    loaded.digest.value = static_cast<u128>(high) << 64 | low;
    loaded.lines_dropped = from.get<u64>();
    for (u64 count = from.get_count(21); count > 0; --count) {
        Event line;
        line.sequence = from.get<u64>();
        line.time_ns = from.get<u64>();
        line.kind = Event::Kind::kNote;
        line.level = static_cast<LogLevel>(std::min<u8>(from.get<u8>(), static_cast<u8>(LogLevel::kDebug)));
        line.id = static_cast<u32>(loaded.notes.size());
        loaded.notes.push_back(from.get_string());
        loaded.lines.push_back(line);
    }
    state_ = std::move(loaded);
}

}  // namespace baton::sim
