// SPDX-License-Identifier: GPL-2.0-only
// A memblock under test: the one of a bare machine's Kernel object, and what a test wants to see of it.
#pragma once

#include <vector>

#include "tests/support/bare_machine.hpp"

namespace baton::test {

/// What most expectations are about.
struct Span {
    u64 base;
    u64 size;
    bool operator==(const Span&) const = default;
};

class MemblockRig {
public:
    explicit MemblockRig(u64 ram_bytes = 256 * kMiB);

    BareMachine machine;
    Memblock& mb;

    void reset() { memblock::init(mb, 12); }
    /// Both lists get arrays of `entries` entries at `at`, so that nothing has to grow.
    void presize(u64 entries, PhysAddr at);
    std::vector<Span> memory() const { return spans(mb.memory); }
    std::vector<Span> reserved() const { return spans(mb.reserved); }
    /// Flags of the regions in order.
    std::vector<u32> flags(const MemblockType& type) const;
    /// What is wrong with the lists (specs/memblock.md §8.1 … §8.4), empty if nothing is.
    std::string broken_invariant() const;
    std::vector<FreeRange> free_ranges(NodeId nid = kNoNode, u32 flags = 0) const;

private:
    static std::vector<Span> spans(const MemblockType& type);
};

}  // namespace baton::test
