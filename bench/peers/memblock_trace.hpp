// SPDX-License-Identifier: GPL-2.0-only
// The trace format of specs/memblock.md §11: one memblock operation a line, so that any two memblocks can be compared
// line by line.
//
// This is the format, and our memblock behind it. The same traces drive Linux's own (linux_memblock_trace.c beside this
// file), are what property tests print when they fail, and are what the peer benchmark times.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/mm/memblock.hpp"

namespace baton::peers {

enum class Verb : u8 {
    kReset,
    kResize,
    kAdd,
    kRemove,
    kReserve,
    kFree,
    kAddNode,
    kAlloc,
    kHotplug,
    kNoHotplug,
    kMirror,
    kNomap,
    kMap,
    kNoinit,
    kSetNode,
    kTrim,
    kLimit,
    kEnforce,
    kCap,
    kBottomUp,
    kMovable,
    kIsMemory,
    kIsReserved,
    kIsMap,
    kRegionMemory,
    kRegionReserved,
    kRanges,
    kRangesReversed,
    kFreeAll,
    kDump,
    // Mainline and the kstate RFC have these, 6.12 has not (docs/memblock.md).
    kReserveKern,
    kScratch,
    kNoScratch,
    kScratchOnly,
    kPreserved,
    kCount,
};

inline constexpr u32 kArgumentsMax = 6;

/// One line. Arguments that the line left out hold their defaults; negative ones are stored as two's complement.
struct TraceOp {
    Verb verb = Verb::kDump;
    u32 count = 0;  // arguments given
    u64 args[kArgumentsMax] = {};
};

struct Trace {
    std::vector<TraceOp> ops;
    /// `# time NAME` before operation `first`: what follows is measured under that name, until the next; an empty name
    /// is not measured.
    struct Section {
        u64 first;
        std::string name;
    };
    std::vector<Section> sections;
    std::string error;  // "line:column: what, and what would be right"; empty if the text was good
};

Trace parse_trace(std::string_view text);
/// The line that parses to `op`, with no newline; arguments beyond op.count are left out.
std::string to_line(const TraceOp& op);
/// An operation with all arguments given.
TraceOp make_op(Verb verb, std::initializer_list<u64> args = {});

/// Plays operations on a memblock. Nodes are numbered as upstream's harness has them: 16 is MAX_NUMNODES.
class TracePlayer {
public:
    /// `presize` entries for both lists in [array, …), which must be RAM; 0 keeps the static arrays.
    TracePlayer(Memblock& mb, MemblockVersion version, u64 presize = 0, PhysAddr array = {});
    /// Appends what the operation prints to `out`, if there is one; the number of ranges walked, or 1.
    u64 play(const TraceOp& op, std::string* out);
    /// Mixed from every result, so that no work can be left out and two memblocks can be compared.
    u64 checksum() const { return checksum_; }

private:
    void reset();
    u64 query(const TraceOp& op);
    Status change(const TraceOp& op);
    void configure(const TraceOp& op);
    u64 walk(const TraceOp& op, std::string* out);
    void dump(std::string& out) const;
    void note(u64 value) { checksum_ = checksum_ * 31 + value; }

    Memblock& mb_;
    MemblockVersion version_;
    u64 presize_;
    PhysAddr array_;
    u64 checksum_ = 0;
};

}  // namespace baton::peers
