// SPDX-License-Identifier: GPL-2.0-only
// The address space a kernel runs in: a direct map of all memory and its own image (specs/boot.md §3; specs/kexec.md §9).
//
// Only the image's text is executable, and nothing is both writable and executable: all data, the direct map included,
// is NX (decision D35). The direct map takes the largest leaves that fit, so that 16 TiB cost 128 KiB of tables
// (decision D13); memory regions that differ in flags or node only are joined first, or scratch areas would cut them.
#include <algorithm>

#include "model/kernel.hpp"
#include "model/mm/paging/paging.hpp"

namespace baton::paging {
namespace {

// Tables are taken from memblock while it serves: in scratch-only mode they lie in scratch, as all early allocations.
Result<PhysAddr> early_table(void* context) {
    Kernel& k = *static_cast<Kernel*>(context);
    const u64 page = geometry(k).page_size();
    const PhysAddr table = memblock::alloc_or_panic(k.memblock, page, page);
    platform::own({table, page}, Owner::kNobody, Owner::kPageTables);
    return table;
}

// Bytes of virtual space for the direct map: the lower half of TTBR1's, and Linux's 64 TiB on x86-64.
u64 direct_map_bytes(const Geometry& g) { return g.isa == Isa::kX86_64 ? 64 * kTiB : shl(1, g.va_bits - 1); }

void map_or_panic(Kernel& k, VirtAddr va, PhysAddr pa, u64 size, u32 flags) {
    const TableSource tables{early_table, &k};
    const Status s = map(geometry(k), k.page_table, va, pa, size, flags | kMapGlobal, kGiB, tables);
    BATON_ASSERT(s.has_value());  // early_table panics by itself
}

void map_memory(Kernel& k) {
    u64 cursor = 0;
    PhysRange run;
    while (next_mapped(k, cursor, run)) {
        const u64 reach = direct_map_bytes(geometry(k));
        if (run.end() - k.memstart > reach) platform::panic(Log::kPanicTooMany, reach, run.end() - k.memstart);
        map_or_panic(k, direct_map_va(k, run.start), run.start, run.size, kMapWrite);
    }
}

// Text is widened to whole pages; the Kernel object, which must stay writable, never shares one with it.
void map_image(Kernel& k) {
    const Geometry& g = geometry(k);
    const u64 size = align_up(k.image_size, g.page_size());
    const u64 text_end = k.header.text_size == 0
                             ? 0
                             : align_up(k.header.text_offset + k.header.text_size, g.page_size());
    const u64 text_start = std::min(align_down(k.header.text_offset, g.page_size()), text_end);
    BATON_ASSERT(text_end <= size && (text_end == 0 || text_end <= k.header.kernel_offset));
    const VirtAddr base{g.kernel_text_base};
    map_or_panic(k, base, k.image, text_start, kMapWrite);
    map_or_panic(k, base + text_start, k.image + text_start, text_end - text_start, kMapExecute);
    map_or_panic(k, base + text_end, k.image + text_end, size - text_end, kMapWrite);
}

}  // namespace

VirtAddr direct_map_va(const Kernel& k, PhysAddr a) { return {geometry(k).direct_map_base + (a - k.memstart)}; }

bool next_mapped(const Kernel& k, u64& cursor, PhysRange& out) {
    const MemblockType& memory = k.memblock.memory;
    const u64 page = geometry(k).page_size();
    while (cursor < memory.cnt) {
        const MemblockRegion first = memblock::region(memory, cursor++);
        platform::charge(Work::kMemblockScans, 1);
        if (first.flags & kMemblockNomap) continue;
        PhysAddr end = first.end();
        for (; cursor < memory.cnt; ++cursor) {
            const MemblockRegion next = memblock::region(memory, cursor);
            platform::charge(Work::kMemblockScans, 1);
            if (next.base != end || (next.flags & kMemblockNomap)) break;
            end = next.end();
        }
        const PhysAddr start = align_up(first.base, page);
        end = align_down(end, page);
        if (start < end) {
            out = {start, end - start};
            return true;
        }
    }
    return false;
}

void init_kernel_space(Kernel& k) {
    k.page_table = *early_table(&k);
    map_memory(k);
    map_image(k);
    platform::load_root(k.page_table, 0);
}

}  // namespace baton::paging
