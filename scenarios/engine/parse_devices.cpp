// SPDX-License-Identifier: GPL-2.0-only
// `[device.NAME]`: what sits on the bus, and how it was built (docs/devices.md).
#include <fmt/format.h>

#include <algorithm>

#include "scenarios/engine/limits.hpp"
#include "scenarios/engine/parse.hpp"

namespace baton::scenarios {
namespace {

constexpr std::string_view kKeys[] = {"kind", "pace", "latency", "write_back", "prefetch", "honours_bus_master"};
constexpr std::string_view kPaces[] = {"time", "schedule"};

sim::DeviceConfig parse_device(const Entry& entry, DiagnosticSink& sink) {
    sim::DeviceConfig device;
    device.name = entry.key;
    Fields fields(entry.value, entry.place, fmt::format("[device.{}]", entry.key), sink);
    fields.allow_only(kKeys);
    const auto is_plain = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
    };
    const bool is_shown = std::ranges::all_of(entry.key, [](char c) { return c >= ' ' && c <= '~'; });
    if (entry.key.empty() || entry.key.size() > kNameBytesMax || !std::ranges::all_of(entry.key, is_plain))
        sink.add(entry.place,
                 is_shown ? fmt::format("\"{}\" is not a device name", entry.key) : "this is not a device name",
                 fmt::format("1 to {} letters, digits, '_' and '-'", kNameBytesMax));
    static const std::vector<std::string_view> kKinds = [] {
        std::vector<std::string_view> names = names_of(device::kKinds);
        names.erase(names.begin());  // none
        return names;
    }();
    if (fields.require("kind", "kind = \"nic\""))
        if (const auto chosen = fields.choice("kind", {"kind of device", kKinds, "`baton list --devices` shows them"}))
            device.kind = static_cast<device::Kind>(*chosen + 1);
    if (const auto pace = fields.choice("pace", {"pace", kPaces})) device.pace = static_cast<sim::Pace>(*pace);
    sim::DeviceTraits& t = device.traits;
    t.latency_ns = fields.integer("latency", 0, kDeviceNanosecondsMax).value_or(t.latency_ns);
    t.write_back_ns = fields.integer("write_back", 0, kDeviceNanosecondsMax).value_or(t.write_back_ns);
    t.prefetch = static_cast<u32>(fields.integer("prefetch", 1, sim::kPrefetchMax).value_or(t.prefetch));
    t.honours_bus_master = fields.boolean("honours_bus_master").value_or(true);
    return device;
}

}  // namespace

std::vector<sim::DeviceConfig> parse_devices(const Value& root, DiagnosticSink& sink) {
    std::vector<sim::DeviceConfig> devices;
    const Entry* all = root.find("device");
    if (all == nullptr) return devices;
    constexpr std::string_view kForm = "[device.nic0] and its keys";
    if (all->value.type != Value::Type::kTable) {
        sink.add(all->value.place, fmt::format("\"device\" is {}", all->value.type_name()), std::string(kForm));
        return devices;
    }
    if (all->value.entries.size() > device::kSlots)
        sink.add(all->place, fmt::format("{} devices are too many", all->value.entries.size()),
                 fmt::format("at most {}", device::kSlots));
    // In the order of the file: a table of TOML has none of its own.
    std::vector<const Entry*> entries;
    for (const Entry& entry : all->value.entries) entries.push_back(&entry);
    std::ranges::sort(entries, {}, [](const Entry* e) { return std::pair(e->place.line, e->place.col); });
    for (const Entry* entry : entries) {
        if (entry->value.type == Value::Type::kTable)
            devices.push_back(parse_device(*entry, sink));
        else
            sink.add(entry->place, fmt::format("\"device.{}\" is {}", entry->key, entry->value.type_name()),
                     "a device has a name: " + std::string(kForm));
    }
    return devices;
}

}  // namespace baton::scenarios
