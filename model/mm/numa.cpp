// SPDX-License-Identifier: GPL-2.0-only
#include "model/mm/numa.hpp"

#include <algorithm>
#include <bit>

#include "model/bits.hpp"
#include "model/kernel.hpp"

namespace baton::numa {
namespace {

inline constexpr PhysRange kEverything{{0}, ~u64{0}};

// Ascending and disjoint; what a node says twice is said once.
void put_in_order(Layout& l) {
    std::sort(l.blocks, l.blocks + l.count,
              [](const Block& a, const Block& b) { return a.range.start < b.range.start; });
    PhysAddr end{};
    NodeId owner = kNoNode;
    for (u32 i = 0; i < l.count; ++i) {
        platform::charge(Work::kListLinks, 1);
        Block& b = l.blocks[i];
        const PhysAddr own_end = b.range.end();
        if (b.range.start < end) {
            if (b.nid != owner) {
                platform::log(LogLevel::kWarn, Log::kNumaOverlap, b.range.start.value, static_cast<u64>(owner.value),
                              static_cast<u64>(b.nid.value));
                return l.refuse(Refusal::kOverlap);
            }
            b.range = {end, own_end > end ? own_end - end : 0};
        }
        if (own_end > end) {
            end = own_end;
            owner = b.nid;
        }
    }
}

u64 common_bytes(PhysRange a, PhysRange b) {
    const PhysAddr start = std::max(a.start, b.start);
    const PhysAddr end = std::min(a.end(), b.end());
    return end > start ? end - start : 0;
}

u64 uncovered_bytes(const Kernel& k, const Layout& l) {
    const MemblockType& memory = k.memblock.memory;
    u64 left = 0;
    for (u64 i = 0; i < memory.cnt; ++i) {
        const MemblockRegion r = memblock::region(memory, i);
        platform::charge(Work::kMemblockScans, 1 + l.count);
        left += r.size;
        for (u32 b = 0; b < l.count; ++b) left -= common_bytes({r.base, r.size}, l.blocks[b].range);
    }
    return left;
}

void set_node(Kernel& k, PhysRange r, NodeId nid) {
    if (!memblock::set_node(k.memblock, k.memblock.memory, r, nid)) BATON_WARN();
}

// As Linux does it, before anything is checked.
void flag_hotplug(Kernel& k, const Layout& l) {
    for (u32 i = 0; i < l.count; ++i) {
        platform::charge(Work::kListLinks, 1);
        if (!l.blocks[i].hotplug) continue;
        if (!memblock::set_memory_flag(k.memblock, l.blocks[i].range, kMemblockHotplug, true)) BATON_WARN();
    }
}

// Each from its start to the top, in order: what firmware forgot is the node's below it, at the bottom the first one's.
void give_nodes(Kernel& k, const Layout& l) {
    bool first = true;
    for (u32 i = 0; i < l.count; ++i) {
        const Block& b = l.blocks[i];
        if (b.range.empty()) continue;
        const PhysAddr from = first ? PhysAddr{} : b.range.start;
        first = false;
        set_node(k, {from, kEverything.size - from.value}, b.nid);
        platform::log(LogLevel::kInfo, Log::kNumaBlock, static_cast<u64>(b.nid.value), b.range.start.value,
                      b.range.size / kKiB);
    }
}

// A pageblock has one type and stands on the lists of one zone.
bool pageblocks_are_whole(const Kernel& k) {
    const MemblockType& memory = k.memblock.memory;
    const u64 step = geometry(k).pageblock_bytes();
    for (u64 i = 1; i < memory.cnt; ++i) {
        const MemblockRegion below = memblock::region(memory, i - 1);
        const MemblockRegion above = memblock::region(memory, i);
        platform::charge(Work::kMemblockScans, 1);
        if (below.nid == above.nid || align_down(below.end() - 1, step) != align_down(above.base, step)) continue;
        platform::log(LogLevel::kWarn, Log::kNumaPageblock, static_cast<u64>(below.nid), static_cast<u64>(above.nid),
                      above.base.value);
        return false;
    }
    return true;
}

u64 nodes_of_memory(const Kernel& k) {
    const MemblockType& memory = k.memblock.memory;
    u64 nodes = 0;
    for (u64 i = 0; i < memory.cnt; ++i) {
        platform::charge(Work::kMemblockScans, 1);
        nodes |= shl(1, static_cast<u32>(memblock::region(memory, i).nid));
    }
    return nodes;
}

}  // namespace

void Layout::add(const Block& b) {
    if (b.range.empty() || b.range.end() < b.range.start) {
        platform::log(LogLevel::kWarn, Log::kNumaEmptyBlock, static_cast<u64>(b.nid.value), b.range.start.value,
                      b.range.size);
        return;
    }
    if (count == kBlocksMax) return refuse(Refusal::kTooMany);
    blocks[count++] = b;
}

void adopt(Kernel& k, Layout& l) {
    k.numa = {};
    if (l.refusal == Refusal::kNone && l.count == 0) return;
    flag_hotplug(k, l);
    if (l.refusal == Refusal::kNone) put_in_order(l);
    if (l.refusal == Refusal::kNone) {
        if (const u64 bytes = uncovered_bytes(k, l); bytes > kUncoveredMax) {
            platform::log(LogLevel::kWarn, Log::kNumaUncovered, bytes / kKiB);
            l.refuse(Refusal::kUncovered);
        }
    }
    if (l.refusal == Refusal::kNone) {
        give_nodes(k, l);
        if (!pageblocks_are_whole(k)) {
            set_node(k, kEverything, kNoNode);
            l.refuse(Refusal::kPageblock);
        }
    }
    if (l.refusal != Refusal::kNone) {
        platform::log(LogLevel::kWarn, Log::kNumaOff, static_cast<u64>(l.refusal));
        return;
    }
    k.numa.with_memory = nodes_of_memory(k);
    k.numa.online = k.numa.with_memory | l.cpus;
    const bool known = (k.numa.online >> l.boot_node & 1) != 0;
    k.numa.local = known ? l.boot_node : static_cast<u32>(std::countr_zero(k.numa.online));
    platform::log(LogLevel::kInfo, Log::kNumaOn, static_cast<u64>(std::popcount(k.numa.online)),
                  static_cast<u64>(std::popcount(k.numa.with_memory)), k.numa.local);
}

}  // namespace baton::numa
