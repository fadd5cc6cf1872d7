// SPDX-License-Identifier: GPL-2.0-only
#include "model/mm/vm_area.hpp"

#include "model/bits.hpp"
#include "model/kernel.hpp"
#include "model/mm/vm_map.hpp"

namespace baton::vm {
namespace {

u64 pages_per_index(const Kernel& k) { return geometry(k).page_size() / sizeof(u64) - 1; }
PhysAddr link_of(const Kernel& k, PhysAddr index) { return index + pages_per_index(k) * sizeof(u64); }

VmArea& area_of(Kernel& k, u32 slot) {
    BATON_ASSERT(slot < kVmAreasMax && k.vm_areas.slots[slot].used != 0);
    return k.vm_areas.slots[slot];
}

/// Room for one more entry in the last index page.
Status make_room(Kernel& k, VmArea& area) {
    if (area.pages % pages_per_index(k) != 0) return {};
    const auto index = mm::alloc_pages(k, {0}, kAllocZero, AllocSite::kVmIndex);
    if (!index) return fail(index.error());
    if (area.first.value == 0)
        area.first = *index;
    else
        ram::store(link_of(k, area.last), *index);
    area.last = *index;
    return {};
}

/// The pages of one more run.
Status grow(Kernel& k, u32 slot, Order order) {
    const auto run = mm::alloc_run(k, order.pages(), kAllocZero | kAllocUser, AllocSite::kVmPage);
    if (!run) return fail(run.error());
    for (u64 i = 0; i < order.pages(); ++i) {
        if (const Status added = append(k, slot, *run + i * geometry(k).page_size()); !added) {
            for (u64 left = i; left < order.pages(); ++left)
                mm::free_pages(k, *run + left * geometry(k).page_size(), {0});
            return added;
        }
    }
    return {};
}

}  // namespace

Result<u32> create(Kernel& k, Order order, u32 flags) {
    for (u32 slot = 0; slot < kVmAreasMax; ++slot) {
        VmArea& area = k.vm_areas.slots[slot];
        if (area.used != 0) continue;
        area = {};
        area.used = 1;
        area.flags = flags;
        area.order = order.value;
        return slot;
    }
    return fail(Errno::kENOSPC);
}

Status append(Kernel& k, u32 slot, PhysAddr page) {
    VmArea& area = area_of(k, slot);
    if (const Status room = make_room(k, area); !room) return room;
    ram::store(area.last + area.pages % pages_per_index(k) * sizeof(u64), page);
    ++area.pages;
    platform::charge(Work::kListLinks, 1);
    return {};
}

void forget(Kernel& k, u32 slot) {
    unmap(k, slot);
    PhysAddr index = area_of(k, slot).first;
    while (index.value != 0) {
        const auto next = ram::load<PhysAddr>(link_of(k, index));
        platform::charge(Work::kListLinks, 1);
        mm::free_pages(k, index, {0});
        index = next;
    }
    k.vm_areas.slots[slot] = {};
}

Result<u32> alloc(Kernel& k, u64 pages, Order order, u32 flags) {
    if (pages == 0 || order.value > geometry(k).max_order || !is_aligned(pages, order.pages()))
        return fail(Errno::kEINVAL);
    const auto slot = create(k, order, flags);
    if (!slot) return slot;
    for (u64 done = 0; done < pages; done += order.pages()) {
        if (const Status grown = grow(k, *slot, order); !grown) {
            if (!free(k, *slot)) BATON_WARN();
            return fail(grown.error());
        }
    }
    if (const Status mapped = map(k, *slot); !mapped) {
        if (!free(k, *slot)) BATON_WARN();
        return fail(mapped.error());
    }
    return slot;
}

Status free(Kernel& k, u32 slot) {
    const VmArea* area = find(k, slot);
    if (area == nullptr) return fail(Errno::kENOENT);
    unmap(k, slot);
    PageCursor cursor(k, *area);
    for (u64 i = 0; i < area->pages; ++i) mm::free_pages(k, cursor.next(), {0});
    forget(k, slot);
    return {};
}

const VmArea* find(const Kernel& k, u32 slot) {
    if (slot >= kVmAreasMax || k.vm_areas.slots[slot].used == 0) return nullptr;
    return &k.vm_areas.slots[slot];
}

PhysAddr page_at(const Kernel& k, const VmArea& area, u64 index) {
    BATON_ASSERT(index < area.pages);
    PhysAddr page = area.first;
    for (; index >= pages_per_index(k); index -= pages_per_index(k)) {
        page = ram::load<PhysAddr>(link_of(k, page));
        platform::charge(Work::kListLinks, 1);
    }
    return ram::load<PhysAddr>(page + index * sizeof(u64));
}

PageCursor::PageCursor(const Kernel& k, const VmArea& area) : kernel_(k), index_(area.first) {}

PhysAddr PageCursor::next() {
    if (slot_ == pages_per_index(kernel_)) {
        index_ = ram::load<PhysAddr>(link_of(kernel_, index_));
        slot_ = 0;
    }
    platform::charge(Work::kListLinks, 1);
    return ram::load<PhysAddr>(index_ + slot_++ * sizeof(u64));
}

}  // namespace baton::vm
