// SPDX-License-Identifier: GPL-2.0-only
// The serialised tracker of KHO v1: a list of chunk pages that name bitmaps (specs/kho.md §2.2). Writing, freeing,
// walking.
//
// The walk reads what another kernel wrote, or what a device wrote over it. It follows no address before memblock says
// that it is memory, reads at most the entries that fit a page, and charges work at every step, so that a list that
// bites its tail runs into the hang budget.
#pragma once

#include <algorithm>

#include "model/kho/metadata.hpp"
#include "model/kho/tracker.hpp"

namespace baton::kho::chunks {

/// Builds the list from the tracker; k.kho.first_chunk is its head, 0 when no order was ever used. ENOMEM (or EINVAL,
/// as alloc_metadata_page): what was built so far is in first_chunk, for `free_list`.
Status serialise(Kernel& k);
void free_list(Kernel& k);

enum class WalkEnd { kDone, kStopped, kNotMemory, kBadOrder };
struct WalkResult {
    WalkEnd end;
    PhysAddr at;  // the chunk, or what it points to, where the walk broke
};

struct NoChunkHook {
    void operator()(PhysAddr, const ChunkHeader&) const {}
};

/// One entry's bitmap. `on_block(Block)` says whether to go on.
template <class F>
bool walk_bitmap(const ChunkEntry& entry, u64 bits, Order order, u32 page_shift, F& on_block) {
    platform::charge(Work::kBitmapWords, bits / 64);
    for (u64 bit = tracker::next_bit(entry.bitmap, bits, 0); bit < bits;
         bit = tracker::next_bit(entry.bitmap, bits, bit + 1)) {
        const PhysAddr phys = entry.phys_start + shl(bit, order.value + page_shift);
        if (!on_block(Block{phys, order})) return false;
    }
    return true;
}

/// Calls `on_chunk(address, header)` and `on_block(Block) -> bool` along the list, at most `chunks_max` chunks. Both
/// may reach schedule points: everything is read anew after them.
template <class B, class C = NoChunkHook>
WalkResult walk(const Kernel& k, PhysAddr head, u64 chunks_max, B&& on_block, C&& on_chunk = {}) {
    const Geometry& g = geometry(k);
    const u64 bytes = tracker::bitmap_bytes(k);
    for (PhysAddr at = head; at.value != 0; at = ram::load<ChunkHeader>(at).next) {
        platform::charge(Work::kListLinks, 1);
        if (chunks_max-- == 0 || !is_memory(k, at, g.page_size())) return {WalkEnd::kNotMemory, at};
        const auto header = ram::load<ChunkHeader>(at);
        if (header.order >= kKhoOrders) return {WalkEnd::kBadOrder, at};
        on_chunk(at, header);
        const u64 entries = std::min<u64>(header.num_elms, chunk_entries_max(g.page_size()));
        for (u64 i = 0; i < entries; ++i) {
            const auto entry = ram::load<ChunkEntry>(at + sizeof(ChunkHeader) + i * sizeof(ChunkEntry));
            if (!is_memory(k, entry.bitmap, bytes)) return {WalkEnd::kNotMemory, entry.bitmap};
            if (!walk_bitmap(entry, bytes * 8, {header.order}, g.page_shift, on_block)) return {WalkEnd::kStopped, at};
        }
    }
    return {WalkEnd::kDone, {}};
}

}  // namespace baton::kho::chunks
