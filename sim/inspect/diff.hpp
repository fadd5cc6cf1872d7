// SPDX-License-Identifier: GPL-2.0-only
// Two handovers, compared: what is only in one, what moved, what is cut into other blocks.
//
// The same memory may be preserved by other blocks (an order 9 folio, or two of order 8), and the same thing may lie
// elsewhere: a subtree or region of the same name and size, or a block whose content is found at another address. Only
// what is neither is "only here". Handovers are equal when nothing differs: generation, page size, root FDT, subtrees,
// regions, scratch, blocks.
#pragma once

#include "sim/inspect/inspection.hpp"

namespace baton::sim {

template <class T>
struct Sides {
    T a{};
    T b{};
    bool operator==(const Sides&) const = default;
};

struct MovedBlock {
    PhysAddr a;
    PhysAddr b;
    Order order;
    std::string what;  // "root FDT", "subtree NAME", "content"
};

/// Memory that both preserve, by other blocks.
struct SplitRange {
    PhysRange range;
    Sides<std::vector<HandoverBlock>> blocks;
};

struct NamedDiff {
    std::string name;
    Sides<std::optional<PhysRange>> where;  // nothing: not on this side
    bool moved() const { return where.a && where.b && where.a->size == where.b->size; }
};

struct HandoverDiff {
    Sides<std::string> generation;
    Sides<u32> page_shift;
    Sides<PhysAddr> root_fdt;
    std::vector<NamedDiff> subtrees;        // only those that differ; size 0 where none is stated
    std::vector<NamedDiff> reserve_mem;     // likewise
    Sides<std::vector<PhysRange>> scratch;  // areas that only one side has
    u64 same_blocks = 0;
    Sides<std::vector<HandoverBlock>> only;  // ascending
    std::vector<MovedBlock> moved;
    Sides<u64> in_moved_regions;  // blocks that are neither only here nor moved by themselves
    std::vector<SplitRange> split;
    bool contents_compared = false;
    std::vector<HandoverBlock> changed;  // the same block with another content, if contents are compared

    bool equal() const;
};

/// With `contents`, blocks that both have are compared byte by byte where both sources hold them.
HandoverDiff diff_handovers(const Inspection& a, const Inspection& b, bool contents);

std::string diff_text(const HandoverDiff& diff, const Inspection& a, const Inspection& b, bool verbose);
std::string diff_json(const HandoverDiff& diff, const Inspection& a, const Inspection& b);

}  // namespace baton::sim
