// SPDX-License-Identifier: GPL-2.0-only
// Just before memory is handed to the page allocator: take out what was preserved (specs/kho.md §3.9).
//
// Every set bit of the incoming list is one memblock reservation, without looking at its neighbours (which costs time,
// §3.9). NOINIT keeps the struct pages as they are, so the stamp in the head page (order, and from 6.18 a magic) is
// still there when somebody asks for the block. Incoming data is trusted as far as Linux trusts it: a block outside
// RAM, or a list that leads there, kills the kernel (§10.1); a list longer than a page is cut, an impossible order ends
// the walk; both are logged.
#include "model/kho/chunks.hpp"
#include "model/kho/fdt.hpp"
#include "model/kho/restore.hpp"
#include "model/kho/scratch.hpp"

namespace baton::kho {
namespace {

/// The block's size as the running kernel computes it.
u64 block_bytes(const Kernel& k, Order order) {
    const u32 shift = order.value + geometry(k).page_shift;
    // B27: an int is shifted. Both ISAs take the shift modulo 32 and sign-extend: from 2 GiB on, nonsense.
    if (k.defect(Defect::kB27)) [[unlikely]]
        return static_cast<u64>(static_cast<i64>(static_cast<i32>(u32{1} << shift % 32)));
    return shl(1, shift);
}

void reserve_block(Kernel& k, const Block& block) {
    const PhysRange range{block.phys, block_bytes(k, block.order)};
    const bool reserved = memblock::reserve(k.memblock, range).has_value() &&
                          memblock::set_reserved_flag(k.memblock, range, kMemblockReservedNoinit, true).has_value();
    if (!reserved) BATON_WARN();  // the array is full: as in Linux, the block is lost
    const auto page = mm::page_of(k, block.phys);
    if (!page) platform::page_fault(block.phys, range.size);  // no struct page to stamp
    page->private_data = stamp_of(k.rules(), block.order);
    platform::own({block.phys, geometry(k).bytes_of(block.order)}, Owner::kNobody, Owner::kPreserved);
    platform::at(Site::kKhoDeserialiseBlock, block.phys.value, block.order.value);
}

void enter_chunk(const Kernel& k, PhysAddr chunk, const ChunkHeader& header) {
    const u64 fit = chunk_entries_max(geometry(k).page_size());
    if (header.num_elms > fit)
        platform::log(LogLevel::kError, Log::kKhoChunkTooLong, chunk.value, header.num_elms, fit);
    platform::at(Site::kKhoDeserialiseChunk, chunk.value, header.order);
}

/// Address of the first chunk. A map that is missing or has another size is one error line and nothing more (§10.10).
PhysAddr incoming_map(const Kernel& k) {
    const FdtView view = open_incoming(k);
    const auto head = view.error == 0 ? u64_property(view.tree, 0, kMapProperty) : std::nullopt;
    if (!head) platform::log(LogLevel::kError, Log::kKhoRejectMap, k.kho.incoming.fdt.value);
    return {head.value_or(0)};
}

void deserialise(Kernel& k) {
    u64 blocks = 0;
    u64 pages = 0;
    const auto end = chunks::walk(
        k, incoming_map(k), ~u64{0},
        [&](const Block& block) {
            reserve_block(k, block);
            ++blocks;
            pages += block.order.pages();
            return true;
        },
        [&](PhysAddr chunk, const ChunkHeader& header) { enter_chunk(k, chunk, header); });
    if (end.end == chunks::WalkEnd::kNotMemory) platform::page_fault(end.at, tracker::bitmap_bytes(k));
    if (end.end == chunks::WalkEnd::kBadOrder) {
        const auto header = ram::load<ChunkHeader>(end.at);
        platform::log(LogLevel::kError, Log::kKhoChunkBadOrder, end.at.value, header.order);
    }
    platform::log(LogLevel::kInfo, Log::kKhoPreserved, blocks, pages * (geometry(k).page_size() / kKiB));
}

}  // namespace

void memory_init(Kernel& k) {
    if (k.kho.is_kho_boot == 0) {
        if (k.kho.enabled != 0) reserve_scratch(k);
        return;
    }
    adopt_scratch(k);
    deserialise(k);
    if (k.rules().restore_incoming_fdt) restore_incoming_fdt(k);
}

Result<Block> incoming_block(const Kernel& k, u64 index) {
    if (k.kho.is_kho_boot == 0) return fail(Errno::kENOENT);
    const FdtView view = open_incoming(k);
    if (view.error != 0) return fail(Errno::kEFAULT);
    const PhysAddr head{u64_property(view.tree, 0, kMapProperty).value_or(0)};
    const u64 chunks_max = shr(k.memblock.memory.total_size, geometry(k).page_shift);  // more would be a cycle
    Block found{};
    u64 left = index;
    const auto end = chunks::walk(k, head, chunks_max, [&](const Block& block) {
        found = block;
        return left-- != 0;
    });
    if (end.end == chunks::WalkEnd::kStopped) return found;
    return fail(end.end == chunks::WalkEnd::kDone ? Errno::kENOENT : Errno::kEFAULT);
}

}  // namespace baton::kho
