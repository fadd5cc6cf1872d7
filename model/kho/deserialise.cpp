// SPDX-License-Identifier: GPL-2.0-only
// Just before memory is handed to the page allocator: take out what was preserved (specs/kho.md §3.9).
//
// Every set bit of the incoming list is one memblock reservation, without looking at its neighbours (which costs time,
// §3.9). NOINIT keeps the struct pages as they are, so the stamp in the head page (order, and from 6.18 a magic) is
// still there when somebody asks for the block. Incoming data is trusted as far as Linux trusts it: a block outside
// RAM, or a list that leads there, kills the kernel (§10.1); a chunk longer than a page is cut; an impossible order
// ends the walk of a chunk list, and of a radix tree the whole handover (§3.9.3). All are logged.
#include "model/kho/fdt.hpp"
#include "model/kho/restore.hpp"
#include "model/kho/scratch.hpp"
#include "model/kho/tracker.hpp"
#include "model/mm/deferred.hpp"

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
    mm::init_preserved(k, range);
    const auto page = mm::page_of(k, block.phys);
    if (!page) platform::page_fault(block.phys, range.size);  // no struct page to stamp
    page->private_data = stamp_of(k, block.order);
    platform::own({block.phys, geometry(k).bytes_of(block.order)}, Owner::kPreserved, Owner::kHandedOver);
    platform::at(Site::kKhoDeserialiseBlock, block.phys.value, block.order.value);
}

void enter_node(const tracker::Node& node) {
    if (node.entries > node.entries_max)
        platform::log(LogLevel::kError, Log::kKhoChunkTooLong, node.at.value, node.entries, node.entries_max);
    platform::at(node.site, node.at.value, node.level);
}

/// What the walk starts from. A map that is missing or has another size is one error line and nothing more (§10.10).
PhysAddr incoming_map(const Kernel& k) {
    const FdtView view = open_incoming(k);
    const auto head = view.error == 0 ? u64_property(view.tree, 0, kMapProperty) : std::nullopt;
    if (!head) platform::log(LogLevel::kError, Log::kKhoRejectMap, k.kho.incoming.fdt.value);
    return {head.value_or(0)};
}

void give_up_walk(Kernel& k, const tracker::WalkResult& end) {
    if (!k.rules().forget_after_bad_walk) {
        platform::log(LogLevel::kError, Log::kKhoChunkBadOrder, end.at.value, end.detail);
        return;
    }
    // What was reserved so far stays so; nobody will be told whose it was.
    platform::log(LogLevel::kError, Log::kKhoRadixBadKey, end.at.value, end.detail);
    k.kho.is_kho_boot = 0;
    k.kho.incoming = {};
}

void deserialise(Kernel& k) {
    u64 blocks = 0;
    u64 pages = 0;
    const auto reserve = [&](const Block& block) {
        reserve_block(k, block);
        ++blocks;
        pages += block.order.pages();
        return true;
    };
    const auto enter = [](const tracker::Node& node) { enter_node(node); };
    const auto end = tracker::walk(k, incoming_map(k), ~u64{0}, {reserve, enter});
    if (end.end == tracker::WalkEnd::kNotMemory) platform::page_fault(end.at, end.detail);
    if (end.end == tracker::WalkEnd::kBadOrder) give_up_walk(k, end);
    platform::log(LogLevel::kInfo, Log::kKhoPreserved, blocks, pages * (geometry(k).page_size() / kKiB));
}

}  // namespace

void memory_init(Kernel& k) {
    if (k.kho.scratch_inherited == 0) {
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
    const PhysAddr map{u64_property(view.tree, 0, kMapProperty).value_or(0)};
    const u64 nodes_max = shr(k.memblock.memory.total_size, geometry(k).page_shift);  // more would be a cycle
    Block found{};
    u64 left = index;
    const auto count_down = [&](const Block& block) {
        found = block;
        return left-- != 0;
    };
    const auto no_node = [](const tracker::Node&) {};
    const auto end = tracker::walk(k, map, nodes_max, {count_down, no_node});
    if (end.end == tracker::WalkEnd::kStopped) return found;
    return fail(end.end == tracker::WalkEnd::kDone ? Errno::kENOENT : Errno::kEFAULT);
}

}  // namespace baton::kho
