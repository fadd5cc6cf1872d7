// SPDX-License-Identifier: GPL-2.0-only
// Steps on named regions of user memory.
#include "scenarios/engine/limits.hpp"
#include "scenarios/engine/steps.hpp"

namespace baton::scenarios {
namespace {

step::Action parse_alloc(Fields& fields, const StepContext&) {
    step::Alloc alloc;
    alloc.region = fields.name("region").value_or("");
    constexpr std::string_view kShapes[] = {"order", "pages"};
    if (fields.exactly_one(kShapes) == "pages") {
        alloc.kind = BlockKind::kPages;
        alloc.pages = fields.integer("pages", 1, kPagesMax).value_or(1);
    }
    alloc.order = Order{static_cast<u32>(fields.integer("order", 0, kOrderMax).value_or(0))};
    alloc.count = fields.integer("count", 1, kCountMax).value_or(1);
    if (const auto node = fields.integer("node", 0, kNodesMax - 1)) alloc.node = static_cast<u32>(*node);
    alloc.this_node = fields.boolean("this_node").value_or(false);
    if (fields.has("this_node") && !fields.has("node"))
        fields.error("this_node", "\"this_node\" is about a node, and none is named", "add \"node\"");
    alloc.movable = fields.boolean("movable").value_or(false);
    return alloc;
}
step::Action parse_vmalloc(Fields& fields, const StepContext&) {
    step::Vmalloc area;
    area.region = fields.name("region").value_or("");
    area.pages = fields.integer("pages", 1, kPagesMax).value_or(1);
    area.order = Order{static_cast<u32>(fields.integer("order", 0, kOrderMax).value_or(0))};
    return area;
}
step::Action parse_free(Fields& fields, const StepContext&) {
    return step::Free{fields.name("region").value_or(""), fields.integer("every", 1, kCountMax).value_or(1)};
}
step::Action parse_fill(Fields& fields, const StepContext&) { return step::Fill{fields.name("region").value_or("")}; }

}  // namespace

std::span<const StepKind> memory_steps() {
    static const std::vector<StepKind> kKinds = {
        {"alloc",
         StepActor::kCommand,
         "allocate user memory and give it a name",
         {{"region", "name", "a new name", true},
          {"order", "integer", "folios of 2^order pages, or"},
          {"pages", "integer", "runs of this many pages"},
          {"count", "integer", "how many blocks; 1"},
          {"node", "integer", "NUMA node to be tried first; the CPU's"},
          {"this_node", "bool", "no other node serves"},
          {"movable", "bool", "they may lie in CMA, and be moved; false"}},
         parse_alloc},
        {"vmalloc",
         StepActor::kCommand,
         "allocate a vmalloc area and give it a name",
         {{"region", "name", "a new name", true},
          {"pages", "integer", "how many pages", true},
          {"order", "integer", "in runs of 2^order pages; 0"}},
         parse_vmalloc},
        {"free",
         StepActor::kCommand,
         "free every block of a region, or some",
         {{"region", "name", "the region", true}, {"every", "integer", "only every nth block, the first included; 1"}},
         parse_free},
        {"fill",
         StepActor::kHost,
         "write a pattern of (seed, address, region) as the kernel's userspace would",
         {{"region", "name", "the region", true}},
         parse_fill},
    };
    return kKinds;
}

}  // namespace baton::scenarios
