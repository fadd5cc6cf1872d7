// SPDX-License-Identifier: GPL-2.0-only
#include "model/mm/pin.hpp"

#include "model/mm/migrate.hpp"
#include "model/mm/page_internal.hpp"

namespace baton::mm {

using namespace internal;

namespace {

inline constexpr u32 kPinCountShift = 32;  // in the second page's `mapping`

bool is_large(const Page& head) { return (head.flags & kPgHead) != 0; }

i32 large_pins(const Kernel& k, Pfn head) { return static_cast<i32>(load_page(k, head + 1).mapping >> kPinCountShift); }

void add_refs(Kernel& k, Pfn head, i32 change) {
    Page& page = *claim_pages(k, head, 1);
    set_page_refcount(page, page_refcount(page) + change);
}

/// One pin more or less.
void count_pin(Kernel& k, Pfn head, i32 change) {
    if (!is_large(load_page(k, head))) return add_refs(k, head, change * kPinBias);
    add_refs(k, head, change);
    Page& second = *claim_pages(k, head + 1, 1);
    second.mapping = static_cast<u64>(static_cast<u32>(large_pins(k, head) + change)) << kPinCountShift;
}

/// References that are no pins.
i32 mappings(const Kernel& k, PhysAddr folio) {
    const Pfn p = geometry(k).pfn_of(folio);
    const Page head = load_page(k, p);
    return page_refcount(head) - pin_count(k, folio) * (is_large(head) ? 1 : kPinBias);
}

/// May be pinned where it is.
bool is_longterm_pinnable(const Kernel& k, PhysAddr folio) {
    const MigrateType type = type_of(k, geometry(k).pfn_of(folio));
    return type != MigrateType::kCma && type != MigrateType::kIsolate;
}

/// Where the folio can be pinned: its own place, or the one it is moved to.
Result<PhysAddr> pinnable(Kernel& k, PhysAddr folio) {
    if (is_longterm_pinnable(k, folio)) return folio;
    // B42: nobody asked where it lies.
    if (k.defect(Defect::kB42)) [[unlikely]]
        return folio;
    if (pin_count(k, folio) != 0 || !is_migratable(k, folio)) return fail(Errno::kEBUSY);
    return migrate(k, folio, 0);
}

void report_unmapped(const Kernel& k, PhysAddr folio) {
    const Pfn p = geometry(k).pfn_of(folio);
    platform::log(LogLevel::kWarn, Log::kBadPageState, p.value, static_cast<u64>(page_refcount(load_page(k, p))));
    BATON_WARN();
}

/// A pinned folio loses its mapping.
void unmap_pinned(Kernel& k, PhysAddr folio) {
    if (mappings(k, folio) == 0) return report_unmapped(k, folio);
    add_refs(k, geometry(k).pfn_of(folio), -1);
}

}  // namespace

i32 pin_count(const Kernel& k, PhysAddr folio) {
    if (!is_user_folio(k, folio)) return 0;
    const Pfn p = geometry(k).pfn_of(folio);
    const Page head = load_page(k, p);
    return is_large(head) ? large_pins(k, p) : page_refcount(head) / kPinBias;
}

Result<PhysAddr> pin(Kernel& k, PhysAddr folio) {
    if (!is_user_folio(k, folio)) return fail(Errno::kEFAULT);
    if (mappings(k, folio) == 0) return fail(Errno::kEFAULT);
    if (page_refcount(load_page(k, geometry(k).pfn_of(folio))) > kPinnedRefcountMax) return fail(Errno::kENOMEM);
    const auto at = pinnable(k, folio);
    if (!at) return at;
    count_pin(k, geometry(k).pfn_of(*at), 1);
    return at;
}

Status unpin(Kernel& k, PhysAddr folio) {
    if (pin_count(k, folio) == 0) return fail(Errno::kEINVAL);
    const Pfn p = geometry(k).pfn_of(folio);
    count_pin(k, p, -1);
    if (page_refcount(load_page(k, p)) != 0) return {};
    set_page_refcount(*claim_pages(k, p, 1), 1);
    free_pages(k, folio, folio_order(k, folio));
    return {};
}

void release_folio(Kernel& k, PhysAddr folio) {
    if (pin_count(k, folio) != 0) return unmap_pinned(k, folio);
    free_pages(k, folio, folio_order(k, folio));
}

void release_run(Kernel& k, PhysAddr start, u64 pages) {
    const Geometry& g = geometry(k);
    u64 pinned = 0;
    for (u64 i = 0; i < pages && section_of(k, g.pfn_of(start) + i) != nullptr; ++i) {
        platform::charge(Work::kBuddyOps, 0);
        if (pin_count(k, start + (i << g.page_shift)) != 0) ++pinned;
    }
    if (pinned == 0) return free_run(k, start, pages);
    for (u64 i = 0; i < pages; ++i) {
        const PhysAddr page = start + (i << g.page_shift);
        if (pin_count(k, page) != 0)
            unmap_pinned(k, page);
        else
            free_run(k, page, 1);
    }
}

}  // namespace baton::mm
