// SPDX-License-Identifier: GPL-2.0-only
// The states of a memory block: online, offline, removed (see hotplug.hpp).
#include "model/mm/hotplug.hpp"

#include <algorithm>

#include "model/kho/tracker.hpp"
#include "model/mm/isolate.hpp"

namespace baton::hotplug {
namespace {

using namespace mm;
using namespace mm::internal;

/// The entry of the block that starts at `a`; null if none does.
const MemSection* block_at(const Kernel& k, PhysAddr a) {
    const Geometry& g = geometry(k);
    return is_aligned(a, g.section_bytes()) ? section_entry(k, g.pfn_of(a)) : nullptr;
}

BlockPages pages_at(const Kernel& k, PhysAddr a) { return {geometry(k).pfn_of(a), pages_per_section(geometry(k))}; }
PhysRange range_at(const Kernel& k, PhysAddr a) { return {a, geometry(k).section_bytes()}; }

/// All of it is memory with a direct map, in one zone.
bool is_whole(Kernel& k, PhysAddr a) {
    const PhysRange block = range_at(k, a);
    const Geometry& g = geometry(k);
    if (section_entry(k, g.pfn_of(a))->nid == kMixedNode) return false;
    if (&zone_of(k, g.pfn_of(block.start)) != &zone_of(k, g.pfn_of(block.end() - 1))) return false;
    for (PhysAddr at = block.start; at < block.end();) {
        platform::charge(Work::kMemblockScans, 1);
        const auto i = memblock::search(k.memblock.memory, at);
        if (!i) return false;
        const MemblockRegion r = memblock::region(k.memblock.memory, *i);
        if ((r.flags & kMemblockNomap) != 0) return false;
        at = r.end();
    }
    return true;
}

bool holds_preserved(const Kernel& k, PhysRange range) {
    bool found = false;
    kho::tracker::for_each_block(
        k, [&](const kho::Block& b) { found |= range.overlaps({b.phys, geometry(k).bytes_of(b.order)}); });
    return found;
}

/// EBUSY if KHO has a say, and it says no.
Status ask_kho(const Kernel& k, PhysAddr block) {
    // B68: nobody asks: what is preserved and movable is moved, and the tracker still names its old place.
    if (k.defect(Defect::kB68)) [[unlikely]]
        return {};
    if (k.kho.enabled == 0 || !holds_preserved(k, range_at(k, block))) return {};
    platform::log(LogLevel::kWarn, Log::kBlockBusy, block.value, block.value);
    return fail(Errno::kEBUSY);
}

/// Takes the pages of an untouched section from its zone: none of them is on a list.
void take_untouched(Kernel& k, PhysAddr block) {
    const BlockPages pages = pages_at(k, block);
    Zone& z = zone_of(k, pages.start);
    BATON_ASSERT(z.untouched_sections != 0 && z.free_pages >= pages.pages);
    --z.untouched_sections;
    z.free_pages -= pages.pages;
    platform::charge(Work::kBuddyOps, pages.pages >> geometry(k).max_order);
}

/// Empties a block; how many folios were moved.
Result<u64> empty(Kernel& k, PhysAddr block) {
    const BlockPages pages = pages_at(k, block);
    if (section_of(k, pages.start)->state == SectionState::kUntouched) {
        take_untouched(k, block);
        return u64{0};
    }
    Pfn stuck{};
    if (const auto unmovable = find_unmovable(k, pages)) {
        platform::log(LogLevel::kWarn, Log::kBlockBusy, block.value, geometry(k).phys_of(*unmovable).value);
        return fail(Errno::kEBUSY);
    }
    isolate(k, pages);
    platform::at(Site::kMmIsolated, block.value);
    const auto moved = migrate_all(k, pages, stuck);
    if (!moved) {
        unisolate(k, pages);
        platform::log(LogLevel::kWarn, Log::kBlockBusy, block.value, geometry(k).phys_of(stuck).value);
        return moved;
    }
    take_all(k, pages);
    return moved;
}

/// The memmap of a block becomes free memory, whoever gave it: the page allocator, or memblock at boot.
void free_memmap(Kernel& k, PhysAddr memmap) {
    const Geometry& g = geometry(k);
    const u64 pages = memmap_run_pages(g);
    platform::charge(Work::kStructPages, pages);
    if (load_page(k, g.pfn_of(memmap)).refcount != 0)
        free_run(k, memmap, pages);
    else
        free_reserved(k, {memmap, pages << g.page_shift}, Owner::kKernel);
}

u64 count_in(const Kernel& k, SectionState state) {
    u64 n = 0;
    for (u64 i = 0; i < k.pages.section_count; ++i) {
        const u64 first = (k.pages.first_section + i) * pages_per_section(geometry(k));
        n += section_entry(k, {first})->state == state ? 1 : 0;
    }
    return n;
}

bool is_unusable(const Kernel& k, PhysAddr block, SectionState state) {
    if (state == SectionState::kRemoved) return true;
    const auto i = memblock::search(k.memblock.memory, block);
    return i && (memblock::region(k.memblock.memory, *i).flags & kMemblockDriverManaged) != 0;
}

}  // namespace

Status offline(Kernel& k, PhysAddr block) {
    const MemSection* s = block_at(k, block);
    if (s == nullptr || s->memmap.value == 0) return fail(Errno::kEINVAL);
    if (s->state == SectionState::kOffline) return {};
    if (!is_whole(k, block)) return fail(Errno::kEINVAL);
    if (const Status may = ask_kho(k, block); !may) return may;
    const auto moved = empty(k, block);
    if (!moved) return fail(moved.error());
    const BlockPages pages = pages_at(k, block);
    Zone& z = zone_of(k, pages.start);
    BATON_ASSERT(z.managed_pages >= pages.pages);
    z.managed_pages -= pages.pages;
    claim_section(k, pages.start)->state = SectionState::kOffline;
    platform::own(range_at(k, block), Owner::kFree, Owner::kNobody);
    platform::log(LogLevel::kInfo, Log::kBlockOffline, block.value, geometry(k).section_bytes() / kKiB, *moved);
    return {};
}

Status online(Kernel& k, PhysAddr block) {
    const MemSection* s = block_at(k, block);
    if (s == nullptr || s->memmap.value == 0) return fail(Errno::kEINVAL);
    if (s->state != SectionState::kOffline) return {};
    const Geometry& g = geometry(k);
    const BlockPages pages = pages_at(k, block);
    reset_section(k, pages.start, s->memmap);
    platform::charge(Work::kStructPages, pages.pages);
    Zone& z = zone_of(k, pages.start);
    claim_section(k, pages.start)->state = SectionState::kUntouched;
    ++z.untouched_sections;
    z.frontier = std::max(z.frontier, section_index(g, pages.start) + 1);
    z.free_pages += pages.pages;
    z.managed_pages += pages.pages;
    platform::own(range_at(k, block), Owner::kNobody, Owner::kFree);
    platform::log(LogLevel::kInfo, Log::kBlockOnline, block.value, g.section_bytes() / kKiB);
    return {};
}

Status add(Kernel& k, PhysAddr block, bool driver_managed) {
    const MemSection* s = block_at(k, block);
    if (s == nullptr) return fail(Errno::kEINVAL);
    if (s->memmap.value != 0) return fail(Errno::kEEXIST);
    if (s->state != SectionState::kRemoved) return fail(Errno::kEINVAL);
    const Geometry& g = geometry(k);
    const NodeId nid{s->nid};
    const auto memmap = alloc_run(k, memmap_run_pages(g), 0, AllocSite::kHotplugMemmap);
    if (!memmap) return fail(memmap.error());
    const u32 flags = driver_managed ? kMemblockDriverManaged : kMemblockNone;
    if (const Status added = memblock::add(k.memblock, range_at(k, block), nid, flags); !added) {
        free_run(k, *memmap, memmap_run_pages(g));
        return added;
    }
    const Pfn start = pages_at(k, block).start;
    reset_section(k, start, *memmap);
    MemSection& entry = *claim_section(k, start);
    entry.state = SectionState::kOffline;
    entry.nid = std::max(nid.value, 0);
    return {};
}

Status remove(Kernel& k, PhysAddr block) {
    const MemSection* s = block_at(k, block);
    if (s == nullptr || s->memmap.value == 0) return fail(Errno::kEINVAL);
    if (s->state != SectionState::kOffline) return fail(Errno::kEBUSY);
    const auto region = memblock::search(k.memblock.memory, block);
    const i32 nid = region ? memblock::region(k.memblock.memory, *region).nid : kNoNode.value;
    const u32 flags = region ? memblock::region(k.memblock.memory, *region).flags : u32{kMemblockNone};
    if (const Status gone = memblock::remove(k.memblock, range_at(k, block)); !gone) return gone;
    if (const Status gone = memblock::release(k.memblock, range_at(k, block)); !gone) {
        if (!memblock::add(k.memblock, range_at(k, block), {nid}, flags)) BATON_WARN();
        return gone;
    }
    const PhysAddr memmap = s->memmap;
    MemSection& entry = *claim_section(k, pages_at(k, block).start);
    entry.memmap = {};
    entry.state = SectionState::kRemoved;
    entry.nid = nid;  // as memblock had it, until the block comes back
    k.pages.hotplugged = 1;
    free_memmap(k, memmap);
    return {};
}

Blocks blocks(const Kernel& k) {
    return {geometry(k).section_bytes(), count_in(k, SectionState::kOffline), count_in(k, SectionState::kRemoved)};
}

u64 cut_unusable(const Kernel& k, PhysRange* windows, u64 count, u64 max) {
    const Geometry& g = geometry(k);
    if (k.pages.hotplugged == 0) return count;
    platform::charge(Work::kMemblockScans, k.pages.section_count);
    for (u64 i = 0; i < k.pages.section_count; ++i) {
        const Pfn first{(k.pages.first_section + i) * pages_per_section(g)};
        const PhysRange hole = range_at(k, g.phys_of(first));
        if (!is_unusable(k, hole.start, section_entry(k, first)->state)) continue;
        for (u64 w = 0; w < count; ++w) {
            PhysRange& window = windows[w];
            if (!window.overlaps(hole)) continue;
            platform::charge(Work::kMemblockScans, 1);
            const PhysAddr end = window.end();
            window.size = hole.start > window.start ? hole.start - window.start : 0;
            if (end <= hole.end()) continue;
            if (window.size == 0) {
                window = {hole.end(), end - hole.end()};
                continue;
            }
            if (count == max) continue;
            std::copy_backward(windows + w + 1, windows + count, windows + count + 1);
            windows[w + 1] = {hole.end(), end - hole.end()};
            ++count;
        }
    }
    return count;
}

}  // namespace baton::hotplug
