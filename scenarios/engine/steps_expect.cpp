// SPDX-License-Identifier: GPL-2.0-only
// The `expect` step: each key is one expectation, checked on its own.
#include <fmt/format.h>

#include "scenarios/engine/limits.hpp"
#include "scenarios/engine/steps.hpp"

namespace baton::scenarios {
namespace {

constexpr StepKey kRegionKeys[] = {
    {"intact", "bool", "its bytes are what was last filled in"},
    {"same_address", "bool", "its blocks are where they first were"},
    {"reserved", "bool", "every page is reserved"},
    {"free", "bool", "every page is in the page allocator"},
    {"order", "integer", "the head page of every block has this order"},
    {"tails", "bool", "the other pages of every block are its tail pages"},
    {"refcount", "integer", "of the head page of every block"},
    {"node", "integer", "every page is on this NUMA node"},
    {"pinned", "bool", "the head page of every block is pinned"},
    {"cma", "bool", "every page is in CMA"},
    {"live", "device", "every word is what this device wrote last, or what was filled in"},
};

constexpr StepKey kDeviceKeys[] = {
    {"device", "name", "the device that the next keys are about"},
    {"arrived", "integer", "writes of it that came to memory, at least"},
    {"refused", "integer", "writes of it that the IOMMU refused, at least"},
};

constexpr StepKey kKernelKeys[] = {
    {"kho_boot", "bool", "the running kernel accepted a handover"},
    {"kho_enabled", "bool", "its own handover is ready"},
    {"finalised", "bool", "its handover is frozen"},
    {"scratch_count", "integer", "how many scratch areas it has"},
    {"preserved_blocks", "integer", "blocks it preserves"},
    {"preserved_pages", "integer", "pages they cover"},
    {"incoming_blocks", "integer", "blocks it was handed"},
    {"incoming_orders", "integer or array", "their orders, in the order of the tracker"},
    {"nodes", "integer or array", "the NUMA nodes it knows"},
    {"memory_nodes", "integer or array", "of these, those with memory"},
    {"node_counts", "bool", "every node counts as free and managed what its pages tell"},
    {"scratch_nodes", "integer or array", "on which nodes its scratch areas lie, from the third on"},
    {"kexec_count", "integer", "kexecs before it, as its handover tells (kho-v3)"},
    {"offline_blocks", "integer", "memory blocks of it that are offline"},
    {"removed_blocks", "integer", "memory blocks that were removed from it"},
    {"generation", "name", "its generation (`baton list --generations`)"},
    {"captured", "bool", "what the capture it was booted from expects of it holds, block by block"},
    {"initrd_intact", "bool", "its initrd lies where it was told, with its content"},
    {"swapped", "bool", "the last relocation exchanged pages instead of copying them"},
    {"image_moved", "bool", "KASLR moved its image away from where it was loaded"},
    {"image_in_scratch", "bool", "its image lies in one of its scratch areas"},
    {"log", "text or array", "it logged a line that contains this"},
    {"no_log", "text or array", "it logged no line that contains this"},
};

void parse_device_keys(Fields& fields, const StepContext& context, step::Expect& e) {
    if (fields.has("live")) e.live = parse_device_name(fields, context, "live");
    if (fields.has("device")) e.device = parse_device_name(fields, context);
    e.arrived = fields.integer("arrived", 1, kCountMax);
    e.refused = fields.integer("refused", 1, kCountMax);
    if ((e.arrived || e.refused) && !e.device)
        fields.error(e.arrived ? "arrived" : "refused", "no device is named", "add \"device\"");
    if (e.device && !e.arrived && !e.refused)
        fields.error("device", "nothing is expected of the device", "add e.g. arrived = 1");
}

step::Action parse_expect(Fields& fields, const StepContext& context) {
    step::Expect e;
    e.region = fields.name("region").value_or("");
    e.intact = fields.boolean("intact");
    e.same_address = fields.boolean("same_address");
    e.reserved = fields.boolean("reserved");
    e.free = fields.boolean("free");
    if (const auto order = fields.integer("order", 0, kOrderMax)) e.order = Order{static_cast<u32>(*order)};
    e.tails = fields.boolean("tails");
    e.refcount = fields.integer("refcount", 0, kCountMax);
    e.pinned = fields.boolean("pinned");
    e.cma = fields.boolean("cma");
    parse_device_keys(fields, context, e);
    e.kho_boot = fields.boolean("kho_boot");
    e.kho_enabled = fields.boolean("kho_enabled");
    e.finalised = fields.boolean("finalised");
    e.scratch_count = fields.integer("scratch_count", 0, kCountMax);
    e.preserved_blocks = fields.integer("preserved_blocks", 0, kPagesMax);
    e.preserved_pages = fields.integer("preserved_pages", 0, kPagesMax);
    e.incoming_blocks = fields.integer("incoming_blocks", 0, kPagesMax);
    for (const Value* value : fields.each("incoming_orders"))
        if (const auto order = as_integer(*value, "incoming_orders", 0, kOrderMax, fields.sink()))
            e.incoming_orders.push_back(static_cast<u32>(*order));
    const auto numbers = [&fields](std::string_view key, std::vector<u32>& out) {
        for (const Value* value : fields.each(key))
            if (const auto node = as_integer(*value, key, 0, kNodesMax - 1, fields.sink()))
                out.push_back(static_cast<u32>(*node));
    };
    e.node = fields.integer("node", 0, kNodesMax - 1);
    numbers("nodes", e.nodes);
    numbers("memory_nodes", e.memory_nodes);
    e.node_counts = fields.boolean("node_counts");
    numbers("scratch_nodes", e.scratch_nodes);
    e.kexec_count = fields.integer("kexec_count", 0, kCountMax);
    e.offline_blocks = fields.integer("offline_blocks", 0, kCountMax);
    e.removed_blocks = fields.integer("removed_blocks", 0, kCountMax);
    static const std::vector<std::string_view> kNames = names_of(kGenerations);
    if (const auto chosen = fields.choice("generation", {"generation", kNames}))
        e.generation = kGenerations[*chosen].id;
    e.captured = fields.boolean("captured");
    if (e.captured == false)
        fields.error("captured", "\"captured\" is many expectations, which can fail in many ways",
                     "it takes true only");
    e.initrd_intact = fields.boolean("initrd_intact");
    e.swapped = fields.boolean("swapped");
    e.image_moved = fields.boolean("image_moved");
    e.image_in_scratch = fields.boolean("image_in_scratch");
    e.log = fields.texts("log");
    e.no_log = fields.texts("no_log");

    for (std::string_view key : {"log", "no_log"})
        if (std::ranges::count(key == "log" ? e.log : e.no_log, "") != 0)
            fields.error(key, fmt::format("\"{}\" is empty, which every line contains", key), "name what to look for");

    std::string_view of_region;
    for (const StepKey& key : kRegionKeys)
        if (fields.has(key.name)) of_region = key.name;
    bool of_kernel = false;
    for (const StepKey& key : kKernelKeys) of_kernel |= fields.has(key.name);
    if (!of_region.empty() && !fields.has("region"))
        fields.error(of_region, fmt::format("\"{}\" is about a region, and none is named", of_region),
                     "add \"region\"");
    if (fields.has("region") && of_region.empty())
        fields.error("region", "nothing is expected of the region", "add e.g. intact = true");
    if (of_region.empty() && !of_kernel && !fields.has("region") && !fields.has("device"))
        fields.sink().add(fields.place(), "nothing is expected", "add e.g. kho_boot = true, or region and intact");
    return e;
}

std::vector<StepKey> keys() {
    std::vector<StepKey> all{{"region", "name", "the region that the next keys are about"}};
    all.insert(all.end(), std::begin(kRegionKeys), std::end(kRegionKeys));
    all.insert(all.end(), std::begin(kDeviceKeys), std::end(kDeviceKeys));
    all.insert(all.end(), std::begin(kKernelKeys), std::end(kKernelKeys));
    return all;
}

}  // namespace

std::span<const StepKind> expect_steps() {
    static const std::vector<StepKind> kKinds = {
        {"expect", StepActor::kHost, "check; all keys must hold, each that does not is a finding of its own", keys(),
         parse_expect},
    };
    return kKinds;
}

}  // namespace baton::scenarios
