// SPDX-License-Identifier: GPL-2.0-only
#include "tests/support/memblock_rig.hpp"

#include <algorithm>

namespace baton::test {
namespace {

std::string broken(const MemblockType& t, const char* name) {
    const auto say = [name](const char* what, u64 i) {
        return std::string(name) + ": " + what + " at " + std::to_string(i);
    };
    if (t.cnt > t.max) return say("more regions than room", t.cnt);
    u64 sum = 0;
    for (u64 i = 0; i < t.cnt; ++i) {
        const MemblockRegion& r = memblock::region(t, i);
        sum += r.size;
        if (r.size == 0) return say("empty region", i);
        if (r.end() < r.base) return say("wrapping region", i);
        if (i == 0) continue;
        const MemblockRegion& before = memblock::region(t, i - 1);
        if (before.end() > r.base) return say("overlap or disorder", i);
        if (before.end() == r.base && before.flags == r.flags && before.nid == r.nid)
            return say("unmerged neighbours", i);
    }
    if (sum != t.total_size) return say("total size", t.total_size);
    const MemblockRegion& first = memblock::region(t, 0);
    if (t.cnt == 0 && (first.size != 0 || first.base.value != 0 || first.flags != 0)) return say("no dummy", 0);
    return {};
}

}  // namespace

MemblockRig::MemblockRig(u64 ram_bytes)
    : machine(GeometryId::kX86_64, {{0}, ram_bytes}), mb(machine.kernel().memblock) {}

void MemblockRig::presize(u64 entries, PhysAddr at) {
    for (MemblockType* t : {&mb.memory, &mb.reserved}) {
        t->regions = PhysPtr<MemblockRegion>(at);
        *t->regions = {.base = {}, .size = 0, .flags = 0, .nid = kNoNode.value};
        t->max = entries;
        at += entries * sizeof(MemblockRegion);
    }
}

std::vector<Span> MemblockRig::spans(const MemblockType& type) {
    std::vector<Span> all;
    for (u64 i = 0; i < type.cnt; ++i) {
        const MemblockRegion& r = memblock::region(type, i);
        all.push_back({r.base.value, r.size});
    }
    return all;
}

std::vector<u32> MemblockRig::flags(const MemblockType& type) const {
    std::vector<u32> all;
    for (u64 i = 0; i < type.cnt; ++i) all.push_back(memblock::region(type, i).flags);
    return all;
}

std::string MemblockRig::broken_invariant() const {
    const std::string memory = broken(mb.memory, "memory");
    return memory.empty() ? broken(mb.reserved, "reserved") : memory;
}

std::vector<FreeRange> MemblockRig::free_ranges(NodeId nid, u32 flags) const {
    std::vector<FreeRange> all;
    memblock::FreeCursor cursor;
    FreeRange free;
    while (memblock::next_free(mb, cursor, free, nid, flags)) all.push_back(free);
    return all;
}

}  // namespace baton::test
