// SPDX-License-Identifier: GPL-2.0-only
// Preserve and unpreserve (specs/kho.md §3.2): folios as they are, runs of pages split into aligned blocks.
//
// A run is split into the largest blocks that alignment and length allow; nothing caps their order at what the page
// allocator can hold (B22). The same start and length always give the same blocks, which is how a run is found again
// to unpreserve or restore it: there is no record of runs, only bits.
#include <algorithm>

#include "model/kho/metadata.hpp"
#include "model/kho/tracker.hpp"

namespace baton::kho {
namespace {

void change_owner(const Kernel& k, PhysRange block, bool preserved) {
    const Owner plain = plain_owner(k, block);
    if (preserved)
        platform::own(block, plain, Owner::kPreserved);
    else
        platform::own(block, Owner::kPreserved, plain);
}

Status preserve_block(Kernel& k, Pfn pfn, Order order) {
    const Geometry& g = geometry(k);
    const PhysRange block{g.phys_of(pfn), g.bytes_of(order)};
    if (k.option(kOptionKhoDebug) && in_scratch(k, block)) {
        platform::log(LogLevel::kError, Log::kKhoScratchOverlap, block.start.value, block.size);
        BATON_WARN();
        return fail(Errno::kEINVAL);
    }
    const auto fresh = tracker::set(k, pfn, order);
    if (!fresh) return fail(fresh.error());
    if (*fresh) change_owner(k, block, true);
    platform::at(Site::kKhoPreserve, block.start.value, order.value);
    return {};
}

/// False when the walk must not go on to the next block: what early kernels did when a bitmap was missing (B15).
bool unpreserve_block(Kernel& k, Pfn pfn, Order order) {
    const Geometry& g = geometry(k);
    const PhysRange block{g.phys_of(pfn), g.bytes_of(order)};
    const tracker::Cleared cleared = tracker::clear(k, pfn, order);
    if (cleared == tracker::Cleared::kYes) {
        change_owner(k, block, false);
        platform::at(Site::kKhoUnpreserve, block.start.value, order.value);
        return true;
    }
    if (cleared == tracker::Cleared::kNoBitmap && k.defect(Defect::kB15)) [[unlikely]]
        return false;
    platform::log(LogLevel::kWarn, Log::kKhoUnpreserveMissing, block.start.value, order.value);
    BATON_WARN();
    return true;
}

i32 node_of(const Kernel& k, Pfn pfn) {
    const MemblockType& memory = k.memblock.memory;
    platform::charge(Work::kMemblockScans, 1);
    const auto index = memblock::search(memory, geometry(k).phys_of(pfn));
    return index ? memblock::region(memory, *index).nid : kNoNode.value;
}

/// block_order, made smaller where the block would span two nodes.
Order split_order(const Kernel& k, Pfn pfn, u64 pages_left) {
    Order order = block_order(pfn, pages_left);
    // B23: nobody thought of nodes.
    if (k.defect(Defect::kB23)) [[unlikely]]
        return order;
    while (order.value != 0 && node_of(k, pfn) != node_of(k, pfn + (order.pages() - 1))) --order.value;
    return order;
}

Order unpreserve_order(const Kernel& k, Pfn pfn, u64 pages_left) {
    // B24: when preserving learned to mind nodes, this did not.
    if (k.defect(Defect::kB24)) [[unlikely]]
        return block_order(pfn, pages_left);
    return split_order(k, pfn, pages_left);
}

void unpreserve_run(Kernel& k, Pfn start, Pfn end) {
    for (Pfn pfn = start; pfn < end;) {
        const Order order = unpreserve_order(k, pfn, end - pfn);
        if (unpreserve_block(k, pfn, order)) pfn += order.pages();
    }
}

Status may_change(const Kernel& k) {
    if (k.kho.enabled == 0) return fail(Errno::kEOPNOTSUPP);
    if (k.kho.finalised != 0 && k.rules().preserve_busy_after_finalise) return fail(Errno::kEBUSY);
    return {};
}

/// The order of the folio at `a`; EINVAL if there is none.
Result<Order> folio_at(const Kernel& k, PhysAddr a) {
    if (!is_aligned(a, geometry(k).page_size())) return fail(Errno::kEINVAL);
    const auto page = mm::page_of(k, a);
    if (!page || (page.get()->next & 1) != 0) return fail(Errno::kEINVAL);
    const Order order = mm::folio_order(k, a);
    if (!is_aligned(a, geometry(k).bytes_of(order))) return fail(Errno::kEINVAL);
    return order;
}

/// The frames of a run; EINVAL if they are not all memory.
struct Run {
    Pfn start;
    Pfn end;
};
Result<Run> run_at(const Kernel& k, PhysAddr start, u64 pages) {
    const Geometry& g = geometry(k);
    if (!is_aligned(start, g.page_size())) return fail(Errno::kEINVAL);
    const Pfn first = g.pfn_of(start);
    if (pages > shr(~u64{0}, g.page_shift) - first.value) return fail(Errno::kEINVAL);
    if (pages != 0 && !is_memory(k, start, pages << g.page_shift)) return fail(Errno::kEINVAL);
    return Run{first, first + pages};
}

}  // namespace

Order block_order(Pfn pfn, u64 pages_left) {
    BATON_ASSERT(pages_left != 0);
    return {std::min(ctz(pfn.value), floor_log2(pages_left))};
}

Status preserve_folio(Kernel& k, PhysAddr folio) {
    if (const Status may = may_change(k); !may) return may;
    const auto order = folio_at(k, folio);
    if (!order) return fail(order.error());
    return preserve_block(k, geometry(k).pfn_of(folio), *order);
}

Status preserve_pages(Kernel& k, PhysAddr start, u64 pages) {
    if (const Status may = may_change(k); !may) return may;
    const auto run = run_at(k, start, pages);
    if (!run) return fail(run.error());
    for (Pfn pfn = run->start; pfn < run->end;) {
        const Order order = split_order(k, pfn, run->end - pfn);
        if (const Status done = preserve_block(k, pfn, order); !done) {
            unpreserve_run(k, run->start, pfn);
            return done;
        }
        pfn += order.pages();
    }
    return {};
}

Status unpreserve_folio(Kernel& k, PhysAddr folio) {
    if (const Status may = may_change(k); !may) return may;
    const auto order = folio_at(k, folio);
    if (!order) return fail(order.error());
    const Pfn pfn = geometry(k).pfn_of(folio);
    unpreserve_run(k, pfn, pfn + order->pages());
    return {};
}

Status unpreserve_pages(Kernel& k, PhysAddr start, u64 pages) {
    if (const Status may = may_change(k); !may) return may;
    const auto run = run_at(k, start, pages);
    if (!run) return fail(run.error());
    unpreserve_run(k, run->start, run->end);
    return {};
}

}  // namespace baton::kho
