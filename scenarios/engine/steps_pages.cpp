// SPDX-License-Identifier: GPL-2.0-only
// Steps on pages as the kernel manages them: pins, memory blocks, virtual addresses (docs/memory.md).
#include "scenarios/engine/steps.hpp"

namespace baton::scenarios {
namespace {

step::Action parse_pin(Fields& fields, const StepContext&) { return step::Pin{fields.name("region").value_or("")}; }
step::Action parse_unpin(Fields& fields, const StepContext&) { return step::Unpin{fields.name("region").value_or("")}; }

step::MemoryBlock parse_block(Fields& fields, BlockChange change) {
    step::MemoryBlock block{change, {}, {}, false};
    constexpr std::string_view kWhere[] = {"region", "phys"};
    const auto where = fields.exactly_one(kWhere);
    if (where == "region") block.region = fields.name("region").value_or("");
    if (where == "phys")
        if (const auto address = fields.quantity("phys", true)) block.at = PhysAddr{*address};
    return block;
}
step::Action parse_offline(Fields& fields, const StepContext&) { return parse_block(fields, BlockChange::kOffline); }
step::Action parse_online(Fields& fields, const StepContext&) { return parse_block(fields, BlockChange::kOnline); }
step::Action parse_hot_remove(Fields& fields, const StepContext&) { return parse_block(fields, BlockChange::kRemove); }
step::Action parse_hot_add(Fields& fields, const StepContext&) {
    step::MemoryBlock block = parse_block(fields, BlockChange::kAdd);
    block.driver_managed = fields.boolean("driver_managed").value_or(false);
    return block;
}

step::Action parse_vmalloc_read(Fields& fields, const StepContext&) {
    return step::VmallocRead{fields.name("region").value_or(""), fields.boolean("differs").value_or(false)};
}

std::vector<StepKey> block_keys() {
    return {{"region", "name", "the block that the region's first page was in when it was made or last filled, or"},
            {"phys", "address", "the block that starts here"}};
}
std::vector<StepKey> hot_add_keys() {
    std::vector<StepKey> keys = block_keys();
    keys.push_back({"driver_managed", "bool", "it is a driver's: kexec places nothing there; false"});
    return keys;
}

}  // namespace

std::span<const StepKind> page_steps() {
    static const std::vector<StepKind> kKinds = {
        {"pin",
         StepActor::kCommand,
         "pin every folio of a region for long, moved out of CMA first",
         {{"region", "name", "the region", true}},
         parse_pin},
        {"unpin",
         StepActor::kCommand,
         "take that back",
         {{"region", "name", "the region; it may have been freed", true}},
         parse_unpin},
        {"offline", StepActor::kCommand, "take a memory block offline", block_keys(), parse_offline},
        {"online", StepActor::kCommand, "bring a memory block online", block_keys(), parse_online},
        {"hot_remove", StepActor::kCommand, "remove an offline memory block", block_keys(), parse_hot_remove},
        {"hot_add", StepActor::kCommand, "add a removed memory block, offline", hot_add_keys(), parse_hot_add},
        {"vmalloc_read",
         StepActor::kCommand,
         "read a vmalloc area through its address",
         {{"region", "name", "the area; it may have been freed", true},
          {"differs", "bool", "what is read there must not be what was filled in; false"}},
         parse_vmalloc_read},
    };
    return kKinds;
}

}  // namespace baton::scenarios
