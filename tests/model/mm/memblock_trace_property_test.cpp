// SPDX-License-Identifier: GPL-2.0-only
// A million operations against a naive model of intervals (specs/memblock.md §8): same answers, same lists, arrays that
// grow or cannot, and the same ends. A difference is shrunk and printed as a trace (specs/memblock.md §11), so that it
// can be played on Linux's memblock too (bench/peers/run_memblock_peer.py play).
#include <algorithm>
#include <random>

#include "bench/peers/memblock_trace.hpp"
#include "tests/catch.hpp"
#include "tests/support/memblock_rig.hpp"
#include "tests/support/naive_memblock.hpp"

namespace baton::test {
namespace {

using peers::make_op;
using peers::TraceOp;
using peers::Verb;

/// Operations that only make sense together: cutting through NOMAP memory leaves touching pieces of equal attributes,
/// which no interval model has, until the flag is cleared.
using Step = std::vector<TraceOp>;
using Steps = std::vector<Step>;

struct Temper {
    bool mainline;
    u64 presize;  // 0: arrays of 128 that grow
    u64 base, unit, slots, room;
};

class Generator {
public:
    Generator(u64 seed, const Temper& temper) : random_(seed), t_(temper) {
        shrinking_ = pick(4) == 0;
        flagged_ = pick(3) != 0;
        nodes_ = pick(2) == 0 ? 1 : 5;
    }

    Steps trace(u64 count) {
        Steps steps;
        if (t_.presize == 0 && pick(8) != 0) steps.push_back({make_op(Verb::kResize)});
        if (t_.room != 0) steps.push_back({make_op(Verb::kAdd, {240 * kMiB, t_.room})});
        while (steps.size() < count) steps.push_back(step());
        return steps;
    }

private:
    u64 pick(u64 n) { return random_() % n; }
    u64 address() { return t_.base + pick(t_.slots) * t_.unit + (pick(10) == 0 ? pick(t_.unit) : 0); }
    u64 size() {
        const u64 r = pick(50);
        if (r == 0) return 0;
        if (r < 3) return (1 + pick(t_.presize != 0 ? t_.slots : 12)) * t_.unit;
        return (1 + pick(3)) * t_.unit - (r < 8 ? pick(t_.unit) : 0);
    }
    u64 node() { return nodes_ == 1 ? 16 : std::array<u64, 5>{16, 0, 1, 2, 3}[pick(5)]; }
    // For what may reach the end of the address space. Lists that are to grow must not be emptied all the time.
    u64 bounded() { return pick(t_.presize != 0 ? 40 : 5000) == 0 ? ~u64{0} : size(); }

    Step step() {
        const u64 r = pick(100);
        if (r < 14) return {make_op(Verb::kAdd, {address(), size()})};
        if (r < 20) return {make_op(Verb::kAddNode, {address(), size(), node(), flagged_ ? u64{1} << pick(4) : 0})};
        if (r < 27) return {make_op(Verb::kRemove, {address(), bounded()})};
        if (r < 42) return {make_op(Verb::kReserve, {address(), bounded()})};
        if (r < 51) return {make_op(Verb::kFree, {address(), bounded()})};
        if (r < 68) return alloc();
        if (r < 78) return flag();
        if (r < 82) return {make_op(Verb::kSetNode, {address(), size(), node(), pick(2)})};
        if (r < 85) return shrink();
        if (r < 89) return configure();
        if (r < 97) return ask();
        return {make_op(pick(2) == 0 ? Verb::kRanges : Verb::kRangesReversed, {node(), pick(3) == 0 ? pick(16) : 0})};
    }

    Step alloc() {
        const u64 size = std::array<u64, 4>{1 + pick(64), t_.unit, 3 * t_.unit, 4096}[pick(4)];
        const u64 start = pick(2) == 0 ? 0 : address();
        const u64 end = std::array<u64, 4>{0, 1, ~u64{0}, address()}[pick(4)];
        return {make_op(Verb::kAlloc, {size, u64{1} << pick(14), start, end, node(), pick(2)})};
    }
    Step flag() {
        constexpr Verb kBoth[] = {Verb::kHotplug, Verb::kNoHotplug, Verb::kMirror, Verb::kNomap,
                                  Verb::kMap,     Verb::kMap,       Verb::kNoinit, Verb::kNoinit};
        constexpr Verb kNewer[] = {Verb::kReserveKern, Verb::kScratch, Verb::kNoScratch, Verb::kPreserved};
        if (!flagged_) return {make_op(Verb::kNoinit, {address(), bounded()})};
        const Verb verb = t_.mainline && pick(2) == 0 ? kNewer[pick(4)] : kBoth[pick(8)];
        return {make_op(verb, {address(), bounded()})};
    }
    Step shrink() {
        if (!shrinking_ || pick(4) != 0) return {make_op(Verb::kAdd, {address(), size()})};
        const u64 r = pick(3);
        if (r == 0) return {make_op(Verb::kTrim, {u64{4096} << pick(2)})};
        if (r == 1) return {make_op(Verb::kEnforce, {pick(t_.slots) * t_.unit})};
        return {make_op(Verb::kCap, {address(), bounded()}), make_op(Verb::kMap, {0, ~u64{0}})};
    }
    Step configure() {
        const u64 r = pick(t_.mainline ? 4 : 3);
        if (r == 0) return {make_op(Verb::kLimit, {pick(4) != 0 ? ~u64{0} : address()})};
        return {make_op(r == 1 ? Verb::kBottomUp : r == 2 ? Verb::kMovable : Verb::kScratchOnly, {pick(2)})};
    }
    Step ask() {
        constexpr Verb kQuestions[] = {Verb::kIsMemory, Verb::kIsReserved, Verb::kIsMap};
        if (pick(2) == 0) return {make_op(kQuestions[pick(3)], {address()})};
        return {make_op(pick(2) == 0 ? Verb::kRegionMemory : Verb::kRegionReserved, {address(), bounded()})};
    }

    std::mt19937_64 random_;
    Temper t_;
    bool shrinking_, flagged_;
    u64 nodes_;
};

/// Why a trace may end before its last step.
enum class End { kAll, kDied, kUnpredictable, kDifferent };

struct Outcome {
    End end = End::kAll;
    u64 steps = 0;  // played
    std::string what;
};

class Comparison {
public:
    explicit Comparison(u64 planted_bug_above = ~u64{0}) : planted_bug_above_(planted_bug_above) {}

    Outcome play(const Steps& steps, const Temper& t) {
        const auto version = t.mainline ? MemblockVersion::kMainline : MemblockVersion::k6_12;
        peers::TracePlayer ours(rig_.mb, version, t.presize, {4 * kMiB});
        NaiveMemblock naive(t.mainline, t.presize);
        naive.planted_bug_above = planted_bug_above_;
        for (u64 i = 0; i < steps.size(); ++i)
            for (const TraceOp& op : steps[i]) {
                Outcome o = play_one(op, ours, naive);
                o.steps = i + 1;
                if (o.end != End::kAll) return o;
                if (op.verb == Verb::kMap && steps[i].size() > 1 && last_answer_ != "0\n")
                    return {End::kUnpredictable, i + 1, {}};  // the pieces stay apart
            }
        return {End::kAll, steps.size(), {}};
    }

    u64 refused = 0;  // operations that answered ENOMEM
    u64 grown = 0;    // arrays that moved

private:
    Outcome play_one(const TraceOp& op, peers::TracePlayer& ours, NaiveMemblock& naive) {
        std::string expected;
        bool dies = false;
        try {
            expected = naive.play(op);
        } catch (const NaiveMemblock::Died&) {
            dies = true;
        } catch (const NaiveMemblock::Unpredictable&) {
            return {End::kUnpredictable, 0, {}};
        }
        last_answer_.clear();
        const u64 room = rig_.mb.memory.max + rig_.mb.reserved.max;
        const sim::Fault fault = rig_.machine.run([&] { ours.play(op, &last_answer_); });
        rig_.machine.logs.clear();
        const bool died = fault.kind == sim::Fault::Kind::kPanic || fault.kind == sim::Fault::Kind::kAssert;
        if (fault.kind != sim::Fault::Kind::kNone && !died) return {End::kDifferent, 0, "ours faults"};
        if (died != dies) return {End::kDifferent, 0, died ? "only ours dies" : "ours should die"};
        if (dies) return {End::kDied, 0, {}};
        refused += last_answer_ == "-12\n" ? 1 : 0;
        grown += rig_.mb.memory.max + rig_.mb.reserved.max != room ? 1 : 0;
        if (last_answer_ != expected)
            return {End::kDifferent, 0, "ours answers\n" + last_answer_ + "the naive model\n" + expected};
        if (!same(rig_.mb.memory, naive.memory)) return {End::kDifferent, 0, "memory differs"};
        if (!same(rig_.mb.reserved, naive.reserved)) return {End::kDifferent, 0, "reserved differs"};
        return {};
    }

    static bool same(const MemblockType& t, const NaiveMemblock::List& l) {
        if (t.cnt != l.v.size() || t.max != l.max || t.total_size != l.total) return false;
        if (l.array_bytes != 0 && t.regions.phys().value != l.array) return false;
        const MemblockRegion* e = &memblock::region(t, 0);
        for (u64 i = 0; i < t.cnt; ++i)
            if (NaiveInterval{e[i].base.value, e[i].end().value, e[i].flags, e[i].nid} != l.v[i]) return false;
        return true;
    }

    MemblockRig rig_;
    std::string last_answer_;
    u64 planted_bug_above_;
};

/// Drops steps while there still is a difference: the end first, then ever smaller pieces.
Steps shrunk(Comparison& c, Steps steps, const Temper& t) {
    steps.resize(c.play(steps, t).steps);
    for (u64 piece = std::max<u64>(1, steps.size() / 2); piece != 0; piece /= 2)
        for (u64 at = 0; at < steps.size();) {
            Steps shorter = steps;
            const auto from = shorter.begin() + static_cast<std::ptrdiff_t>(at);
            shorter.erase(from, from + static_cast<std::ptrdiff_t>(std::min(piece, steps.size() - at)));
            const Outcome o = c.play(shorter, t);
            if (o.end == End::kDifferent) {
                shorter.resize(o.steps);
                steps = shorter;
            } else {
                at += piece;
            }
        }
    return steps;
}

std::string text_of(const Steps& steps) {
    std::string text;
    for (const Step& s : steps)
        for (const TraceOp& op : s) text += to_line(op) + "\n";
    return text;
}

struct Sum {
    u64 operations = 0, traces = 0, died = 0, unpredictable = 0;
};

// A seed is a trace of up to `length` steps.
void compare(Comparison& c, u64 seed, const Temper& t, u64 length, Sum& sum) {
    const Steps steps = Generator(seed, t).trace(length);
    const Outcome o = c.play(steps, t);
    sum.operations += o.steps;
    ++sum.traces;
    sum.died += o.end == End::kDied ? 1 : 0;
    sum.unpredictable += o.end == End::kUnpredictable ? 1 : 0;
    if (o.end != End::kDifferent) return;
    const Steps least = shrunk(c, steps, t);
    FAIL("seed " << seed << (t.mainline ? ", --mainline" : "") << ", --presize " << t.presize << ": "
                 << c.play(least, t).what << "\nthe least trace with a difference:\n"
                 << text_of(least));
}

inline constexpr Temper kDense[] = {
    {.mainline = false, .presize = 4096, .base = 16 * kMiB, .unit = 64, .slots = 48, .room = 0},
    {.mainline = true, .presize = 4096, .base = 16 * kMiB, .unit = 4096, .slots = 64, .room = 0},
    {.mainline = true, .presize = 4096, .base = 0, .unit = 4096, .slots = 32, .room = 0},
    {.mainline = false, .presize = 4096, .base = 16 * kMiB, .unit = 1, .slots = 128, .room = 0},
};
// Lists longer than 128 entries, and room to grow into: plenty, what a few doublings take, none but the memory itself.
inline constexpr Temper kGrowing[] = {
    {.mainline = false, .presize = 0, .base = 16 * kMiB, .unit = 4096, .slots = 1024, .room = kMiB},
    {.mainline = true, .presize = 0, .base = 16 * kMiB, .unit = 8192, .slots = 2048, .room = 28 * kKiB},
    {.mainline = true, .presize = 0, .base = 16 * kMiB, .unit = 4096, .slots = 1024, .room = 0},
    {.mainline = false, .presize = 0, .base = 16 * kMiB, .unit = 128, .slots = 4096, .room = 16 * kKiB},
};

TEST_CASE("memblock: 800,000 random operations agree with a naive model") {
    Comparison c;
    Sum sum;
    for (u64 seed = 1; sum.operations < 800'000; ++seed) compare(c, seed, kDense[seed % 4], 500, sum);
    CHECK(sum.unpredictable == 0);
    CHECK(sum.died == 0);
}

TEST_CASE("memblock: 200,000 random operations on arrays that grow agree with a naive model") {
    Comparison c;
    Sum sum;
    for (u64 seed = 1; sum.operations < 200'000; ++seed) compare(c, seed, kGrowing[seed % 4], 2000, sum);
    // Lists grew, could not grow, died of it; and most traces were played for long.
    CAPTURE(c.grown, c.refused, sum.traces, sum.died, sum.unpredictable);
    CHECK(c.grown > 100);
    CHECK(c.refused > 1000);
    CHECK(sum.died > 0);
    CHECK(sum.died + sum.unpredictable < sum.traces / 2);
}

TEST_CASE("memblock: a planted difference is found and shrunk to a few operations") {
    Comparison c(100);
    const Temper& t = kDense[0];
    const Steps steps = Generator(1, t).trace(500);
    REQUIRE(c.play(steps, t).end == End::kDifferent);
    const Steps least = shrunk(c, steps, t);
    CHECK(least.size() <= 2);
    CHECK(c.play(least, t).end == End::kDifferent);
    const peers::Trace parsed = peers::parse_trace(text_of(least));
    CHECK(parsed.error == "");
    CHECK(parsed.ops.size() == least.size());
}

}  // namespace
}  // namespace baton::test
