// SPDX-License-Identifier: GPL-2.0-only
// Our memblock as an interpreter of traces: what each operation does and prints (specs/memblock.md §11).
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <iterator>

#include "bench/peers/memblock_trace.hpp"
#include "model/mm/memblock_handover.hpp"

namespace baton::peers {
namespace {

inline constexpr u32 kPageShift = 12;
inline constexpr u64 kMaxOrder = 10;
inline constexpr i32 kHarnessNodes = 16;  // MAX_NUMNODES of upstream's harness, its "no node"

// A one-to-one map between the harness's numbers and ours that takes nodes to nodes and "no node" to kNoNode. Numbers
// that are no node to either stay different from each other.
NodeId node_from(u64 harness) {
    const i32 n = static_cast<i32>(harness);
    if (n == kHarnessNodes) return kNoNode;
    if (n < 0) return {n - 1};
    return {n < kHarnessNodes ? n : n + kMemblockNodesMax};
}
i32 node_to(i32 ours) {
    if (ours == kNoNode.value) return kHarnessNodes;
    if (ours < 0) return ours + 1;
    return ours < kHarnessNodes ? ours : ours - kMemblockNodesMax;
}

PhysRange range_of(const TraceOp& op) { return {{op.args[0]}, op.args[1]}; }

/// What memblock_free_all would do, as text.
struct HandoverPrinter {
    std::string* out;
    u64 calls = 0;

    NodeId node_of(PhysAddr) { return {0}; }
    void mark_reserved(PhysRange r, NodeId nid) {
        ++calls;
        if (out == nullptr) return;
        fmt::format_to(std::back_inserter(*out), "page-reserve 0x{:x} 0x{:x} {}\n", r.start.value, r.end().value,
                       node_to(nid.value));
    }
    void give(PhysRange r) {
        const u64 end = r.end().value >> kPageShift;
        for (u64 p = (r.start.value + (u64{1} << kPageShift) - 1) >> kPageShift; p < end;) {
            u64 order = std::min<u64>(kMaxOrder, p == 0 ? kMaxOrder : static_cast<u64>(std::countr_zero(p)));
            while (p + (u64{1} << order) > end) --order;
            ++calls;
            if (out != nullptr) fmt::format_to(std::back_inserter(*out), "page-free 0x{:x} {}\n", p, order);
            p += u64{1} << order;
        }
    }
};

void dump_list(const char* name, const MemblockType& t, std::string& out) {
    auto to = std::back_inserter(out);
    fmt::format_to(to, "{} cnt={} max={} total=0x{:x}\n", name, t.cnt, t.max, t.total_size);
    for (u64 i = 0; i < t.cnt; ++i) {
        const MemblockRegion& r = memblock::region(t, i);
        fmt::format_to(to, "  {} 0x{:x} 0x{:x} nid={} flags=0x{:x}\n", i, r.base.value, r.size, node_to(r.nid),
                       r.flags);
    }
}

}  // namespace

TracePlayer::TracePlayer(Memblock& mb, MemblockVersion version, u64 presize, PhysAddr array)
    : mb_(mb), version_(version), presize_(presize), array_(array) {
    reset();
}

void TracePlayer::reset() {
    memblock::init(mb_, kPageShift, version_);
    mb_.mirrored_kernelcore = 1;  // so that `mirror` does something; nothing else looks at it
    if (presize_ == 0) return;
    PhysAddr at = array_;
    for (MemblockType* t : {&mb_.memory, &mb_.reserved}) {
        const MemblockRegion dummy = memblock::region(*t, 0);
        t->regions = PhysPtr<MemblockRegion>(at);
        *t->regions = dummy;
        t->max = presize_;
        at += presize_ * sizeof(MemblockRegion);
    }
}

Status TracePlayer::change(const TraceOp& op) {
    const PhysRange r = range_of(op);
    switch (op.verb) {
        case Verb::kAdd: return memblock::add(mb_, r);
        case Verb::kRemove: return memblock::remove(mb_, r);
        case Verb::kReserve: return memblock::reserve(mb_, r);
        case Verb::kFree: return memblock::release(mb_, r);
        case Verb::kAddNode: return memblock::add(mb_, r, node_from(op.args[2]), static_cast<u32>(op.args[3]));
        case Verb::kHotplug: return memblock::set_memory_flag(mb_, r, kMemblockHotplug, true);
        case Verb::kNoHotplug: return memblock::set_memory_flag(mb_, r, kMemblockHotplug, false);
        case Verb::kMirror: return memblock::mark_mirror(mb_, r);
        case Verb::kNomap: return memblock::set_memory_flag(mb_, r, kMemblockNomap, true);
        case Verb::kMap: return memblock::set_memory_flag(mb_, r, kMemblockNomap, false);
        case Verb::kNoinit: return memblock::set_reserved_flag(mb_, r, kMemblockReservedNoinit, true);
        case Verb::kReserveKern: return memblock::reserve_kern(mb_, r);
        case Verb::kScratch: return memblock::set_memory_flag(mb_, r, kMemblockKhoScratch, true);
        case Verb::kNoScratch: return memblock::set_memory_flag(mb_, r, kMemblockKhoScratch, false);
        case Verb::kPreserved: return memblock::set_reserved_flag(mb_, r, kMemblockReservedPreserved, true);
        default: return memblock::set_node(mb_, op.args[3] != 0 ? mb_.reserved : mb_.memory, r, node_from(op.args[2]));
    }
}

void TracePlayer::configure(const TraceOp& op) {
    const u64 value = op.args[0];
    switch (op.verb) {
        case Verb::kReset: return reset();
        case Verb::kResize: mb_.can_resize = 1; return;
        case Verb::kTrim: return memblock::trim_memory(mb_, value);
        case Verb::kLimit: mb_.current_limit = value; return;
        case Verb::kEnforce: return memblock::enforce_memory_limit(mb_, value);
        case Verb::kCap: return memblock::cap_memory_range(mb_, range_of(op));
        case Verb::kBottomUp: mb_.bottom_up = value != 0; return;
        case Verb::kMovable: mb_.movable_node = value != 0; return;
        default: mb_.scratch_only = value != 0; return;
    }
}

u64 TracePlayer::query(const TraceOp& op) {
    const PhysRange r = range_of(op);
    switch (op.verb) {
        case Verb::kIsMemory: return memblock::is_memory(mb_, r.start);
        case Verb::kIsReserved: return memblock::is_reserved(mb_, r.start);
        case Verb::kIsMap: return memblock::is_map_memory(mb_, r.start);
        case Verb::kRegionMemory: return memblock::is_region_memory(mb_, r);
        default: return memblock::is_region_reserved(mb_, r);
    }
}

u64 TracePlayer::walk(const TraceOp& op, std::string* out) {
    const bool reversed = op.verb == Verb::kRangesReversed;
    const auto next = reversed ? &memblock::previous_free : &memblock::next_free;
    memblock::FreeCursor cursor;
    const NodeId nid = node_from(op.args[0]);
    const u32 flags = static_cast<u32>(op.args[1]);
    FreeRange f;
    u64 ranges = 0;
    for (; next(mb_, cursor, f, nid, flags); ++ranges) {
        note(f.range.start.value);
        if (out != nullptr)
            fmt::format_to(std::back_inserter(*out), "  0x{:x} 0x{:x} {}\n", f.range.start.value, f.range.end().value,
                           node_to(f.nid.value));
    }
    if (out != nullptr) *out += ".\n";
    return ranges;
}

void TracePlayer::dump(std::string& out) const {
    dump_list("memory", mb_.memory, out);
    dump_list("reserved", mb_.reserved, out);
}

u64 TracePlayer::play(const TraceOp& op, std::string* out) {
    switch (op.verb) {
        case Verb::kReset:
        case Verb::kResize:
        case Verb::kTrim:
        case Verb::kLimit:
        case Verb::kEnforce:
        case Verb::kCap:
        case Verb::kBottomUp:
        case Verb::kMovable:
        case Verb::kScratchOnly: configure(op); return 1;
        case Verb::kRanges:
        case Verb::kRangesReversed: return walk(op, out);
        case Verb::kDump:
            if (out != nullptr) dump(*out);
            return 1;
        case Verb::kFreeAll: {
            HandoverPrinter printer{out};
            memblock::hand_over(mb_, printer);
            note(printer.calls);
            return 1;
        }
        case Verb::kIsMemory:
        case Verb::kIsReserved:
        case Verb::kIsMap:
        case Verb::kRegionMemory:
        case Verb::kRegionReserved: {
            const u64 answer = query(op);
            note(answer);
            if (out != nullptr) fmt::format_to(std::back_inserter(*out), "{}\n", answer);
            return 1;
        }
        case Verb::kAlloc: {
            const auto& a = op.args;
            const auto found = memblock::phys_alloc_range(mb_, a[0], a[1], a[2], a[3], node_from(a[4]), a[5] != 0);
            const u64 at = found ? found->value : 0;
            note(at);
            if (out != nullptr) fmt::format_to(std::back_inserter(*out), "0x{:x}\n", at);
            return 1;
        }
        default: {
            const Status s = change(op);
            const i32 code = s ? 0 : -static_cast<i32>(s.error());
            note(static_cast<u64>(code));
            if (out != nullptr) fmt::format_to(std::back_inserter(*out), "{}\n", code);
            return 1;
        }
    }
}

}  // namespace baton::peers
