// SPDX-License-Identifier: GPL-2.0-only
#include "sim/inspect/diff.hpp"

#include <fmt/format.h>

#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

#include <algorithm>
#include <map>
#include <set>

namespace baton::sim {
namespace {

inline constexpr u64 kContentBlock = 1 * kMiB;
// Contents are hashed to find what moved: at most this much a side.
inline constexpr u64 kHashedMax = 1 * kGiB;

std::vector<HandoverBlock> sorted_blocks(const Inspection& i) {
    std::vector<HandoverBlock> out = i.handover.blocks;
    std::ranges::sort(out);
    const auto rest = std::ranges::unique(out);
    out.erase(rest.begin(), rest.end());
    return out;
}

PhysRange range_of(const HandoverBlock& b, u32 page_shift) { return {b.phys, u64{1} << (b.order.value + page_shift)}; }

/// A hash of a block's content; nothing if it is not all there, or all zero: then it says nothing.
std::optional<std::pair<u64, u64>> content_hash(const Inspection& i, const HandoverBlock& block) {
    const PhysRange r = range_of(block, i.page_shift);
    if (!i.source.memory.holds(r)) return std::nullopt;
    XXH3_state_t state;
    XXH3_128bits_reset(&state);
    bool zero = true;
    std::vector<u8> bytes;
    for (u64 at = 0; at < r.size; at += bytes.size()) {
        bytes.resize(std::min(kContentBlock, r.size - at));
        if (!i.source.memory.read(r.start + at, bytes)) return std::nullopt;
        zero = zero && std::ranges::all_of(bytes, [](u8 b) { return b == 0; });
        XXH3_128bits_update(&state, bytes.data(), bytes.size());
    }
    if (zero) return std::nullopt;
    const XXH128_hash_t h = XXH3_128bits_digest(&state);
    return std::pair(h.high64, h.low64);
}

bool same_content(const Inspection& a, const Inspection& b, const HandoverBlock& block) {
    const PhysRange r = range_of(block, a.page_shift);
    if (!a.source.memory.holds(r) || !b.source.memory.holds(r)) return true;
    std::vector<u8> left;
    std::vector<u8> right;
    for (u64 at = 0; at < r.size; at += left.size()) {
        left.resize(std::min(kContentBlock, r.size - at));
        right.resize(left.size());
        if (!a.source.memory.read(r.start + at, left) || !b.source.memory.read(r.start + at, right)) return true;
        if (left != right) return false;
    }
    return true;
}

std::vector<NamedDiff> diff_named(const std::map<std::string, PhysRange>& a,
                                  const std::map<std::string, PhysRange>& b) {
    std::vector<NamedDiff> out;
    for (const auto& [name, where] : a) {
        const auto other = b.find(name);
        if (other == b.end())
            out.push_back({name, {where, std::nullopt}});
        else if (!(other->second == where))
            out.push_back({name, {where, other->second}});
    }
    for (const auto& [name, where] : b)
        if (!a.contains(name)) out.push_back({name, {std::nullopt, where}});
    return out;
}

std::map<std::string, PhysRange> subtrees_of(const Inspection& i) {
    std::map<std::string, PhysRange> out;
    for (const HandoverSubtree& s : i.handover.subtrees) out[s.name] = {s.blob, s.size.value_or(0)};
    return out;
}

std::map<std::string, PhysRange> regions_of(const Inspection& i) {
    std::map<std::string, PhysRange> out;
    for (const ReservedRegion& r : i.users.reserve_mem) out[r.name] = {r.start, r.size};
    return out;
}

class Differ {
public:
    Differ(const Inspection& a, const Inspection& b, bool contents) : a_(a), b_(b), contents_(contents) {}

    HandoverDiff run() {
        out_.generation = {a_.generation, b_.generation};
        out_.page_shift = {a_.page_shift, b_.page_shift};
        out_.root_fdt = {a_.handover.root_fdt.phys, b_.handover.root_fdt.phys};
        out_.subtrees = diff_named(subtrees_of(a_), subtrees_of(b_));
        out_.reserve_mem = diff_named(regions_of(a_), regions_of(b_));
        scratch();
        blocks();
        return std::move(out_);
    }

private:
    void scratch() {
        const auto missing = [](const std::vector<PhysRange>& from, const std::vector<PhysRange>& in) {
            std::vector<PhysRange> out;
            for (const PhysRange& r : from)
                if (std::ranges::find(in, r) == in.end()) out.push_back(r);
            return out;
        };
        out_.scratch = {missing(a_.handover.scratch, b_.handover.scratch),
                        missing(b_.handover.scratch, a_.handover.scratch)};
    }

    void blocks() {
        const std::vector<HandoverBlock> all_a = sorted_blocks(a_);
        const std::vector<HandoverBlock> all_b = sorted_blocks(b_);
        std::vector<HandoverBlock> same;
        std::ranges::set_intersection(all_a, all_b, std::back_inserter(same));
        std::ranges::set_difference(all_a, all_b, std::back_inserter(out_.only.a));
        std::ranges::set_difference(all_b, all_a, std::back_inserter(out_.only.b));
        out_.same_blocks = same.size();
        if (a_.page_shift == b_.page_shift) {
            splits(coverage_of(all_a, a_.page_shift), coverage_of(all_b, b_.page_shift));
            moved_by_name();
            moved_regions();
            moved_by_content();
            out_.contents_compared = contents_;
            if (contents_)
                for (const HandoverBlock& b : same)
                    if (!same_content(a_, b_, b)) out_.changed.push_back(b);
        }
    }

    /// Memory that both sides preserve, by other blocks.
    void splits(const Coverage& cover_a, const Coverage& cover_b) {
        const auto take = [&](std::vector<HandoverBlock>& from, const Coverage& other) {
            std::vector<HandoverBlock> out;
            std::erase_if(from, [&](const HandoverBlock& b) {
                const bool covered = other.covers(range_of(b, a_.page_shift));
                if (covered) out.push_back(b);
                return covered;
            });
            return out;
        };
        const std::vector<HandoverBlock> in_a = take(out_.only.a, cover_b);
        const std::vector<HandoverBlock> in_b = take(out_.only.b, cover_a);
        std::vector<PhysRange> ranges;
        for (const auto* list : {&in_a, &in_b})
            for (const HandoverBlock& b : *list) ranges.push_back(range_of(b, a_.page_shift));
        const Coverage together(std::move(ranges));
        u64 next_a = 0;
        u64 next_b = 0;
        const auto fill = [&](const PhysRange& r, const std::vector<HandoverBlock>& from, u64& next,
                              std::vector<HandoverBlock>& to) {
            for (; next < from.size() && r.contains(from[next].phys); ++next) to.push_back(from[next]);
        };
        for (const PhysRange& r : together.ranges()) {
            SplitRange split{r, {}};
            fill(r, in_a, next_a, split.blocks.a);
            fill(r, in_b, next_b, split.blocks.b);
            if (bytes_of(split.blocks.a) == r.size && bytes_of(split.blocks.b) == r.size) {
                out_.split.push_back(std::move(split));
                continue;
            }
            // A block of one side within a larger one, of which the other side has no more: not the same memory.
            for (const HandoverBlock& b : split.blocks.a) out_.only.a.push_back(b);
            for (const HandoverBlock& b : split.blocks.b) out_.only.b.push_back(b);
        }
        std::ranges::sort(out_.only.a);
        std::ranges::sort(out_.only.b);
    }
    u64 bytes_of(const std::vector<HandoverBlock>& blocks) const {
        u64 bytes = 0;
        for (const HandoverBlock& b : blocks) bytes += range_of(b, a_.page_shift).size;
        return bytes;
    }

    static bool take_block(std::vector<HandoverBlock>& from, const HandoverBlock& b) {
        const auto found = std::ranges::lower_bound(from, b);
        if (found == from.end() || *found != b) return false;
        from.erase(found);
        return true;
    }
    static const HandoverBlock* block_at(const std::vector<HandoverBlock>& from, PhysAddr at) {
        const auto found = std::ranges::find(from, at, &HandoverBlock::phys);
        return found != from.end() ? &*found : nullptr;
    }
    void move_thing(PhysAddr a, PhysAddr b, const std::string& what) {
        const HandoverBlock* left = block_at(out_.only.a, a);
        const HandoverBlock* right = block_at(out_.only.b, b);
        if (left == nullptr || right == nullptr || left->order != right->order) return;
        const Order order = left->order;
        take_block(out_.only.a, {a, order});
        take_block(out_.only.b, {b, order});
        out_.moved.push_back({a, b, order, what});
    }
    void moved_by_name() {
        if (out_.root_fdt.a != out_.root_fdt.b) move_thing(out_.root_fdt.a, out_.root_fdt.b, "root FDT");
        for (const NamedDiff& s : out_.subtrees)
            if (s.moved()) move_thing(s.where.a->start, s.where.b->start, "subtree " + s.name);
    }
    /// A region of the same name and size elsewhere: its blocks on either side, whatever their orders.
    void moved_regions() {
        for (const NamedDiff& r : out_.reserve_mem) {
            if (!r.moved()) continue;
            const auto inside = [&](const PhysRange& region, std::vector<HandoverBlock>& blocks) {
                return std::erase_if(
                    blocks, [&](const HandoverBlock& b) { return region.contains(range_of(b, a_.page_shift)); });
            };
            out_.in_moved_regions.a += inside(*r.where.a, out_.only.a);
            out_.in_moved_regions.b += inside(*r.where.b, out_.only.b);
        }
    }
    void moved_by_content() {
        using Key = std::tuple<u32, u64, u64>;
        std::map<Key, std::vector<PhysAddr>> there;
        u64 hashed = 0;
        for (const HandoverBlock& b : out_.only.b) {
            hashed += range_of(b, b_.page_shift).size;
            if (hashed > kHashedMax) break;
            if (const auto h = content_hash(b_, b)) there[{b.order.value, h->first, h->second}].push_back(b.phys);
        }
        if (there.empty()) return;
        hashed = 0;
        std::set<HandoverBlock> gone_a;
        std::set<HandoverBlock> gone_b;
        for (const HandoverBlock& a : out_.only.a) {
            hashed += range_of(a, a_.page_shift).size;
            if (hashed > kHashedMax) break;
            const auto h = content_hash(a_, a);
            if (!h) continue;
            const auto found = there.find({a.order.value, h->first, h->second});
            if (found == there.end() || found->second.empty()) continue;
            const PhysAddr b = found->second.front();
            found->second.erase(found->second.begin());
            out_.moved.push_back({a.phys, b, a.order, "content"});
            gone_a.insert(a);
            gone_b.insert({b, a.order});
        }
        std::erase_if(out_.only.a, [&](const HandoverBlock& x) { return gone_a.contains(x); });
        std::erase_if(out_.only.b, [&](const HandoverBlock& x) { return gone_b.contains(x); });
    }

    const Inspection& a_;
    const Inspection& b_;
    const bool contents_;
    HandoverDiff out_;
};

}  // namespace

bool HandoverDiff::equal() const {
    return generation.a == generation.b && page_shift.a == page_shift.b && root_fdt.a == root_fdt.b &&
           subtrees.empty() && reserve_mem.empty() && scratch.a.empty() && scratch.b.empty() && only.a.empty() &&
           only.b.empty() && moved.empty() && in_moved_regions.a == 0 && in_moved_regions.b == 0 && split.empty() &&
           changed.empty();
}

HandoverDiff diff_handovers(const Inspection& a, const Inspection& b, bool contents) {
    return Differ(a, b, contents).run();
}

}  // namespace baton::sim
