// SPDX-License-Identifier: GPL-2.0-only
// Steps on devices: what drivers and virtual machines ask of them (docs/devices.md).
#include <fmt/format.h>

#include "scenarios/engine/limits.hpp"
#include "scenarios/engine/quantity.hpp"
#include "scenarios/engine/steps.hpp"

namespace baton::scenarios {
namespace {

inline constexpr u64 kTargetBytesMax = kGiB;
inline constexpr u32 kChunkDefault = 64;

/// What every engine is told: how large a write is, how many there are, how far apart.
template <class Start>
void parse_rhythm(Fields& fields, Start& start) {
    start.chunk = static_cast<u32>(fields.size("chunk", 8, device::kChunkMax).value_or(kChunkDefault));
    if (start.chunk % 8 != 0) fields.error("chunk", "a write is whole words of 8 bytes", "chunk = 64");
    start.count = static_cast<u32>(fields.integer("count", 1, ~u32{0}).value_or(0));
    start.period_ns = fields.integer("period", 0, kDeviceNanosecondsMax).value_or(1000);
    start.stride = fields.size("stride", 8, kTargetBytesMax).value_or(0);
    if (start.stride % 8 != 0) fields.error("stride", "writes start at whole words of 8 bytes", "stride = \"64K\"");
}

step::Action parse_dma_start(Fields& fields, const StepContext& context) {
    step::DmaStart start{.device = parse_device_name(fields, context)};
    constexpr std::string_view kWhere[] = {"region", "place", "phys"};
    for (const std::string_view key : kWhere) start.own_buffer = start.own_buffer && !fields.has(key);
    if (!start.own_buffer) {
        const auto where = fields.exactly_one(kWhere);
        if (where == "region") start.target = {PlaceKind::kRegion, {}, fields.name("region").value_or(""), 0};
        if (where == "place") start.target = parse_place(fields);
        if (where == "phys") start.target.phys = PhysAddr{fields.quantity("phys", true).value_or(0)};
    }
    if (start.own_buffer && fields.has("offset"))
        fields.error("offset", "\"offset\" is into memory that is named", "with the driver's own buffer, leave it out");
    start.offset = fields.quantity("offset", true).value_or(0);
    start.bytes = fields.size("bytes", 8, kTargetBytesMax).value_or(4096);
    parse_rhythm(fields, start);
    return start;
}

step::Action parse_nic_start(Fields& fields, const StepContext& context) {
    step::NicStart start{.device = parse_device_name(fields, context)};
    start.descriptors = static_cast<u32>(fields.integer("descriptors", 2, device::kNicEntriesMax).value_or(16));
    start.buffer_bytes = fields.size("buffer", 8, kMiB).value_or(2048);
    start.period_ns = fields.integer("period", 0, kDeviceNanosecondsMax).value_or(1000);
    return start;
}

step::Action parse_device_stop(Fields& fields, const StepContext& context) {
    return step::DeviceStop{parse_device_name(fields, context)};
}
step::Action parse_device_keep(Fields& fields, const StepContext& context) {
    return step::DeviceKeep{parse_device_name(fields, context)};
}
step::Action parse_assign(Fields& fields, const StepContext& context) {
    return step::Assign{parse_device_name(fields, context), fields.name("region").value_or(""),
                        fields.quantity("bus", true)};
}
step::Action parse_unassign(Fields& fields, const StepContext& context) {
    return step::Unassign{parse_device_name(fields, context), fields.name("region").value_or("")};
}
step::Action parse_vm_start(Fields& fields, const StepContext& context) {
    step::VmStart start{.device = parse_device_name(fields, context), .region = {}, .bus = {}};
    start.region = fields.name("region").value_or("");
    start.bus = fields.quantity("bus", true);
    start.bytes = fields.size("bytes", 8, kTargetBytesMax).value_or(0);
    parse_rhythm(fields, start);
    return start;
}
step::Action parse_vm_stop(Fields& fields, const StepContext& context) {
    return step::VmStop{parse_device_name(fields, context)};
}

constexpr StepKey kDevice{"device", "name", "the device", true};
constexpr StepKey kBus{"bus", "address", "bus address of its first byte; the physical one"};
constexpr StepKey kChunk{"chunk", "size", "bytes of one write; 64"};
constexpr StepKey kCount{"count", "integer", "writes to make; until it is stopped"};
constexpr StepKey kStride{"stride", "size", "bytes from one write to the next; the chunk"};
constexpr StepKey kPeriod{"period", "nanoseconds", "between two; 1000"};

}  // namespace

std::span<const StepKind> device_steps() {
    static const std::vector<StepKind> kKinds = {
        {"dma_start",
         StepActor::kCommand,
         "a driver arms its DMA engine, on a buffer of its own or, wrongly, on somebody else's memory",
         {kDevice,
          {"region", "name", "a region, or"},
          {"place", "place", "a named place (`baton list --places`), or"},
          {"phys", "address", "a physical address; a buffer that the driver allocates and maps"},
          {"offset", "size", "bytes into it; 0"},
          {"bytes", "size", "of the target, round which it writes; 4096"},
          kChunk,
          kCount,
          kPeriod,
          kStride},
         parse_dma_start},
        {"nic_start",
         StepActor::kCommand,
         "a driver fills the ring of its NIC and lets it receive",
         {kDevice,
          {"descriptors", "integer", "of the ring, one of them unused; 16"},
          {"buffer", "size", "bytes of each buffer; 2048"},
          {"period", "nanoseconds", "between two packets; 1000"}},
         parse_nic_start},
        {"device_stop",
         StepActor::kCommand,
         "a driver stops its device and frees its memory",
         {kDevice},
         parse_device_stop},
        {"device_keep",
         StepActor::kCommand,
         "the device is handed over: shutdown leaves it running",
         {kDevice},
         parse_device_keep},
        {"assign",
         StepActor::kCommand,
         "pin a region and map it for the device of a virtual machine",
         {kDevice, {"region", "name", "the region", true}, kBus},
         parse_assign},
        {"unassign",
         StepActor::kCommand,
         "take the mappings of a region back",
         {kDevice, {"region", "name", "the region", true}},
         parse_unassign},
        {"vm_start",
         StepActor::kCommand,
         "a virtual machine programs its device to write a region",
         {kDevice,
          {"region", "name", "the region, by its first block", true},
          kBus,
          {"bytes", "size", "round which it writes; all of the block"},
          kChunk,
          kCount,
          kPeriod,
          kStride},
         parse_vm_start},
        {"vm_stop", StepActor::kCommand, "a virtual machine stops its device", {kDevice}, parse_vm_stop},
    };
    return kKinds;
}

}  // namespace baton::scenarios
