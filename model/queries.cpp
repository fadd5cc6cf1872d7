// SPDX-License-Identifier: GPL-2.0-only
#include "model/queries.hpp"

#include "model/kernel.hpp"
#include "model/mm/hotplug.hpp"
#include "model/mm/vm_map.hpp"

namespace baton {
namespace {

using Reader = Errno (*)(const Kernel&, u64 index, u64 (&values)[6]);

template <class... T>
Errno answer(u64 (&values)[6], T... v) {
    u32 i = 0;
    ((values[i++] = v), ...);
    return Errno::kOk;
}

Errno kho_state(const Kernel& k, u64, u64 (&v)[6]) {
    return answer(v, u64{k.kho.enabled}, u64{k.kho.is_kho_boot}, u64{k.kho.finalised}, k.kho.fdt.value,
                  k.kho.scratch.value, k.kho.scratch_count);
}

Errno incoming(const Kernel& k, u64, u64 (&v)[6]) {
    const KhoIncoming& in = k.kho.incoming;
    return answer(v, in.fdt.value, in.fdt_size, in.scratch.value, in.scratch_bytes);
}

Errno scratch(const Kernel& k, u64 index, u64 (&v)[6]) {
    if (index >= k.kho.scratch_count) return Errno::kENOENT;
    const kho::ScratchArea area = kho::scratch_area(k, index);
    return answer(v, area.addr.value, area.size);
}

Errno image(const Kernel& k, u64, u64 (&v)[6]) {
    const Kimage& i = k.kexec.image;
    return answer(v, u64{i.loaded}, i.head, i.start.value, u64{i.segment_count}, i.source_pages,
                  i.control_code_page.value);
}

Errno segment(const Kernel& k, u64 index, u64 (&v)[6]) {
    const Kimage& i = k.kexec.image;
    if (i.loaded == 0 || index >= i.segment_count) return Errno::kENOENT;
    const KexecSegment& s = i.segments[index];
    return answer(v, s.mem.value, s.memsz, s.bufsz);
}

Errno free_pages(const Kernel& k, u64, u64 (&v)[6]) {
    const mm::MemoryCounts c = mm::counts(k);
    return answer(v, c.free_pages, c.managed_pages, c.cma_free_pages);
}

Errno page_state(const Kernel& k, u64 address, u64 (&v)[6]) {
    const PhysAddr a{address};
    const auto page = mm::page_of(k, a);
    if (!page) return Errno::kENOENT;
    return answer(v, static_cast<u64>(static_cast<i64>(mm::page_refcount(*page.get()))),
                  u64{mm::folio_order(k, a).value}, mm::page_state_flags(k, a),
                  u64{memblock::is_reserved(k.memblock, a)},
                  static_cast<u64>(mm::node_of(k, geometry(k).pfn_of(a)).value));
}

Errno tracker(const Kernel& k, u64, u64 (&v)[6]) { return answer(v, k.kho.tracker.blocks, k.kho.tracker.pages); }

Errno kernel(const Kernel& k, u64, u64 (&v)[6]) {
    return answer(v, k.image.value, k.image_size, u64{k.config.generation}, k.loaded.value);
}

Errno kexec_metadata(const Kernel& k, u64, u64 (&v)[6]) { return answer(v, u64{k.kho.kexec_count}); }

Errno vmalloc_pages(const Kernel& k, u64 where, u64 (&v)[6]) {
    const VmArea* area = vm::find(k, static_cast<u32>(where >> 32));
    const u64 index = where & ~u32{0};
    if (area == nullptr || index >= area->pages) return Errno::kENOENT;
    v[0] = area->pages;
    for (u64 i = 0; i < 5 && index + i < area->pages; ++i) v[1 + i] = vm::page_at(k, *area, index + i).value;
    return Errno::kOk;
}

Errno numa_state(const Kernel& k, u64, u64 (&v)[6]) {
    return answer(v, k.numa.online, k.numa.with_memory, u64{k.numa.local});
}

Errno node(const Kernel& k, u64 nid, u64 (&v)[6]) {
    if (nid >= kNodesMax) return Errno::kENOENT;
    const auto c = mm::node_counts(k, {static_cast<i32>(nid)});
    if (!c) return c.error();
    return answer(v, c->present_pages, c->managed_pages, c->free_pages, c->seen_managed, c->seen_free);
}

Errno preserved_block(const Kernel& k, u64 index, u64 (&v)[6]) {
    const auto block = kho::incoming_block(k, index);
    if (!block) return block.error();
    return answer(v, block->phys.value, u64{block->order.value});
}

Errno memory_blocks(const Kernel& k, u64, u64 (&v)[6]) {
    const hotplug::Blocks b = hotplug::blocks(k);
    return answer(v, b.bytes, b.offline, b.removed);
}

Errno vmalloc_area(const Kernel& k, u64 slot, u64 (&v)[6]) {
    const VmArea* area = vm::find(k, static_cast<u32>(slot));
    if (area == nullptr) return Errno::kENOENT;
    return answer(v, area->start, area->mapped, vm::address_of(k, area->start).value);
}

struct Row {
    Query query;
    Reader reader;
};
constexpr Row kReaders[] = {
    {Query::kKho, kho_state},
    {Query::kIncoming, incoming},
    {Query::kScratch, scratch},
    {Query::kImage, image},
    {Query::kSegment, segment},
    {Query::kFreePages, free_pages},
    {Query::kPageState, page_state},
    {Query::kTracker, tracker},
    {Query::kKernel, kernel},
    {Query::kKexecMetadata, kexec_metadata},
    {Query::kVmallocPages, vmalloc_pages},
    {Query::kNuma, numa_state},
    {Query::kNode, node},
    {Query::kPreservedBlock, preserved_block},
    {Query::kMemoryBlocks, memory_blocks},
    {Query::kVmallocArea, vmalloc_area},
};

}  // namespace

Errno query(Kernel& k, const Command& command, Reply& reply) {
    for (const Row& row : kReaders)
        if (static_cast<u64>(row.query) == command.args[0]) return row.reader(k, command.args[1], reply.values);
    return Errno::kEINVAL;
}

}  // namespace baton
