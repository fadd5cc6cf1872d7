// SPDX-License-Identifier: GPL-2.0-only
// From the runtime tracker to the chunk list (specs/kho.md §2.2, §3.4.5).
//
// The bitmaps stay where they are; a chunk only names them. Order of the list: ascending block order, then ascending
// bitmap index; a chunk holds one block order. Each link and each entry is a schedule point, so addresses, not
// pointers, are carried from step to step.
#include "model/kho/bitmaps.hpp"
#include "model/kho/chunks.hpp"
#include "model/kho/metadata.hpp"

namespace baton::kho::chunks {
namespace {

/// A new chunk at the end of the list.
Result<PhysAddr> append_chunk(Kernel& k, PhysAddr last, Order order) {
    const auto chunk = alloc_metadata_page(k, AllocSite::kKhoChunk);
    if (!chunk) return chunk;
    platform::charge(Work::kPagesZeroed, 1);
    ram::store(*chunk, ChunkHeader{.next = {}, .order = order.value, .num_elms = 0});
    if (last.value == 0) {
        BATON_ASSERT(k.kho.first_chunk.value == 0);
        k.kho.first_chunk = *chunk;
    } else {
        auto header = ram::load<ChunkHeader>(last);
        header.next = *chunk;
        ram::store(last, header);
    }
    platform::charge(Work::kListLinks, 1);
    platform::at(Site::kKhoSerialiseChunk, chunk->value, order.value);
    return chunk;
}

void append_entry(const Kernel& k, PhysAddr chunk, u32 used, const bitmaps::Bitmap& map, Order order) {
    const Geometry& g = geometry(k);
    BATON_ASSERT(used < chunk_entries_max(g.page_size()));
    const u64 bits = bitmaps::bitmap_bytes(k) * 8;
    const ChunkEntry entry{bitmaps::window_start(map.index, order, bits, g.page_shift), map.bits};
    ram::store(chunk + sizeof(ChunkHeader) + u64{used} * sizeof(ChunkEntry), entry);
    auto header = ram::load<ChunkHeader>(chunk);
    header.num_elms = used + 1;
    ram::store(chunk, header);
    platform::charge(Work::kBytesCopied, sizeof entry);
    platform::at(Site::kKhoSerialiseBitmap, entry.phys_start.value, order.value);
}

/// All bitmaps of one order, in as many chunks as they take; the last chunk of the list so far.
Result<PhysAddr> serialise_order(Kernel& k, PhysAddr last, Order order) {
    u32 used = static_cast<u32>(chunk_entries_max(geometry(k).page_size()));  // an order starts a chunk of its own
    for (auto map = bitmaps::next_bitmap(k, order, 0); map; map = bitmaps::next_bitmap(k, order, map->index + 1)) {
        if (used == chunk_entries_max(geometry(k).page_size())) {
            const auto chunk = append_chunk(k, last, order);
            if (!chunk) return chunk;
            last = *chunk;
            used = 0;
        }
        append_entry(k, last, used, *map, order);
        ++used;
    }
    return last;
}

}  // namespace

Status serialise(Kernel& k) {
    BATON_ASSERT(k.kho.first_chunk.value == 0);
    PhysAddr last;
    for (u32 order = 0; order < kKhoOrders; ++order) {
        const auto end = serialise_order(k, last, {order});
        if (!end) return fail(end.error());
        last = *end;
    }
    return {};
}

void free_list(Kernel& k) {
    PhysAddr at = k.kho.first_chunk;
    k.kho.first_chunk = {};
    while (at.value != 0) {
        const PhysAddr next = ram::load<ChunkHeader>(at).next;
        platform::charge(Work::kListLinks, 1);
        free_metadata_page(k, at);
        at = next;
    }
}

}  // namespace baton::kho::chunks
