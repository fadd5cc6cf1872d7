// SPDX-License-Identifier: GPL-2.0-only
#include "sim/handover/radix.hpp"

#include <fmt/format.h>

#include <bit>
#include <cstring>

namespace baton::sim {
namespace {

inline constexpr u64 kNodesMax = 1u << 20;
inline constexpr u64 kBlocksMax = 1u << 24;

struct RadixReader {
    const Geometry& g;
    const RamReader& read;
    Handover& out;
    u64 nodes = 0;

    u32 width() const { return 64 - g.page_shift; }
    u32 table_bits() const { return g.page_shift - 3; }
    u32 leaf_bits() const { return g.page_shift + 3; }
    // Levels of tables above the bitmaps: what is left of a key and its marker, in table indexes.
    u32 tables() const { return (width() + 1 - leaf_bits() + table_bits() - 1) / table_bits(); }

    void add(u64 key, PhysAddr leaf) {
        const u32 top = static_cast<u32>(std::bit_width(key));  // of the marker, from 1
        if (top == 0 || top > width() + 1) {
            out.warnings.push_back(fmt::format("radix leaf {:#x} has key {:#x}", leaf.value, key));
            return;
        }
        const u32 order = width() + 1 - top;
        const u64 number = key ^ u64 { 1 } << (top - 1);
        out.blocks.push_back({{order + g.page_shift < 64 ? number << (order + g.page_shift) : 0}, {order}});
        out.pages += order < 64 ? u64{1} << order : 0;
    }

    void node(PhysAddr at, u32 level, u64 prefix) {
        if (++nodes > kNodesMax || out.blocks.size() > kBlocksMax) return;
        HandoverPiece page{at, std::vector<u8>(g.page_size())};
        if (!read(at, page.bytes)) {
            out.warnings.push_back(fmt::format("radix node {:#x} is not in RAM", at.value));
            return;
        }
        out.tracker.push_back(page);
        for (u64 i = 0; i < g.page_size() / 8; ++i) {
            u64 word;
            std::memcpy(&word, page.bytes.data() + i * 8, sizeof(word));
            if (level != 0) {
                if (word != 0) node({word}, level - 1, prefix << table_bits() | i);
                continue;
            }
            for (; word != 0; word &= word - 1)
                add(prefix << leaf_bits() | (i * 64 + static_cast<u64>(std::countr_zero(word))), at);
        }
    }
};

}  // namespace

void read_radix(PhysAddr root, const Geometry& geometry, const RamReader& read, Handover& out) {
    RadixReader reader{geometry, read, out};
    reader.node(root, reader.tables(), 0);
    if (reader.nodes > kNodesMax) out.warnings.push_back(fmt::format("more than {} radix nodes", kNodesMax));
}

}  // namespace baton::sim
