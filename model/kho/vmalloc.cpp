// SPDX-License-Identifier: GPL-2.0-only
// Preserve, unpreserve and restore of vmalloc areas (see vmalloc.hpp).
#include "model/kho/vmalloc.hpp"

#include <algorithm>

#include "model/bits.hpp"
#include "model/mm/vm_map.hpp"

namespace baton::kho {
namespace {

/// Runs a chunk has room for.
u64 entries_max(const Kernel& k) { return vmalloc_entries_max(geometry(k).page_size()); }
PhysAddr entry_at(PhysAddr chunk, u64 i) { return chunk + sizeof(u64) + i * sizeof(u64); }

/// A new chunk page, preserved, linked from `last` (0 = it is the first).
Result<PhysAddr> add_chunk(Kernel& k, PhysAddr last) {
    const auto chunk = mm::alloc_pages(k, {0}, kAllocZero, AllocSite::kKhoVmalloc);
    if (!chunk) return chunk;
    if (const Status kept = preserve_pages(k, *chunk, 1); !kept) {
        mm::free_pages(k, *chunk, {0});
        return fail(kept.error());
    }
    if (last.value != 0) ram::store(last, *chunk);
    platform::charge(Work::kListLinks, 1);
    platform::at(Site::kKhoVmallocChunk, chunk->value);
    return chunk;
}

/// Entries of a chunk: up to the first zero, or a full page of them.
u64 entries_in(const Kernel& k, PhysAddr chunk) {
    // B09: a full chunk has no zero, and the walk looked for nothing else.
    u64 bound = entries_max(k);
    if (k.defect(Defect::kB09)) [[unlikely]]
        bound = ~u64{0};
    u64 n = 0;
    while (n < bound && ram::load<u64>(entry_at(chunk, n)) != 0) {
        platform::charge(Work::kListLinks, 1);
        ++n;
    }
    return n;
}

/// Pages that unpreserve believes a run has.
u64 unpreserved_pages(const Kernel& k, Order order) {
    // B10: one, whatever the order.
    if (k.defect(Defect::kB10)) [[unlikely]]
        return 1;
    return order.pages();
}

void free_chunks(Kernel& k, const VmallocDescriptor& d) {
    const u64 pages = unpreserved_pages(k, {d.order});
    for (PhysAddr chunk = d.first; chunk.value != 0;) {
        const u64 entries = entries_in(k, chunk);
        for (u64 i = 0; i < entries; ++i)
            if (!unpreserve_pages(k, ram::load<PhysAddr>(entry_at(chunk, i)), pages)) BATON_WARN();
        const auto next = ram::load<PhysAddr>(chunk);
        if (!unpreserve_pages(k, chunk, 1)) BATON_WARN();
        mm::free_pages(k, chunk, {0});
        chunk = next;
    }
}

/// The run that begins at the cursor; EINVAL unless it is contiguous and aligned to its size.
Result<PhysAddr> next_run(const Kernel& k, vm::PageCursor& cursor, Order order) {
    const PhysAddr head = cursor.next();
    bool whole = is_aligned(head, geometry(k).bytes_of(order));
    for (u64 i = 1; i < order.pages(); ++i) whole &= cursor.next() == head + i * geometry(k).page_size();
    if (!whole) return fail(Errno::kEINVAL);
    return head;
}

/// Preserves the runs and names them in chunks. Says apart whether it was a chunk that could not be had.
Status name_runs(Kernel& k, const VmArea& area, PhysAddr chunk, bool& chunk_missing) {
    const Order order{area.order};
    vm::PageCursor cursor(k, area);
    u64 used = 0;
    for (u64 page = 0; page < area.pages; page += order.pages()) {
        const auto run = next_run(k, cursor, order);
        if (!run) return fail(run.error());
        if (const Status kept = preserve_pages(k, *run, order.pages()); !kept) return kept;
        ram::store(entry_at(chunk, used), *run);
        if (++used < entries_max(k)) continue;
        const auto next = add_chunk(k, chunk);
        chunk_missing = !next;
        if (!next) return fail(next.error());
        chunk = *next;
        used = 0;
    }
    return {};
}

/// Wire flags (§2.5) of an area; EOPNOTSUPP for one of another kind.
Result<u16> wire_flags(u32 flags) {
    if ((flags & kVmAlloc) == 0 || (flags & ~u32{kVmAlloc | kVmAllowHuge}) != 0) return fail(Errno::kEOPNOTSUPP);
    return static_cast<u16>(kVmallocAlloc | ((flags & kVmAllowHuge) != 0 ? u32{kVmallocHuge} : 0));
}

/// What a failed preserve, with everything undone, tells its caller.
Status told(const Kernel& k, Errno error, bool chunk_missing) {
    // B13: that there was no next chunk had not been written down as an error.
    if (chunk_missing && k.defect(Defect::kB13)) [[unlikely]]
        return {};
    return fail(error);
}

struct Restoring {
    Kernel& k;
    const VmallocDescriptor& d;
    u32 slot;
    u64 pages = 0;

    Status run(PhysAddr head) {
        const Order order{d.order};
        if (order.pages() > d.total_pages - pages) return fail(Errno::kEINVAL);
        if (const Status back = restore_pages(k, head, order.pages()); !back) return back;
        for (u64 i = 0; i < order.pages(); ++i) {
            PhysAddr page = head + i * geometry(k).page_size();
            // B11: the head stood for all of them.
            if (k.defect(Defect::kB11)) [[unlikely]]
                page = head;
            if (const Status added = vm::append(k, slot, page); !added) return added;
        }
        pages += order.pages();
        return {};
    }

    Status chunk(PhysAddr at) {
        const u64 entries = entries_in(k, at);
        for (u64 i = 0; i < entries; ++i)
            if (const Status back = run(ram::load<PhysAddr>(entry_at(at, i))); !back) return back;
        // A list that bites its tail ends here: a chunk is restored once.
        if (const Status back = restore_pages(k, at, 1); !back) return back;
        return {};
    }

    Status all() {
        for (PhysAddr at = d.first; at.value != 0;) {
            if (!is_aligned(at, geometry(k).page_size())) return fail(Errno::kEINVAL);
            if (const Status done = chunk(at); !done) return done;
            const auto next = ram::load<PhysAddr>(at);
            mm::free_pages(k, at, {0});
            at = next;
        }
        if (pages != d.total_pages) return fail(Errno::kEINVAL);
        return vm::map(k, slot);
    }
};

}  // namespace

Status preserve_vmalloc(Kernel& k, u32 slot, VmallocDescriptor& descriptor) {
    if (k.kho.enabled == 0 || !k.rules().vmalloc) return fail(Errno::kEOPNOTSUPP);
    const VmArea* area = vm::find(k, slot);
    if (area == nullptr || area->pages > ~u32{0}) return fail(Errno::kEINVAL);
    const auto flags = wire_flags(area->flags);
    if (!flags) return fail(flags.error());
    const auto first = add_chunk(k, {});
    if (!first) return fail(first.error());
    descriptor = {*first, static_cast<u32>(area->pages), *flags, static_cast<u16>(area->order)};
    bool chunk_missing = false;
    const Status named = name_runs(k, *area, *first, chunk_missing);
    if (named) return {};
    free_chunks(k, descriptor);
    return told(k, named.error(), chunk_missing);
}

Status unpreserve_vmalloc(Kernel& k, const VmallocDescriptor& descriptor) {
    if (k.kho.enabled == 0 || !k.rules().vmalloc) return fail(Errno::kEOPNOTSUPP);
    if (k.kho.finalised != 0 && k.rules().preserve_busy_after_finalise) return fail(Errno::kEBUSY);
    free_chunks(k, descriptor);
    return {};
}

Result<u32> restore_vmalloc(Kernel& k, const VmallocDescriptor& descriptor) {
    if (!k.rules().vmalloc) return fail(Errno::kEOPNOTSUPP);
    const bool known = (descriptor.flags & ~u32{kVmallocAlloc | kVmallocHuge}) == 0;
    if (!known || descriptor.order >= kKhoOrders) return fail(Errno::kEINVAL);
    const u32 flags = kVmAlloc | ((descriptor.flags & kVmallocHuge) != 0 ? u32{kVmAllowHuge} : 0);
    const auto slot = vm::create(k, {descriptor.order}, flags);
    if (!slot) return slot;
    Restoring restoring{k, descriptor, *slot};
    if (const Status done = restoring.all(); !done) {
        vm::forget(k, *slot);
        platform::log(LogLevel::kWarn, Log::kKhoVmallocFailed, restoring.pages, descriptor.total_pages);
        return fail(done.error());
    }
    return slot;
}

}  // namespace baton::kho
