// SPDX-License-Identifier: GPL-2.0-only
// What an expect step asks about NUMA: which nodes there are, and what lies on which.
#include <fmt/format.h>

#include "scenarios/engine/play.hpp"

namespace baton::scenarios {
namespace {

std::vector<u32> numbers_of(u64 bits) {
    std::vector<u32> out;
    for (u32 i = 0; i < kNodesMax; ++i)
        if ((bits >> i & 1) != 0) out.push_back(i);
    return out;
}

std::string text_of(const std::vector<u32>& numbers) {
    return numbers.empty() ? "none" : fmt::format("{}", fmt::join(numbers, " "));
}

}  // namespace

bool Play::asks_for_nodes(const step::Expect& a) {
    return !a.nodes.empty() || !a.memory_nodes.empty() || !a.scratch_nodes.empty() || a.node_counts;
}

void Play::expect_node(const step::Expect& a, const Region& r) {
    for (const Block& b : r.blocks)
        for (u64 i = 0; i < b.pages; ++i) {
            const PhysAddr page = b.phys + i * page_size();
            const auto state = ask(Query::kPageState, page.value);
            if (!state || state->values[4] == *a.node) continue;
            finding(*step_, fmt::format("{}: page {} is on node {}", r.name, hex(page), state->values[4]),
                    fmt::format("expected {}", *a.node));
            return;
        }
    verified(fmt::format("{}: {} pages are on node {}", r.name, r.pages(), *a.node));
}

void Play::expect_node_counts(bool wanted, u64 online) {
    if (online == 0) return finding(*step_, "the kernel knows no nodes", "node_counts is about the counters of nodes");
    std::string wrong;
    for (const u32 node : numbers_of(online)) {
        const auto n = ask(Query::kNode, node);
        if (!n) return;
        const u64* v = n->values;
        if (v[1] != v[3] || v[2] != v[4])
            wrong += fmt::format("{}node {} counts {} managed and {} free, its pages are {} and {}",
                                 wrong.empty() ? "" : "; ", node, v[1], v[2], v[3], v[4]);
    }
    if (wrong.empty() == wanted)
        verified(wrong.empty() ? fmt::format("the counters of {} nodes are right", numbers_of(online).size()) : wrong);
    else
        finding(*step_, wrong.empty() ? "the counters of all nodes are right" : wrong,
                wanted ? "" : "expected a node whose counters are not");
}

void Play::expect_nodes(const step::Expect& a) {
    if (!asks_for_nodes(a)) return;
    const auto numa = ask(Query::kNuma);
    if (!numa) return;
    const auto equal = [this](const std::vector<u32>& wanted, const std::vector<u32>& got, std::string_view what) {
        if (wanted.empty()) return;
        if (wanted == got)
            verified(fmt::format("{}: {}", what, text_of(got)));
        else
            finding(*step_, fmt::format("{}: {}", what, text_of(got)), fmt::format("expected {}", text_of(wanted)));
    };
    equal(a.nodes, numbers_of(numa->values[0]), "nodes");
    equal(a.memory_nodes, numbers_of(numa->values[1]), "nodes with memory");
    if (a.node_counts) expect_node_counts(*a.node_counts, numa->values[0]);
    if (a.scratch_nodes.empty()) return;
    const auto kho = ask(Query::kKho);
    std::vector<u32> on;
    for (u64 i = 2; kho && i < kho->values[5]; ++i) {
        const auto area = ask(Query::kScratch, i);
        if (!area) return;
        const u64 start = area->values[0];
        const u64 end = start + area->values[1];
        const auto first = ask(Query::kPageState, start);
        const auto last = ask(Query::kPageState, end - (end != start ? 1 : 0));
        if (!first || !last) return;
        on.push_back(static_cast<u32>(first->values[4]));
        if (first->values[4] != last->values[4]) on.push_back(static_cast<u32>(last->values[4]));
    }
    equal(a.scratch_nodes, on, "scratch areas are on nodes");
}

}  // namespace baton::scenarios
