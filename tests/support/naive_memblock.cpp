// SPDX-License-Identifier: GPL-2.0-only
#include "tests/support/naive_memblock.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace baton::test {

using peers::TraceOp;
using peers::Verb;

namespace {

constexpr u64 kTop = ~u64{0};
constexpr u64 kPage = 4096;
constexpr int kENOMEM = -12;
constexpr u32 kHotplug = 1, kMirror = 2, kNomap = 4, kDriver = 8, kNoinit = 16, kKern = 32, kScratch = 64, kPrsrv = 128;

// 16 is the harness's "no node".
i32 node(u64 argument) { return argument == 16 ? -1 : static_cast<i32>(argument); }
bool has_node(i32 nid) { return nid >= 0 && nid < 16; }
u64 end_of(u64 base, u64 size) { return size > kTop - base ? kTop : base + size; }

void cut(std::vector<NaiveInterval>& v, u64 at) {
    for (u64 i = 0; i < v.size(); ++i) {
        if (v[i].lo >= at || at >= v[i].hi) continue;
        NaiveInterval upper = v[i];
        upper.lo = at;
        v[i].hi = at;
        v.insert(v.begin() + static_cast<std::ptrdiff_t>(i) + 1, upper);
        return;
    }
}

void join(std::vector<NaiveInterval>& v) {
    std::sort(v.begin(), v.end(), [](const NaiveInterval& a, const NaiveInterval& b) { return a.lo < b.lo; });
    std::vector<NaiveInterval> joined;
    for (const NaiveInterval& i : v) {
        if (!joined.empty() && joined.back().hi == i.lo && joined.back().flags == i.flags && joined.back().nid == i.nid)
            joined.back().hi = i.hi;
        else
            joined.push_back(i);
    }
    v = joined;
}

/// What of [lo, hi) is in no interval.
std::vector<NaiveInterval> missing(const std::vector<NaiveInterval>& v, u64 lo, u64 hi) {
    std::vector<NaiveInterval> gaps;
    for (const NaiveInterval& i : v) {
        if (i.hi <= lo || i.lo >= hi) continue;
        if (i.lo > lo) gaps.push_back({lo, i.lo});
        lo = i.hi;
    }
    if (lo < hi) gaps.push_back({lo, hi});
    return gaps;
}

bool overlap(u64 a, u64 a_bytes, u64 b, u64 b_bytes) { return a < b + b_bytes && b < a + a_bytes; }

bool holds(const std::vector<NaiveInterval>& v, u64 a, u32 unwanted = 0) {
    return std::any_of(v.begin(), v.end(), [=](auto& i) { return i.lo <= a && a < i.hi && (i.flags & unwanted) == 0; });
}

}  // namespace

void NaiveMemblock::reset() {
    const u64 max = presize_ != 0 ? presize_ : 128;
    memory = {.max = max};
    reserved = {.max = max};
    resize_ = bottom_up_ = movable_ = has_mirror_ = scratch_only_ = false;
    limit_ = kTop;
}

int NaiveMemblock::add(List& l, u64 base, u64 size, i32 nid, u32 flags) {
    if (&l == &reserved && size > planted_bug_above) --size;
    const u64 hi = end_of(base, size);
    if (hi == base) return 0;
    if (l.v.empty()) l.total = 0;
    Pieces pieces = missing(l.v, base, hi);
    while (l.v.size() + pieces.size() > l.max && !pieces.empty())
        if (!grow(l, base, hi)) return kENOMEM;
    pieces = missing(l.v, base, hi);
    for (NaiveInterval p : pieces) {
        p.flags = flags;
        p.nid = nid;
        l.v.push_back(p);
        l.total += p.hi - p.lo;
    }
    join(l.v);
    return 0;
}

bool NaiveMemblock::make_room(List& l, u64 lo, u64 hi) {
    while (l.v.size() + 2 > l.max)
        if (!grow(l, lo, hi)) return false;
    return true;
}

int NaiveMemblock::remove(List& l, u64 base, u64 size) {
    const u64 hi = end_of(base, size);
    if (hi == base) return 0;
    if (!make_room(l, base, hi)) return kENOMEM;
    cut(l.v, base);
    cut(l.v, hi);
    std::erase_if(l.v, [&](const NaiveInterval& i) {
        const bool inside = i.lo >= base && i.hi <= hi;
        if (inside) l.total -= i.hi - i.lo;
        return inside;
    });
    return 0;
}

template <class Change>
int NaiveMemblock::change(List& l, u64 base, u64 size, Change change) {
    const u64 hi = end_of(base, size);
    if (hi == base) return 0;
    if (!make_room(l, base, hi)) return kENOMEM;
    cut(l.v, base);
    cut(l.v, hi);
    for (NaiveInterval& i : l.v)
        if (i.lo >= base && i.hi <= hi) change(i);
    join(l.v);
    return 0;
}

bool NaiveMemblock::grow(List& l, u64 lo, u64 hi) {
    if (!resize_) throw Died{};
    const u64 bytes = (2 * l.max * 24 + kPage - 1) / kPage * kPage;
    const bool avoid = &l == &reserved && hi != lo;
    auto at = find_for_array(bytes, avoid ? hi : 0, limit_);
    if (!at && avoid) at = find_for_array(bytes, 0, std::min(lo, limit_));
    if (!at) return false;
    for (const List* other : {&memory, &reserved})
        if (other->array_bytes != 0 && overlap(*at, bytes, other->array, other->array_bytes)) throw Unpredictable{};
    const u64 old = l.array;
    const u64 old_bytes = l.array_bytes;
    l.array = *at;
    l.array_bytes = bytes;
    l.max *= 2;
    if (old_bytes != 0) remove(reserved, old, old_bytes);
    if (kern(*at, bytes, -1) != 0) throw Died{};
    return true;
}

int NaiveMemblock::kern(u64 base, u64 size, i32 nid) {
    return add(reserved, base, size, mainline_ ? nid : -1, mainline_ ? kKern : 0);
}

u32 NaiveMemblock::wanted() const { return scratch_only_ ? kScratch : has_mirror_ ? kMirror : 0; }

std::optional<u64> NaiveMemblock::find_for_array(u64 bytes, u64 start, u64 end) const {
    auto at = find(bytes, kPage, start, end, -1, wanted());
    if (!at && wanted() == kMirror) at = find(bytes, kPage, start, end, -1, 0);
    return at;
}

bool NaiveMemblock::is_allowed(const NaiveInterval& m, i32 nid, u32 flags) const {
    if (has_node(nid) && m.nid != nid) return false;
    for (const u32 needed : {kMirror, kScratch})
        if ((flags & needed) != 0 && (m.flags & needed) == 0) return false;
    for (const u32 special : {kNomap, kDriver})
        if ((m.flags & special) != 0 && (flags & special) == 0) return false;
    return !movable_ || (m.flags & kHotplug) == 0 || (flags & kHotplug) != 0;
}

// Ascending. The empty ranges are those between touching reservations, inside of memory.
NaiveMemblock::Pieces NaiveMemblock::free_pieces(i32 nid, u32 flags, bool with_empty) const {
    Pieces pieces;
    for (const NaiveInterval& m : memory.v) {
        if (!is_allowed(m, nid, flags)) continue;
        Pieces here = missing(reserved.v, m.lo, m.hi);
        for (u64 i = 1; with_empty && i < reserved.v.size(); ++i) {
            const u64 at = reserved.v[i].lo;
            if (at == reserved.v[i - 1].hi && m.lo < at && at < m.hi) here.push_back({at, at});
        }
        std::sort(here.begin(), here.end(), [](auto& a, auto& b) { return a.lo < b.lo; });
        for (NaiveInterval& p : here) p.nid = m.nid;
        pieces.insert(pieces.end(), here.begin(), here.end());
    }
    return pieces;
}

std::optional<u64> NaiveMemblock::find(u64 size, u64 align, u64 start, u64 end, i32 nid, u32 flags) const {
    if (end <= 1) end = limit_;
    start = std::max(start, kPage);
    std::optional<u64> best;
    for (const NaiveInterval& p : free_pieces(nid, flags, false)) {
        const u64 lo = std::max(p.lo, start);
        const u64 hi = std::min(p.hi, end);
        if (hi <= lo || hi - lo < size) continue;
        const u64 lowest = (lo + align - 1) / align * align;
        const u64 highest = (hi - size) / align * align;
        if (lowest > hi - size || lowest < lo) continue;
        if (bottom_up_) return lowest;
        best = highest;
    }
    return best;
}

u64 NaiveMemblock::alloc(const TraceOp& op) {
    const u64 size = op.args[0], align = op.args[1], start = op.args[2], end = op.args[3];
    const i32 nid = node(op.args[4]);
    std::vector<u32> tries = {wanted()};
    if (wanted() == kMirror) tries.push_back(0);
    for (const u32 flags : tries) {
        if (const auto at = find(size, align, start, end, nid, flags))
            if (kern(*at, size, nid) == 0) return *at;
        if (!has_node(nid) || op.args[5] != 0) continue;
        if (const auto at = find(size, align, start, end, -1, flags))
            if (kern(*at, size, -1) == 0) return *at;
    }
    return 0;
}

void NaiveMemblock::trim(u64 align) {
    std::erase_if(memory.v, [&](NaiveInterval& i) {
        const u64 lo = (i.lo + align - 1) / align * align;
        const u64 hi = i.hi / align * align;
        if (lo >= hi) {
            memory.total -= i.hi - i.lo;
            return true;
        }
        i.lo = lo;
        i.hi = hi;
        return false;
    });
}

std::optional<u64> NaiveMemblock::address_of(u64 bytes) const {
    for (const NaiveInterval& i : memory.v) {
        if (bytes <= i.hi - i.lo) return i.lo + bytes;
        bytes -= i.hi - i.lo;
    }
    return std::nullopt;
}

void NaiveMemblock::cap(u64 base, u64 size) {
    if (size == 0 || memory.total == 0) return;
    const u64 hi = end_of(base, size);
    if (hi != base) {
        if (!make_room(memory, base, hi)) return;
        cut(memory.v, base);
        cut(memory.v, hi);
    }
    std::erase_if(memory.v, [&](const NaiveInterval& i) {
        const bool goes = (i.lo < base || i.hi > hi) && (i.flags & kNomap) == 0;
        if (goes) memory.total -= i.hi - i.lo;
        return goes;
    });
    remove(reserved, 0, base);
    remove(reserved, base + size, kTop);
}

int NaiveMemblock::changing(const TraceOp& op) {
    const u64 base = op.args[0], size = op.args[1];
    const auto set = [](u32 f) { return [f](NaiveInterval& i) { i.flags |= f; }; };
    const auto clear = [](u32 f) { return [f](NaiveInterval& i) { i.flags &= ~f; }; };
    switch (op.verb) {
        case Verb::kAdd: return add(memory, base, size, -1, 0);
        case Verb::kAddNode: return add(memory, base, size, node(op.args[2]), static_cast<u32>(op.args[3]));
        case Verb::kRemove: return remove(memory, base, size);
        case Verb::kReserve: return add(reserved, base, size, -1, 0);
        case Verb::kReserveKern: return kern(base, size, -1);
        case Verb::kFree: return remove(reserved, base, size);
        case Verb::kHotplug: return change(memory, base, size, set(kHotplug));
        case Verb::kNoHotplug: return change(memory, base, size, clear(kHotplug));
        case Verb::kMirror: has_mirror_ = true; return change(memory, base, size, set(kMirror));
        case Verb::kNomap: return change(memory, base, size, set(kNomap));
        case Verb::kMap: return change(memory, base, size, clear(kNomap));
        case Verb::kScratch: return change(memory, base, size, set(kScratch));
        case Verb::kNoScratch: return change(memory, base, size, clear(kScratch));
        case Verb::kNoinit: return change(reserved, base, size, set(kNoinit));
        case Verb::kPreserved: return change(reserved, base, size, set(kPrsrv));
        default: {
            const i32 nid = node(op.args[2]);
            return change(op.args[3] != 0 ? reserved : memory, base, size, [nid](NaiveInterval& i) { i.nid = nid; });
        }
    }
}

bool NaiveMemblock::asked(const TraceOp& op) const {
    const u64 base = op.args[0];
    const u64 hi = end_of(base, op.args[1]);
    switch (op.verb) {
        case Verb::kIsMemory: return holds(memory.v, base);
        case Verb::kIsReserved: return holds(reserved.v, base);
        case Verb::kIsMap: return holds(memory.v, base, kNomap);
        case Verb::kRegionMemory:
            return std::any_of(memory.v.begin(), memory.v.end(),
                               [=](auto& i) { return i.lo <= base && base < i.hi && hi <= i.hi; });
        default:
            return std::any_of(reserved.v.begin(), reserved.v.end(), [=](auto& i) { return i.lo < hi && base < i.hi; });
    }
}

bool NaiveMemblock::configuring(const TraceOp& op) {
    const u64 value = op.args[0];
    switch (op.verb) {
        case Verb::kReset: reset(); return true;
        case Verb::kResize: resize_ = true; return true;
        case Verb::kTrim: trim(value); return true;
        case Verb::kLimit: limit_ = value; return true;
        case Verb::kEnforce:
            if (const auto top = value != 0 ? address_of(value) : std::nullopt) {
                remove(memory, *top, kTop);
                remove(reserved, *top, kTop);
            }
            return true;
        case Verb::kCap: cap(value, op.args[1]); return true;
        case Verb::kBottomUp: bottom_up_ = value != 0; return true;
        case Verb::kMovable: movable_ = value != 0; return true;
        case Verb::kScratchOnly: scratch_only_ = value != 0; return true;
        case Verb::kFreeAll:
        case Verb::kDump: return true;
        default: return false;
    }
}

std::string NaiveMemblock::play(const TraceOp& op) {
    if (configuring(op)) return {};
    switch (op.verb) {
        case Verb::kRanges:
        case Verb::kRangesReversed: {
            Pieces pieces = free_pieces(node(op.args[0]), static_cast<u32>(op.args[1]), true);
            if (op.verb == Verb::kRangesReversed) std::reverse(pieces.begin(), pieces.end());
            std::string text;
            for (const NaiveInterval& p : pieces)
                text += fmt::format("  0x{:x} 0x{:x} {}\n", p.lo, p.hi, p.nid == -1 ? 16 : p.nid);
            return text + ".\n";
        }
        case Verb::kIsMemory:
        case Verb::kIsReserved:
        case Verb::kIsMap:
        case Verb::kRegionMemory:
        case Verb::kRegionReserved: return fmt::format("{:d}\n", asked(op));
        case Verb::kAlloc: return fmt::format("0x{:x}\n", alloc(op));
        default: return fmt::format("{}\n", changing(op));
    }
}

}  // namespace baton::test
