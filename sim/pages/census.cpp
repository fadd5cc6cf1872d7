// SPDX-License-Identifier: GPL-2.0-only
// Counting pages from raw RAM (see census.hpp). Nothing of model/mm runs here: only its layouts are shared.
#include "sim/pages/census.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "model/bits.hpp"
#include "model/kernel.hpp"
#include "sim/pages/page_spans.hpp"

namespace baton::sim {
namespace {

inline constexpr u64 kRegionsMax = u64{1} << 22;  // more is overwritten memory
inline constexpr u64 kSectionsMax = u64{1} << 20;

class Census {
public:
    Census(const PhysicalMemory& memory, const Kernel& k, const OwnershipMap& owners)
        : memory_(memory), k_(k), owners_(owners), g_(geometry_of(static_cast<GeometryId>(k.config.geometry))) {}

    PageCensus take() {
        find_zones();
        memory_regions_ = regions(k_.memblock.memory);
        for (ZoneCount& z : zones_) free_lists(z);
        untouched_sections();
        u64 twice = 0;
        if (!free_.settle(twice)) fault("page {:#x} is in two free blocks", address(twice));
        reservations();
        memory_regions();
        sums();
        ownership();
        return std::move(out_);
    }

private:
    template <class... T>
    void fault(fmt::format_string<T...> format, T&&... args) {
        if (out_.faults.size() < PageCensus::kFaultsMax)
            out_.faults.push_back(fmt::format(format, std::forward<T>(args)...));
    }
    u64 address(u64 pfn) const { return pfn << g_.page_shift; }
    u64 section_pages() const { return g_.section_bytes() >> g_.page_shift; }
    u64 pageblock_pages() const { return Order{g_.pageblock_order}.pages(); }

    /// Null: not RAM, or not where such an object can lie. Every address comes from RAM, and may be anything.
    template <class T>
    const T* at(PhysAddr a, u64 n = 1) const {
        if (a.value % alignof(T) != 0) return nullptr;
        return reinterpret_cast<const T*>(memory_.bytes({a, n * sizeof(T)}));
    }

    const MemSection* section_of(u64 pfn) const {
        const u64 i = pfn / section_pages() - k_.pages.first_section;
        if (i >= k_.pages.section_count) return nullptr;
        const auto* s = at<MemSection>(k_.pages.sections + i * sizeof(MemSection));
        return s != nullptr && s->memmap.value != 0 ? s : nullptr;
    }
    bool is_used(const MemSection& s, u64 pfn) const {
        const u64 offset = pfn % section_pages() * sizeof(Page);
        const u64 memmap_page = offset >> g_.page_shift;
        const u64 pageblocks = section_pages() >> g_.pageblock_order;
        const u8* bits = at<u8>(s.pageblocks + pageblocks + memmap_page / 8);
        return bits != nullptr && (*bits >> (memmap_page % 8) & 1) != 0;
    }
    /// `n` struct pages in one page of the memmap; null if it was never used, so that nothing is said of them, or is no
    /// RAM.
    const Page* said(const MemSection& s, u64 pfn, u64 n = 1) const {
        if (!is_used(s, pfn)) return nullptr;
        return at<Page>(s.memmap + pfn % section_pages() * sizeof(Page), n);
    }
    u8 type_of(const MemSection& s, u64 pfn) const {
        const u8* type = at<u8>(s.pageblocks + (pfn % section_pages() >> g_.pageblock_order));
        return type == nullptr ? 0xff : *type;
    }

    // --- nodes and zones ---

    /// A zone that exists, and what is found to be in it.
    struct ZoneCount {
        u32 node;
        u32 number;
        const Zone* zone;
        u64 free = 0;
        u64 cma = 0;
        u64 in_use = 0;
        u64 untouched = 0;
    };

    void find_zones() {
        for (u32 node = 0; node < kNodesMax; ++node) {
            const bool online = k_.numa.online == 0 ? node == 0 : (k_.numa.online >> node & 1) != 0;
            if (!online) continue;
            const auto* data = k_.numa.online == 0 ? nullptr : at<NodeData>(k_.pages.nodes[node]);
            if (k_.numa.online != 0 && data == nullptr) {
                fault("node {} has its data outside of RAM", node);
                continue;
            }
            const Zone* zones = data == nullptr ? k_.pages.zones : data->zones;
            for (u32 i = 0; i < kZones; ++i)
                if (zones[i].start != zones[i].end) zones_.push_back({.node = node, .number = i, .zone = &zones[i]});
        }
    }
    static std::string name_of(const ZoneCount& z, const Kernel& k) {
        return k.numa.online == 0 ? fmt::format("zone {}", z.number)
                                  : fmt::format("zone {} of node {}", z.number, z.node);
    }
    u32 node_of(u64 pfn) const {
        if (k_.numa.online == 0) return 0;
        const MemSection* s = section_of(pfn);
        if (s != nullptr && s->nid >= 0) return static_cast<u32>(s->nid);
        u32 node = 0;  // a hole is of the node below it
        for (const MemblockRegion& r : memory_regions_)
            if (r.base.value <= address(pfn)) node = static_cast<u32>(r.nid);
        return node;
    }
    /// Pages beyond a node's last zone are of that.
    ZoneCount* zone_of(u64 pfn) {
        const u32 node = node_of(pfn);
        ZoneCount* last = nullptr;
        for (ZoneCount& z : zones_) {
            if (z.node != node) continue;
            last = &z;
            if (pfn < z.zone->end.value) break;
        }
        return last;
    }

    // --- what is free ---

    void free_lists(ZoneCount& z) {
        for (u32 order = 0; order <= g_.max_order; ++order)
            for (u32 type = 0; type < kMigrateTypes; ++type) {
                const u64 listed = free_list(*z.zone, order, type);
                z.free += listed << order;
                if (type == static_cast<u32>(MigrateType::kCma)) z.cma += listed << order;
            }
    }

    u64 free_list(const Zone& zone, u32 order, u32 type) {
        const FreeArea& area = zone.areas[order];
        u64 count = 0;
        u64 previous = 0;
        for (u64 link = area.head[type]; link != 0; ++count) {
            const u64 pfn = link - 1;
            const MemSection* s = section_of(pfn);
            const Page* head = s == nullptr ? nullptr : said(*s, pfn);
            if (head == nullptr || count == area.count[type]) break;
            const bool block = (head->flags & kPgBuddy) != 0 && head->private_data == order && head->prev == previous;
            const bool placed = is_aligned(pfn, Order{order}.pages()) && pfn >= zone.start.value &&
                                pfn + Order{order}.pages() <= zone.end.value;
            if (!block || !placed) {
                fault("page {:#x} is on the free list of order {}, but no such free block", address(pfn), order);
                return count;
            }
            for (u64 i = 0; i < Order{order}.pages(); i += pageblock_pages())
                if (type_of(*s, pfn + i) != type)
                    fault("page {:#x} is on the free list of type {}, its pageblock is of type {}", address(pfn + i),
                          type, type_of(*s, pfn + i));
            free_.add({pfn, pfn + Order{order}.pages()});
            previous = link;
            link = head->next;
        }
        if (count != area.count[type])
            fault("the free list of order {}, type {} has {} blocks, its count says {}", order, type, count,
                  area.count[type]);
        return count;
    }

    void untouched_sections() {
        if (k_.pages.section_count > kSectionsMax) return fault("a table of {} sections", k_.pages.section_count);
        for (u64 i = 0; i < k_.pages.section_count; ++i) {
            const u64 first = (k_.pages.first_section + i) * section_pages();
            const MemSection* s = section_of(first);
            if (s == nullptr || s->state != SectionState::kUntouched) continue;
            ZoneCount* z = zone_of(first);
            if (z == nullptr) continue;
            free_.add({first, first + section_pages()});
            z->free += section_pages();
            ++z->untouched;
        }
        for (const ZoneCount& z : zones_)
            if (z.untouched != z.zone->untouched_sections)
                fault("{} has {} untouched sections, its count says {}", name_of(z, k_), z.untouched,
                      z.zone->untouched_sections);
    }

    // --- what memblock says ---

    std::span<const MemblockRegion> regions(const MemblockType& type) {
        if (type.cnt > kRegionsMax) return {};
        const auto* first = at<MemblockRegion>(type.regions.phys(), type.cnt);
        if (first != nullptr) return {first, type.cnt};
        fault("a memblock array lies outside of RAM, at {:#x}", type.regions.phys().value);
        return {};
    }

    void reservations() {
        for (const MemblockRegion& r : regions(k_.memblock.reserved)) {
            const PageSpan touched{r.base.value >> g_.page_shift, div_round_up(r.end().value, g_.page_size())};
            ((r.flags & kMemblockReservedUntouched) != 0 ? handed_over_ : reserved_).add(touched);
        }
        u64 shared = 0;  // two regions may share a page
        reserved_.settle(shared);
        handed_over_.settle(shared);
    }

    void memory_regions() {
        const PhysAddr ram_end =
            align_up(memory_.ranges().back().end(), 64 * kKiB);  // it ends with a frame, regions may not
        PhysAddr below{};
        for (const MemblockRegion& r : memory_regions_) {
            if (r.base < below || r.size > ram_end.value || r.base.value > ram_end.value - r.size)
                return fault("memblock has memory at {:#x}, {:#x} bytes, where it cannot be", r.base.value, r.size);
            below = r.end();
            const u64 first = div_round_up(r.base.value, g_.page_size());
            const u64 end = r.end().value >> g_.page_shift;
            for (u64 p = first; p < end;) {
                const u64 next = std::min(end, (p / section_pages() + 1) * section_pages());
                part_of_section({p, next});
                p = next;
            }
            if (first < end) out_.ram += end - first;
        }
    }

    // --- what the memory map says of the rest ---

    void part_of_section(PageSpan span) {
        const MemSection* s = section_of(span.first);
        if (s == nullptr) return fault("memory at {:#x} has no section", address(span.first));
        if (s->state == SectionState::kUntouched || s->state == SectionState::kOffline) {
            (s->state == SectionState::kOffline ? out_.offline : out_.free) += span.pages();
            return;
        }
        const u64 chunk = g_.page_size() / sizeof(Page);
        for (u64 p = span.first; p < span.end;) {
            const u64 next = std::min(span.end, (p / chunk + 1) * chunk);
            const Page* pages = said(*s, p, next - p);
            if (pages == nullptr && is_used(*s, p)) return fault("the struct pages of {:#x} are no RAM", address(p));
            part_of_memmap({p, next}, pages);
            p = next;
        }
    }

    /// `pages` are the struct pages of the span, null where nothing was ever said.
    void part_of_memmap(PageSpan span, const Page* pages) {
        for (u64 p = span.first; p < span.end;) {
            const u64 free_from = free_.first_present(p, span.end);
            not_free({p, free_from}, pages == nullptr ? nullptr : pages + (p - span.first));
            const u64 free_to = free_.first_missing(free_from, span.end);
            for (u64 i = free_from; pages != nullptr && i < free_to; ++i) {
                const Page& page = pages[i - span.first];
                if (page.refcount > 1) fault("page {:#x} is free and in use ({})", address(i), holder(page));
            }
            out_.free += free_to - free_from;
            p = free_to;
        }
    }

    void not_free(PageSpan span, const Page* pages) {
        for (u64 p = span.first; p < span.end;) {
            u64 silent = p;
            while (silent < span.end && (pages == nullptr || pages[silent - span.first].refcount == 0)) ++silent;
            if (silent != p) of_memblock({p, silent});
            for (p = silent; p < span.end && pages[p - span.first].refcount != 0; ++p) in_use(p, pages[p - span.first]);
        }
    }

    void of_memblock(PageSpan span) {
        for (u64 p = span.first; p < span.end; ++p) {
            const u64 kept = reserved_.first_missing(p, span.end);
            const u64 given = handed_over_.first_missing(p, span.end);
            const u64 until = std::max(kept, given);
            if (given > p)
                out_.preserved += given - p;
            else
                out_.reserved += kept - p;
            if (until == p) {
                fault("page {:#x} is lost: not free, not in use, not reserved", address(p));
                continue;
            }
            p = (given > p ? given : kept) - 1;
        }
    }

    void in_use(u64 pfn, const Page& page) {
        ++out_.in_use;
        if ((page.flags & kPgBuddy) != 0 && (page.next & 1) == 0)
            fault("page {:#x} says it is a free block, and is on no list", address(pfn));
        if (page.site == 0 || page.site > kAllocSiteCount)
            fault("page {:#x} is in use, and does not say by whom", address(pfn));
        else
            ++out_.by_site[page.site - 1];
        // Restored before free_all counted: no zone manages it.
        if (page.site == static_cast<u32>(AllocSite::kIncomingFdt) + 1) return;
        if (ZoneCount* z = zone_of(pfn)) ++z->in_use;
    }

    static std::string_view holder(const Page& page) {
        return page.site == 0 || page.site > kAllocSiteCount ? "nobody"
                                                             : info(static_cast<AllocSite>(page.site - 1)).name;
    }

    // --- do they agree ---

    void sums() {
        for (const ZoneCount& z : zones_) {
            if (z.zone->free_pages != z.free)
                fault("{} says {} pages are free, {} are", name_of(z, k_), z.zone->free_pages, z.free);
            if (z.zone->cma_free_pages != z.cma)
                fault("{} says {} pages of CMA are free, {} are", name_of(z, k_), z.zone->cma_free_pages, z.cma);
            if (z.zone->managed_pages != z.free + z.in_use)
                fault("{} manages {} pages, but {} are free and {} in use", name_of(z, k_), z.zone->managed_pages,
                      z.free, z.in_use);
        }
        if (free_.pages() != out_.free)
            fault("{} free pages are no memory", free_.pages() - std::min(free_.pages(), out_.free));
    }

    void ownership() {
        for (const PageSpan& span : free_.spans())
            for (const OwnedRun& run : owners_.runs({{address(span.first)}, span.pages() << g_.page_shift}))
                if (run.owner != Owner::kFree)
                    fault("page {:#x} is free, but {} owns it", run.range.start.value, name(run.owner));
        const u64 owned = owners_.count(Owner::kFree) >> (g_.page_shift - kFrameShift);
        if (owned > free_.pages()) fault("{} pages are owned as free, {} are", owned, free_.pages());
    }

    const PhysicalMemory& memory_;
    const Kernel& k_;
    const OwnershipMap& owners_;
    const Geometry& g_;
    PageCensus out_;
    PageSpans free_;
    PageSpans reserved_;
    PageSpans handed_over_;
    std::vector<ZoneCount> zones_;
    std::span<const MemblockRegion> memory_regions_;
};

}  // namespace

std::optional<PageCensus> take_census(const PhysicalMemory& memory, const Kernel& kernel, const OwnershipMap& owners) {
    if (kernel.magic != kKernelMagic || kernel.pages.ready == 0) return std::nullopt;
    return Census(memory, kernel, owners).take();
}

}  // namespace baton::sim
