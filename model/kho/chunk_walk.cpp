// SPDX-License-Identifier: GPL-2.0-only
// Reading a chunk list that another kernel left (specs/kho.md §2.2, §3.9).
//
// Incoming data is trusted as far as Linux trusts it. A chunk that claims more entries than fit is cut at the page. The
// bitmaps are read with this kernel's idea of their size: nothing in the format says what the writer's was (§10.1).
#include <algorithm>

#include "model/kho/bitmaps.hpp"
#include "model/kho/chunks.hpp"
#include "model/kho/metadata.hpp"

namespace baton::kho::chunks {
namespace {

using tracker::WalkEnd;
using tracker::WalkResult;

/// One entry's bitmap; false when the visitor has had enough.
bool walk_bitmap(const ChunkEntry& entry, u64 bits, Order order, u32 page_shift, const tracker::Visitor& visitor) {
    platform::charge(Work::kBitmapWords, bits / 64);
    for (u64 bit = tracker::next_bit(entry.bitmap, bits, 0); bit < bits;
         bit = tracker::next_bit(entry.bitmap, bits, bit + 1)) {
        const PhysAddr phys = entry.phys_start + shl(bit, order.value + page_shift);
        if (!visitor.block(Block{phys, order})) return false;
    }
    return true;
}

}  // namespace

WalkResult walk(const Kernel& k, PhysAddr head, u64 chunks_max, const tracker::Visitor& visitor) {
    const Geometry& g = geometry(k);
    const u64 bytes = bitmaps::bitmap_bytes(k);
    const u32 fit = static_cast<u32>(chunk_entries_max(g.page_size()));
    for (PhysAddr at = head; at.value != 0; at = ram::load<ChunkHeader>(at).next) {
        platform::charge(Work::kListLinks, 1);
        if (chunks_max-- == 0 || !is_memory(k, at, g.page_size())) return {WalkEnd::kNotMemory, at, g.page_size()};
        const auto header = ram::load<ChunkHeader>(at);
        if (header.order >= kKhoOrders) return {WalkEnd::kBadOrder, at, header.order};
        visitor.node({at, Site::kKhoDeserialiseChunk, header.order, header.num_elms, fit});
        const u64 entries = std::min(header.num_elms, fit);
        for (u64 i = 0; i < entries; ++i) {
            const auto entry = ram::load<ChunkEntry>(at + sizeof(ChunkHeader) + i * sizeof(ChunkEntry));
            if (!is_memory(k, entry.bitmap, bytes)) return {WalkEnd::kNotMemory, entry.bitmap, bytes};
            if (!walk_bitmap(entry, bytes * 8, {header.order}, g.page_shift, visitor))
                return {WalkEnd::kStopped, at, 0};
        }
    }
    return {};
}

}  // namespace baton::kho::chunks
