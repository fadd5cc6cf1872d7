// SPDX-License-Identifier: GPL-2.0-only
// Steps on devices, and what their writes came to.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "model/kernel.hpp"
#include "scenarios/engine/play.hpp"

namespace baton::scenarios {
namespace {

u64 verb(DeviceVerb v) { return static_cast<u64>(v); }
u64 rhythm(u32 chunk, u32 count) { return chunk | static_cast<u64>(count) << 32; }

}  // namespace

void Play::play(const step::DmaStart& a) {
    PhysAddr target{kOwnBuffer};
    if (!a.own_buffer) {
        const PhysRange where = resolve(a.target);
        if (where.start.value == 0 && a.target.kind != PlaceKind::kPhys)
            return finding(*step_, fmt::format("there is nothing at {}", to_text(a.target)),
                           "the place does not exist at this moment");
        target = where.start + a.offset;
    }
    send(Op::kDevice, {verb(DeviceVerb::kStartEngine), a.device, target.value, a.bytes, rhythm(a.chunk, a.count),
                       a.period_ns | a.stride << 32});
}

void Play::play(const step::NicStart& a) {
    send(Op::kDevice, {verb(DeviceVerb::kStartNic), a.device, a.descriptors, a.buffer_bytes, a.period_ns});
}

void Play::play(const step::DeviceStop& a) { send(Op::kDevice, {verb(DeviceVerb::kStop), a.device}); }
void Play::play(const step::DeviceKeep& a) { send(Op::kDevice, {verb(DeviceVerb::kKeep), a.device}); }

void Play::play(const step::Assign& a) {
    Region* r = region(a.region);
    if (r == nullptr) return;
    u64 bus = a.bus.value_or(0);
    for (std::size_t i = 0; i < r->blocks.size(); ++i) {
        const Block b = r->blocks[i];
        const u64 bytes = b.pages * page_size();
        const u64 at = a.bus ? bus : b.phys.value;
        if (!send(Op::kDevice, {verb(DeviceVerb::kMapUser), a.device, b.phys.value, bytes, at})) return;
        bus += bytes;
    }
    verified(fmt::format("{}: {} mapped for {}", r->name, size_text(r->pages() * page_size()),
                         scenario_.devices[a.device].name));
}

void Play::play(const step::Unassign& a) {
    Region* r = region(a.region);
    if (r == nullptr) return;
    for (const Block& b : r->blocks)
        if (!send(Op::kDevice, {verb(DeviceVerb::kUnmapUser), a.device, b.phys.value})) return;
}

void Play::play(const step::VmStart& a) {
    const Region* r = region(a.region);
    if (r == nullptr || r->blocks.empty()) return;
    const u64 bytes = a.bytes != 0 ? a.bytes : r->blocks[0].pages * page_size();
    const u64 bus = a.bus.value_or(r->blocks[0].phys.value);
    send(Op::kDevice,
         {verb(DeviceVerb::kRunGuest), a.device, bus, bytes, rhythm(a.chunk, a.count), a.period_ns | a.stride << 32});
}

void Play::play(const step::VmStop& a) { send(Op::kDevice, {verb(DeviceVerb::kHaltGuest), a.device}); }

void Play::schedule_turns(const Step& step) {
    for (const ScheduledTurn& t : step.turns)
        machine().add_turn({{t.when.site, t.when.nth}, t.device, t.kind, t.times, t.after});
}

void Play::check_races(const Step& step) {
    if (!machine_) return;
    const auto& all = machine().forbidden();
    races_seen_.resize(all.size());
    std::vector<bool> met(step.outcome.races.size());
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (all[i].count == races_seen_[i]) continue;
        races_seen_[i] = all[i].count;
        result_.races.push_back(all[i]);
        bool expected = false;
        for (std::size_t k = 0; k < met.size(); ++k)
            if (all[i].is(step.outcome.races[k])) met[k] = expected = true;
        if (expected)
            verified(machine().story(all[i]));
        else
            finding(step, machine().story(all[i]), step.outcome.races.empty() ? "" : "another race was expected");
    }
    for (std::size_t k = 0; k < met.size(); ++k)
        if (!met[k])
            finding(step.outcome.place, fmt::format("race {} did not happen", info(step.outcome.races[k]).id),
                    fmt::format("{}: no device made such a write", info(step.outcome.races[k]).title));
}

// Word by word: what the device wrote last, or else what was filled in.
void Play::expect_live(const Region& r, u32 slot) {
    const auto& log = machine().device_log(slot);
    std::vector<u8> page(page_size());
    std::vector<u8> got(page_size());
    u64 words = 0;
    for (std::size_t b = 0; b < r.blocks.size(); ++b) {
        for (u64 i = 0; i < r.blocks[b].pages; ++i) {
            const PhysAddr at = r.blocks[b].phys + i * page_size();
            const PhysAddr first = b < r.original.size() ? r.original[b].phys + i * page_size() : at;
            const bool filled = r.filled;
            if (filled) expected_content(cell_.seed, first, r, page);
            if (!machine().read(at, got)) return finding(*step_, fmt::format("{} is not in RAM", r.name));
            for (u64 offset = 0; offset < page_size(); offset += sizeof(u64)) {
                const auto entry = log.find(at.value + offset);
                if (entry == log.end() && !filled) continue;
                u64 is;
                u64 was;
                std::memcpy(&is, got.data() + offset, sizeof(is));
                std::memcpy(&was, page.data() + offset, sizeof(was));
                if (entry != log.end()) was = entry->second;
                words += entry != log.end() ? 1 : 0;
                if (is == was) continue;
                return finding(*step_, fmt::format("{} is not as {} left it", r.name, scenario_.devices[slot].name),
                               fmt::format("word {} is {:#x}, {} {:#x}", hex(at + offset), is,
                                           entry != log.end() ? "the device wrote" : "was filled with", was));
            }
        }
    }
    if (words == 0)
        return finding(*step_, fmt::format("{} wrote nothing to {}", scenario_.devices[slot].name, r.name),
                       "there is nothing to compare");
    verified(fmt::format("{}: {} words are as {} wrote them, the others as filled", r.name, words,
                         scenario_.devices[slot].name));
}

void Play::expect_device(const step::Expect& a) {
    if (!a.device) return;
    const sim::Bus& bus = machine().bus();
    const std::string& name = scenario_.devices[*a.device].name;
    const auto at_least = [&](const std::optional<u64>& wanted, u64 got, std::string_view what) {
        if (!wanted) return;
        if (got >= *wanted)
            verified(fmt::format("{}: {} writes {}", name, got, what));
        else
            finding(*step_, fmt::format("{}: {} writes {}", name, got, what), fmt::format("at least {}", *wanted));
    };
    at_least(a.arrived, bus.arrived(*a.device), "arrived");
    at_least(a.refused, bus.refused(*a.device), "were refused");
}

}  // namespace baton::scenarios
