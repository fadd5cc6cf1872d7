// SPDX-License-Identifier: GPL-2.0-only
// memblock as one would write it down without a thought for speed: lists of intervals that are cut, changed and joined
// (specs/memblock.md §2, §3). It shares no code with the model; property tests compare the two.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "bench/peers/memblock_trace.hpp"

namespace baton::test {

struct NaiveInterval {
    u64 lo = 0;
    u64 hi = 0;
    u32 flags = 0;
    i32 nid = -1;
    bool operator==(const NaiveInterval&) const = default;
};

class NaiveMemblock {
public:
    struct List {
        std::vector<NaiveInterval> v;
        u64 max = 128;
        u64 total = 0;
        u64 array = 0;  // of a list that has grown
        u64 array_bytes = 0;
    };
    /// How a trace may end: as in Linux, with a BUG or a panic; or with arrays in one place, after which nothing can be
    /// said.
    struct Died {};
    struct Unpredictable {};

    NaiveMemblock(bool mainline, u64 presize) : mainline_(mainline), presize_(presize) { reset(); }

    /// Of one operation: what it answers, as the trace format has it. `freeall` and `dump` answer nothing here.
    std::string play(const peers::TraceOp& op);

    List memory, reserved;
    /// For tests of the shrinker: reservations of more than this many bytes lose their last byte.
    u64 planted_bug_above = ~u64{0};

private:
    using Pieces = std::vector<NaiveInterval>;

    void reset();
    int add(List& l, u64 base, u64 size, i32 nid, u32 flags);
    int remove(List& l, u64 base, u64 size);
    template <class Change>
    int change(List& l, u64 base, u64 size, Change change);
    bool make_room(List& l, u64 lo, u64 hi);
    bool grow(List& l, u64 lo, u64 hi);
    std::optional<u64> find(u64 size, u64 align, u64 start, u64 end, i32 nid, u32 flags) const;
    std::optional<u64> find_for_array(u64 bytes, u64 start, u64 end) const;
    u64 alloc(const peers::TraceOp& op);
    Pieces free_pieces(i32 nid, u32 flags, bool with_empty) const;
    bool is_allowed(const NaiveInterval& m, i32 nid, u32 flags) const;
    int kern(u64 base, u64 size, i32 nid);
    void trim(u64 align);
    std::optional<u64> address_of(u64 bytes) const;
    void cap(u64 base, u64 size);
    int changing(const peers::TraceOp& op);
    bool asked(const peers::TraceOp& op) const;
    bool configuring(const peers::TraceOp& op);
    u32 wanted() const;

    bool mainline_;
    u64 presize_;
    bool resize_ = false, bottom_up_ = false, movable_ = false, has_mirror_ = false, scratch_only_ = false;
    u64 limit_ = ~u64{0};
};

}  // namespace baton::test
