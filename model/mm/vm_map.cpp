// SPDX-License-Identifier: GPL-2.0-only
#include "model/mm/vm_map.hpp"

#include "model/bits.hpp"
#include "model/kernel.hpp"
#include "model/mm/paging/entry.hpp"
#include "model/mm/paging/paging.hpp"

namespace baton::vm {
namespace {

inline constexpr u64 kVmallocBaseX86 = 0xffffc90040000000;

u64 range_pages(const Geometry& g) { return kVmallocBytes >> g.page_shift; }
u32 pmd_order(const Geometry& g) { return paging::index_bits(g); }

/// The area's runs are mapped by huge leaves.
bool is_huge(const Geometry& g, const VmArea& area) {
    return (area.flags & kVmAllowHuge) != 0 && area.order >= pmd_order(g);
}

/// First pages of the range, aligned, that no area or guard page has; nothing if there are none.
std::optional<u64> find_room(const Kernel& k, u64 pages, u64 align) {
    u64 start = 0;
    for (bool moved = true; moved;) {
        moved = false;
        for (const VmArea& other : k.vm_areas.slots) {
            platform::charge(Work::kListLinks, 1);
            const u64 end = other.start + other.mapped + 1;
            if (other.used == 0 || other.mapped == 0 || start >= end || other.start >= start + pages + 1) continue;
            start = align_up(end, align);
            moved = true;
        }
    }
    if (start + pages + 1 > range_pages(geometry(k))) return std::nullopt;
    return start;
}

Result<PhysAddr> table_page(void* context) {
    Kernel& k = *static_cast<Kernel*>(context);
    const auto page = mm::alloc_pages(k, {0}, kAllocZero, AllocSite::kVmTable);
    if (page) platform::own({*page, geometry(k).page_size()}, Owner::kKernel, Owner::kPageTables);
    return page;
}

void free_table(Kernel& k, PhysAddr table) {
    platform::tlb_flush();
    platform::own({table, geometry(k).page_size()}, Owner::kPageTables, Owner::kKernel);
    mm::free_pages(k, table, {0});
}

/// Contiguous pages of an area, to be mapped together.
struct Piece {
    u64 page;  // of the range
    PhysAddr at;
    u64 pages;
};

Status map_piece(Kernel& k, const Piece& piece, bool huge) {
    const Geometry& g = geometry(k);
    const u64 pmd = paging::level_bytes(g, 1);
    const VirtAddr va = address_of(k, piece.page);
    const u64 bytes = piece.pages << g.page_shift;
    for (u64 done = 0; huge && done < bytes; done += pmd)
        if (const auto table = paging::drop_empty_table(g, k.page_table, va + done)) free_table(k, *table);
    const paging::TableSource tables{table_page, &k};
    const u32 flags = paging::kMapWrite | paging::kMapGlobal;
    return paging::map(g, k.page_table, va, piece.at, bytes, flags, huge ? pmd : g.page_size(), tables);
}

/// Maps the list at the area's start, neighbours of a run together.
Status map_pages(Kernel& k, const VmArea& area) {
    const Geometry& g = geometry(k);
    const u64 run = Order{area.order}.pages();
    PageCursor cursor(k, area);
    Piece piece{area.start, {}, 0};
    for (u64 i = 0; i < area.pages; ++i) {
        const PhysAddr page = cursor.next();
        const bool joins = piece.pages != 0 && piece.pages < run && page == piece.at + (piece.pages << g.page_shift);
        if (joins) {
            ++piece.pages;
            continue;
        }
        if (piece.pages != 0) {
            const bool huge = is_huge(g, area) && piece.pages == run;
            if (const Status done = map_piece(k, piece, huge); !done) return done;
        }
        piece = {area.start + i, page, 1};
    }
    return map_piece(k, piece, is_huge(g, area) && piece.pages == run);
}

std::byte* word_at(const Kernel& k, const VmArea& area, u64 index) {
    const Geometry& g = geometry(k);
    BATON_ASSERT(index * sizeof(u64) >> g.page_shift < area.mapped);
    return platform::mapped(g, k.page_table, address_of(k, area.start) + index * sizeof(u64), sizeof(u64));
}

}  // namespace

VirtAddr base(const Kernel& k) {
    const Geometry& g = geometry(k);
    return {g.isa == Isa::kX86_64 ? kVmallocBaseX86 : g.kernel_text_base + kGiB - g.kernel_text_base % kGiB};
}

VirtAddr address_of(const Kernel& k, u64 page) { return base(k) + (page << geometry(k).page_shift); }

Status map(Kernel& k, u32 slot) {
    BATON_ASSERT(find(k, slot) != nullptr && k.page_table.value != 0);
    VmArea& area = k.vm_areas.slots[slot];
    if (area.mapped != 0) return fail(Errno::kEEXIST);
    if (area.pages == 0) return {};
    const u64 align = is_huge(geometry(k), area) ? Order{pmd_order(geometry(k))}.pages() : 1;
    const auto room = find_room(k, area.pages, align);
    if (!room) return fail(Errno::kENOMEM);
    area.start = *room;
    area.mapped = area.pages;
    if (const Status done = map_pages(k, area); !done) {
        unmap(k, slot);
        return done;
    }
    platform::barrier();
    return {};
}

void unmap(Kernel& k, u32 slot) {
    BATON_ASSERT(find(k, slot) != nullptr);
    VmArea& area = k.vm_areas.slots[slot];
    if (area.mapped == 0) return;
    const Geometry& g = geometry(k);
    paging::unmap(g, k.page_table, address_of(k, area.start), area.mapped << g.page_shift);
    platform::tlb_flush();
    area.start = area.mapped = 0;
}

u64 load_word(const Kernel& k, const VmArea& area, u64 index) {
    u64 value = 0;
    std::memcpy(&value, word_at(k, area, index), sizeof(value));
    return value;
}

void store_word(Kernel& k, const VmArea& area, u64 index, u64 value) {
    const Geometry& g = geometry(k);
    const u64 offset = index * sizeof(u64);
    platform::mark_dirty(page_at(k, area, offset >> g.page_shift) + (offset & (g.page_size() - 1)), sizeof(u64));
    std::memcpy(word_at(k, area, index), &value, sizeof(value));
}

Result<u64> sum(const Kernel& k, u64 page, u64 pages) {
    const Geometry& g = geometry(k);
    if (page > range_pages(g) || pages > range_pages(g) - page) return fail(Errno::kEINVAL);
    u64 total = 0;
    for (u64 i = 0; i < pages; ++i) {
        const std::byte* words = platform::mapped(g, k.page_table, address_of(k, page + i), g.page_size());
        for (u64 at = 0; at < g.page_size(); at += sizeof(u64)) {
            u64 word = 0;
            std::memcpy(&word, words + at, sizeof(word));
            total = add_to_sum(total, word);
        }
        platform::charge(Work::kBytesCopied, g.page_size());
    }
    return total;
}

}  // namespace baton::vm
