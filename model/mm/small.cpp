// SPDX-License-Identifier: GPL-2.0-only
// Small objects: a page per size class, carved as needed, given back when its last object is (mm::small_alloc).
//
// Everything known about such a page is in its struct page, in the fields a slab would use: page_type says slab, index
// the class and how many objects were carved so far, mapping how many are in use, private_data the first freed object
// (address + 1; each freed object's first word is the next). Pages with room are linked per class, last in first out.
#include <algorithm>

#include "model/mm/page_internal.hpp"

namespace baton::mm {

using namespace internal;

namespace {

inline constexpr u64 kSmallest = 32;
inline constexpr u32 kSlabType = 0xf5000000 + 1;  // Linux's page type, biased by one like every page_type

constexpr u64 object_bytes(u32 size_class) { return kSmallest << size_class; }
u32 class_of(u64 bytes) { return bytes <= kSmallest ? 0 : floor_log2(bytes - 1) + 1 - floor_log2(kSmallest); }

// Page::index of a page of small objects.
struct Carving {
    u32 size_class;
    u32 carved;
};
constexpr u64 pack(Carving c) { return u64{c.carved} << 8 | c.size_class; }
Carving unpack(u64 index) {
    const Carving c{static_cast<u32>(index & 0xff), static_cast<u32>(index >> 8)};
    BATON_ASSERT(c.size_class < kSmallClasses);
    return c;
}

bool has_room(const Geometry& g, const Page& page) {
    const Carving c = unpack(page.index);
    return page.private_data != 0 || c.carved < g.page_size() / object_bytes(c.size_class);
}

void link(Kernel& k, Pfn p, Page& page) {
    u64& first = k.small.partial[unpack(page.index).size_class];
    page.next = first;
    page.prev = 0;
    if (first != 0) claim_pages(k, {first - 1}, 1)->prev = p.value + 1;
    first = p.value + 1;
}

void unlink(Kernel& k, Pfn p, Page& page) {
    u64& first = k.small.partial[unpack(page.index).size_class];
    if (page.next != 0) claim_pages(k, {page.next - 1}, 1)->prev = page.prev;
    if (page.prev != 0) {
        claim_pages(k, {page.prev - 1}, 1)->next = page.next;
    } else {
        BATON_ASSERT(first == p.value + 1);
        first = page.next;
    }
    page.next = 0;
    page.prev = 0;
}

Result<Pfn> page_with_room(Kernel& k, u32 size_class, u32 flags) {
    if (k.small.partial[size_class] != 0 && (flags & kAllocDma) == 0) return Pfn{k.small.partial[size_class] - 1};
    const auto fresh = alloc_pages(k, {0}, flags & kAllocDma, AllocSite::kSlab);
    if (!fresh) return fail(fresh.error());
    const Pfn p = geometry(k).pfn_of(*fresh);
    Page& page = *claim_pages(k, p, 1);
    page.page_type = kSlabType;
    page.index = pack({size_class, 0});
    link(k, p, page);
    ++k.small.pages;
    return p;
}

// The page must have room.
PhysAddr take_object(const Geometry& g, Pfn p, Page& page) {
    Carving c = unpack(page.index);
    ++page.mapping;
    if (page.private_data != 0) {
        const PhysAddr object{page.private_data - 1};
        BATON_ASSERT(g.pfn_of(object) == p && is_aligned(object, object_bytes(c.size_class)));
        page.private_data = ram::load<u64>(object);
        return object;
    }
    const PhysAddr object = g.phys_of(p) + c.carved * object_bytes(c.size_class);
    ++c.carved;
    page.index = pack(c);
    return object;
}

}  // namespace

Result<PhysAddr> small_alloc(Kernel& k, u64 bytes, u32 flags, AllocSite site) {
    const Geometry& g = geometry(k);
    if (bytes == 0 || bytes > object_bytes(kSmallClasses - 1)) return fail(Errno::kEINVAL);
    if (must_fail(k, site)) return fail(Errno::kENOMEM);
    if ((flags & (kAllocDma | kAllocUnfenced)) == 0) {
        if (const auto fenced = fence::take(k, bytes)) {
            if ((flags & kAllocZero) != 0) ram::zero(*fenced, bytes);
            return *fenced;
        }
    }
    const u32 size_class = class_of(bytes);
    const auto p = page_with_room(k, size_class, flags);
    if (!p) return fail(p.error());
    Page& page = *claim_pages(k, *p, 1);
    BATON_ASSERT(page.page_type == kSlabType && has_room(g, page));
    const PhysAddr object = take_object(g, *p, page);
    if (!has_room(g, page)) unlink(k, *p, page);
    ++k.small.objects[size_class];
    platform::charge(Work::kListLinks, 1);
    if ((flags & kAllocZero) != 0) ram::zero(object, object_bytes(size_class));
    return object;
}

void small_free(Kernel& k, PhysAddr a) {
    if (fence::holds(k, a)) {
        if (!fence::give(k, a)) BATON_WARN();
        return;
    }
    const Geometry& g = geometry(k);
    const Pfn p = g.pfn_of(a);
    Page& page = *claim_pages(k, p, 1);
    BATON_ASSERT(page.page_type == kSlabType && page.mapping != 0);
    const u32 size_class = unpack(page.index).size_class;
    BATON_ASSERT(is_aligned(a, object_bytes(size_class)) && k.small.objects[size_class] != 0);
    const bool was_full = !has_room(g, page);
    ram::store(a, page.private_data);
    page.private_data = a.value + 1;
    --page.mapping;
    --k.small.objects[size_class];
    platform::charge(Work::kListLinks, 1);
    if (was_full) link(k, p, page);
    if (page.mapping != 0) return;
    unlink(k, p, page);
    page.page_type = 0;
    --k.small.pages;
    free_pages(k, g.phys_of(p), {0});
}

}  // namespace baton::mm
