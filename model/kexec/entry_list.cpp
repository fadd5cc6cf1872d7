// SPDX-License-Identifier: GPL-2.0-only
#include "model/kexec/entry_list.hpp"

#include "model/kernel.hpp"
#include "model/kexec/pages.hpp"

namespace baton::kexec {
namespace {

/// One page of words as the relocation code goes through it, on the look-out for the SOURCE of one destination.
struct PageScan {
    PhysAddr destination;             // running: where the next SOURCE goes
    std::optional<PhysAddr> next{};   // words to go on with; nothing: the list ends here
    std::optional<PhysAddr> found{};  // slot
    u64 visited = 0;                  // words

    void scan(PhysAddr page, u64 page_size, PhysAddr wanted);

private:
    bool skip_sources(const u64* words, u64 count, u64 page_size, PhysAddr wanted);
};

// Nearly every page of words is one run of SOURCEs: then there is nothing to look at but their number. True when that
// run has the wanted one, the last of `visited`.
bool PageScan::skip_sources(const u64* words, u64 count, u64 page_size, PhysAddr wanted) {
    u64 all = ~u64{0};
    u64 any = 0;
    for (u64 i = 0; i < count; ++i) {
        all &= words[i];
        any |= words[i];
    }
    if ((all & kEntrySource) == 0 || (any & kEntryFlags) != kEntrySource) return false;
    const u64 ahead = (wanted - destination) / page_size;  // huge when it lies below
    const bool here = ahead < count;
    visited = here ? ahead + 1 : count;
    destination += visited * page_size;
    return here;
}

void PageScan::scan(PhysAddr page, u64 page_size, PhysAddr wanted) {
    const u64 count = page_size / sizeof(u64);
    const u64* words = ram::read<u64>(page, count);
    next = page + page_size;  // behind a last word that says nothing else
    if (skip_sources(words, count - 1, page_size, wanted)) found = page + (visited - 1) * sizeof(u64);
    while (!found && visited < count) {
        const u64 word = words[visited++];
        const PhysAddr address{word & ~(page_size - 1)};
        if (word & kEntryDestination) {
            destination = address;
        } else if (word & kEntryIndirection) {
            next = address;
            return;
        } else if ((word & kEntryDone) != 0 || word == 0) {
            next.reset();
            return;
        } else if (word & kEntrySource) {
            if (destination == wanted) found = page + (visited - 1) * sizeof(u64);
            destination += page_size;
        }
    }
}

}  // namespace

std::optional<PhysAddr> find_source(const Kimage& image, u64 page_size, PhysAddr destination) {
    platform::charge(Work::kEntriesWalked, 1);
    PageScan scan{};
    if (image.head & kEntryIndirection) scan.next = PhysAddr{image.head & ~(page_size - 1)};
    while (scan.next && !scan.found) {
        scan.visited = 0;
        scan.scan(*scan.next, page_size, destination);
        platform::charge(Work::kEntriesWalked, scan.visited);
    }
    return scan.found;
}

void init_list(Kimage& image) {
    image.head = 0;
    image.entry = kHeadSlot;
    image.last_entry = kHeadSlot;
    image.source_pages = 0;
}

void store_entry(Kimage& image, PhysAddr slot, u64 entry) {
    if (slot == kHeadSlot)
        image.head = entry;
    else
        ram::store(slot, entry);
}

Status append(Kernel& k, Kimage& image, u64 entry) {
    if (image.entry == image.last_entry) {
        const u64 page_size = geometry(k).page_size();
        const Result<PhysAddr> page = alloc_source_page(k, image, kNoDestination);
        if (!page) return fail(page.error());
        platform::own({*page, page_size}, Owner::kImageSource, Owner::kImageList);
        store_entry(image, image.entry, page->value | kEntryIndirection);
        image.entry = *page;
        image.last_entry = *page + (page_size - sizeof(u64));
    }
    BATON_ASSERT(image.entry < image.last_entry);
    store_entry(image, image.entry, entry);
    image.entry += sizeof(u64);
    store_entry(image, image.entry, 0);
    platform::charge(Work::kListLinks, 1);
    return {};
}

void terminate(Kimage& image) { store_entry(image, image.entry, kEntryDone); }

void free_list(Kernel& k, Kimage& image) {
    // A page of words is freed only when the walk has left it.
    std::optional<PhysAddr> list_page;
    for (EntryWalker w(image, geometry(k).page_size()); w.next();) {
        if (w.is_source()) release_page(k, w.address(), Owner::kImageSource);
        if (!w.is_indirection()) continue;
        if (list_page) release_page(k, *list_page, Owner::kImageList);
        list_page = w.address();
    }
    if (list_page) release_page(k, *list_page, Owner::kImageList);
    init_list(image);
}

bool EntryWalker::next() {
    slot_ = next_slot_;
    entry_ = slot_ == kHeadSlot ? image_.head : ram::load<u64>(slot_);
    platform::charge(Work::kEntriesWalked, 1);
    destination_ = next_destination_;
    // After `head` comes the page that it links to, or nothing.
    if (slot_ != kHeadSlot) next_slot_ = slot_ + sizeof(u64);
    if (entry_ & kEntryDestination)
        next_destination_ = address();
    else if (entry_ & kEntryIndirection)
        next_slot_ = address();
    else if ((entry_ & kEntryDone) || entry_ == 0)
        return false;
    else if (entry_ & kEntrySource)
        next_destination_ = destination_ + page_size_;
    return slot_ != kHeadSlot || (entry_ & kEntryIndirection) != 0;
}

}  // namespace baton::kexec
