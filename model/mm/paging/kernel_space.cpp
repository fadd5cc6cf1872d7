// SPDX-License-Identifier: GPL-2.0-only
// The address space a kernel runs in: a direct map of all memory and its own image (specs/boot.md §3, kexec.md §9).
//
// Only the image's text is executable, and nothing is both writable and executable: all data, the direct map included,
// is NX (decision D35). The direct map takes the largest leaves that fit, so that 16 TiB cost 128 KiB of tables
// (decision D13); memory regions that differ in flags or node only are joined first, or scratch areas would cut them.
#include "model/kernel.hpp"
#include "model/mm/early_alloc.hpp"
#include "model/mm/paging/paging.hpp"
#include "model/port.hpp"

namespace baton::paging {
namespace {

// Tables are taken from memblock while it serves: in scratch-only mode they lie in scratch, as all early allocations.
Result<PhysAddr> early_table(void* context) {
    Kernel& k = *static_cast<Kernel*>(context);
    const u64 page = geometry(k).page_size();
    const PhysAddr table = mm::early_alloc_or_panic(k, AllocSite::kBootTables, {.size = page, .align = page});
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

// Part of the image, widened to whole pages. What is executable never shares a page with the Kernel object.
void map_code(Kernel& k, u64 offset, u64 size) {
    const Geometry& g = geometry(k);
    if (size == 0) return;
    const u64 start = align_down(offset, g.page_size());
    const u64 end = align_up(offset + size, g.page_size());
    BATON_ASSERT(start < end && end <= k.image_size && end <= k.header.kernel_offset);
    map_or_panic(k, VirtAddr{g.kernel_text_base} + start, k.image + start, end - start, kMapExecute);
}

// Code first: what is mapped already keeps its rights when the rest of the image follows. The Kernel object is reached
// through the direct map; where it would be is the boot stack's guard (not with 64K pages: they share one).
void map_image(Kernel& k) {
    const Geometry& g = geometry(k);
    const ImageHeader& h = k.header;
    map_code(k, h.text_offset, h.text_size);
    // x86-64 enters the relocation routine at the kernel's own address (specs/kexec.md §7.3).
    if (g.isa == Isa::kX86_64) map_code(k, h.relocate_offset, h.relocate_size);
    const VirtAddr base{g.kernel_text_base};
    map_or_panic(k, base, k.image, align_down(h.kernel_offset, g.page_size()), kMapWrite);
    const u64 stack = align_down(kBootStackOffset, g.page_size());
    map_or_panic(k, base + stack, k.image + stack, align_up(k.image_size, g.page_size()) - stack, kMapWrite);
}

// Natively nobody uses it, but it takes the same tables from memblock.
void map_port(Kernel& k) {
    const Isa isa = geometry(k).isa;
    const PortMap& port = port_map(isa);
    const u64 half = port.window_bytes / 2;
    const VirtAddr va{window_va(isa)};
    map_or_panic(k, va, port.window, half, kMapWrite);
    map_or_panic(k, va + half, port.window + half, half, kMapWrite | kMapDevice);
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
    map_port(k);
    platform::load_root(k.page_table, 0);
}

}  // namespace baton::paging
